import { ApiProblem } from "../contract/error-codes"
import type { Caller } from "../pocketbase/auth"
import { dbTime, nowMs } from "../pocketbase/clock"
import type { Db } from "../pocketbase/db"
import { insertAudit } from "../pocketbase/stores/audit-log"
import { findIngestKeyByHash } from "../pocketbase/stores/ingest-keys"
import type { BundleTenant } from "../pocketbase/stores/stack-facts"
import { findStack, STACK_SECRETS, type StackSecret, saveStack, type TenantStack } from "../pocketbase/stores/tenant-stacks"
import { createIngestKeyIn, rotateIngestKeyIn } from "./manage-ingest-keys"
import { enqueueWholeTenant } from "./provision-chat-user"

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
/** 43 characters of 62 are 256 bits. */
const LENGTH = 43
/** How long a stack may go on with the old ingest key: long enough to deploy it by hand. */
const INGEST_KEY_OVERLAP_HOURS = 24

/** Why some secrets stay for ever. */
const NEVER: Partial<Record<StackSecret, string>> = {
  WEBUI_SECRET_KEY: "it would sign everybody out of the chat and make what Open WebUI has encrypted unreadable",
  WEBUI_ADMIN_PASSWORD: "Open WebUI reads it at its very first start only: change it there",
}

/** LiteLLM and the gate want keys that begin with sk-; what does not is logged in clear. */
const PREFIX: Partial<Record<StackSecret, string>> = { LITELLM_MASTER_KEY: "sk-", CF_OWUI_KEY: "sk-" }

/**
 * The tenant's stack with all of its secrets: those that it has stay, unless named; missing ones are made. In the caller's
 * transaction, with its line in the audit log (names, never values).
 * @throws ApiProblem invalid_field if `rotate` names something that does not exist or never rotates
 */
export function refreshStack(tx: Db, caller: Caller, tenant: BundleTenant, rotate: readonly string[]): TenantStack {
  const named = rotatable(rotate)
  const now = nowMs()
  const before = findStack(tx, tenant.id)
  const kept = before?.secrets ?? {}

  const secrets: Partial<Record<StackSecret, string>> = {}
  for (const name of STACK_SECRETS) {
    const old = kept[name]
    if (name === "CF_INGEST_KEY") secrets[name] = ingestKey(tx, caller, tenant.id, old, named.includes(name))
    else secrets[name] = old === undefined || named.includes(name) ? newSecret(name) : old
  }
  const stack: TenantStack = {
    tenantId: tenant.id,
    chatUrl: `https://${tenant.domain}`,
    oauthClientId: before?.oauthClientId ?? `chat-${tenant.slug}`,
    oauthClientSecretHash: $security.sha256(secrets.OAUTH_CLIENT_SECRET ?? ""),
    oauthRedirectUri: `https://${tenant.domain}/oauth/oidc/callback`,
    adminEmail: before?.adminEmail ?? `stack-operator@${tenant.domain}`,
    scimUrl: `https://${tenant.domain}/api/v1/scim/v2`,
    secrets,
  }

  saveStack(tx, stack, now)
  if (before?.scimUrl !== stack.scimUrl) enqueueWholeTenant(tx, tenant.id, now)
  const changed = (name: StackSecret) => secrets[name] !== kept[name]
  const after = {
    made: STACK_SECRETS.filter((name) => kept[name] === undefined),
    replaced: STACK_SECRETS.filter((name) => kept[name] !== undefined && changed(name)),
  }
  const target = tenant.id
  const entry = { tenantId: tenant.id, actor: caller.actor, action: "tenant.bundle", target, before: null, after, reason: "" }
  insertAudit(tx, entry, dbTime(now), now)
  return stack
}

function rotatable(names: readonly string[]): StackSecret[] {
  return names.map((name, i) => {
    const path = `rotate[${i}]`
    const known = STACK_SECRETS.find((secret) => secret === name)
    if (known === undefined) {
      const allowed = STACK_SECRETS.filter((secret) => NEVER[secret] === undefined)
      throw new ApiProblem("invalid_field", `${path} must be one of ${allowed.join(", ")}`, { path, allowed })
    }
    if (NEVER[known] !== undefined)
      throw new ApiProblem("invalid_field", `${path}: ${known} never rotates: ${NEVER[known]}`, { path })
    return known
  })
}

/** A key that was revoked, or that ends because it was rotated elsewhere, is no key to deploy: a new one takes its place. */
function ingestKey(tx: Db, caller: Caller, tenantId: string, old: string | undefined, rotate: boolean): string {
  const known = old === undefined ? null : findIngestKeyByHash(tx, $security.sha256(old))
  if (old === undefined || known?.status !== "active" || known.expiresAt !== "") {
    return createIngestKeyIn(tx, caller, tenantId, "LiteLLM of the stack", "events").key
  }
  return rotate ? rotateIngestKeyIn(tx, caller, known.id, INGEST_KEY_OVERLAP_HOURS).key : old
}

function newSecret(name: StackSecret): string {
  return (PREFIX[name] ?? "") + $security.randomStringWithAlphabet(LENGTH, ALPHABET)
}
