import { dbTime } from "../clock"
import { type Db, execute, newId, selectJson } from "../db"
import { seal, unseal } from "../secrets"

/** What a tenant's stack (LiteLLM and Open WebUI) keeps secret, by the name of its variable in the stack's `.env`. */
export const STACK_SECRETS = [
  "LITELLM_MASTER_KEY",
  "CF_INGEST_KEY",
  "CF_OWUI_KEY",
  "CF_OWUI_JWT_SECRET",
  "WEBUI_SECRET_KEY",
  "OAUTH_CLIENT_SECRET",
  "SCIM_TOKEN",
  "WEBUI_ADMIN_PASSWORD",
] as const

export type StackSecret = (typeof STACK_SECRETS)[number]

/** One tenant's stack: where its chat is, which OAuth client it is, and its secrets in clear (encrypted in the table). */
export interface TenantStack {
  tenantId: string
  /** Without a slash at the end, e.g. https://slug.cloudfreedom.de */
  chatUrl: string
  oauthClientId: string
  /** SHA-256 (hex) of OAUTH_CLIENT_SECRET: sign-in verifies by it and never decrypts. */
  oauthClientSecretHash: string
  /** Compared character by character. */
  oauthRedirectUri: string
  /** Open WebUI's own administrator, who can run code there: never signed in, never provisioned by us. */
  adminEmail: string
  /** Base of the SCIM API, e.g. https://slug.cloudfreedom.de/api/v1/scim/v2; empty: users are not provisioned. */
  scimUrl: string
  secrets: Partial<Record<StackSecret, string>>
}

const PUBLIC_COLUMNS = `'tenantId', s.tenant_id, 'chatUrl', s.chat_url, 'oauthClientId', s.oauth_client_id,
  'oauthClientSecretHash', s.oauth_client_secret_hash, 'oauthRedirectUri', s.oauth_redirect_uri,
  'adminEmail', s.admin_email, 'scimUrl', s.scim_url`

/** The stack with its secrets. Throws if SECRETS_KEY is not the one that they were stored with. */
export function findStack(db: Db, tenantId: string): TenantStack | null {
  const found = selectJson<(Omit<TenantStack, "secrets"> & { sealed: string })[]>(
    db,
    `SELECT json_group_array(json_object(${PUBLIC_COLUMNS}, 'sealed', s.secrets_encrypted)) AS j
     FROM tenant_stacks s WHERE s.tenant_id = {:tenantId}`,
    { tenantId },
  )[0]
  if (!found) return null
  const { sealed, ...stack } = found
  return { ...stack, secrets: sealed === "" ? {} : unseal<TenantStack["secrets"]>(sealed) }
}

/** A stack as sign-in sees it: with its tenant, without its secrets. */
export interface StackWithTenant extends Omit<TenantStack, "secrets"> {
  slug: string
  tenantName: string
  tenantStatus: string
  language: "de" | "en"
}

export const FIND_STACK_BY_SLUG = `SELECT json_group_array(json_object(${PUBLIC_COLUMNS}, 'slug', t.slug, 'tenantName', t.name,
  'tenantStatus', t.status, 'language', CASE t.language WHEN 'en' THEN 'en' ELSE 'de' END)) AS j
  FROM tenants t JOIN tenant_stacks s ON s.tenant_id = t.id WHERE t.slug = {:slug}`

export function findStackBySlug(db: Db, slug: string): StackWithTenant | null {
  return selectJson<StackWithTenant[]>(db, FIND_STACK_BY_SLUG, { slug })[0] ?? null
}

/** Inserts or replaces the tenant's stack, secrets encrypted. The first time, also call `enqueueWholeTenant`. */
export function saveStack(tx: Db, stack: TenantStack, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO tenant_stacks (id, tenant_id, chat_url, oauth_client_id, oauth_client_secret_hash, oauth_redirect_uri,
       admin_email, scim_url, secrets_encrypted, created, updated)
     VALUES ({:id}, {:tenantId}, {:chatUrl}, {:oauthClientId}, {:oauthClientSecretHash}, {:oauthRedirectUri},
       {:adminEmail}, {:scimUrl}, {:sealed}, {:now}, {:now})
     ON CONFLICT (tenant_id) DO UPDATE SET chat_url = excluded.chat_url, oauth_client_id = excluded.oauth_client_id,
       oauth_client_secret_hash = excluded.oauth_client_secret_hash, oauth_redirect_uri = excluded.oauth_redirect_uri,
       admin_email = excluded.admin_email, scim_url = excluded.scim_url, secrets_encrypted = excluded.secrets_encrypted,
       updated = excluded.updated`,
    {
      id: newId(nowMs),
      tenantId: stack.tenantId,
      chatUrl: stack.chatUrl,
      oauthClientId: stack.oauthClientId,
      oauthClientSecretHash: stack.oauthClientSecretHash,
      oauthRedirectUri: stack.oauthRedirectUri,
      adminEmail: stack.adminEmail,
      scimUrl: stack.scimUrl,
      sealed: seal(stack.secrets),
      now: dbTime(nowMs),
    },
  )
}

/** Whether the tenant's users are told to its chat. */
export function provisionsUsers(db: Db, tenantId: string): boolean {
  const found = selectJson<string[]>(
    db,
    "SELECT json_group_array(id) AS j FROM tenant_stacks WHERE tenant_id = {:tenantId} AND scim_url != ''",
    { tenantId },
  )
  return found.length > 0
}
