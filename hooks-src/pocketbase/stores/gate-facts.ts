import { type Db, selectJson } from "../db"

const KEY = `'key', (SELECT json_object('status', k.status, 'expiresAt', k.expires_at, 'models', json(k.models),
        'maxParallel', k.max_parallel)
      FROM api_keys k WHERE k.id = {:keyId} AND k.tenant_id = {:tenantId} AND k.user_id = {:userId}),`
const KEY_BUDGET = `OR (b.tenant_id = {:tenantId} AND b.scope = 'api_key' AND b.user_id = {:userId}
        AND b.api_key_id = (SELECT k.budget_key_id FROM api_keys k WHERE k.id = {:keyId}))`
const KEY_HELD = `'key', coalesce(sum(h.amount_nano) FILTER (WHERE h.key_budget_id != '' AND h.key_budget_id =
          (SELECT b.id FROM budgets b WHERE b.tenant_id = {:tenantId} AND b.scope = 'api_key' AND b.user_id = {:userId}
            AND b.api_key_id = (SELECT k.budget_key_id FROM api_keys k WHERE k.id = {:keyId}))), 0),
        'keyCalls', coalesce(sum(h.api_key_id = {:keyId}), 0)`

/**
 * Everything that deciding about one call must know, in one statement: a moment's view, and one crossing into the host.
 * A key's own limit is the budget of its line of keys (budget_key_id), so that a rotated key keeps what it has used. Calls
 * of the chat have no key and a shorter statement, because the host compiles it anew for each call.
 */
export function gateFactsSql(withKey: boolean): string {
  return `SELECT json_object(
  'bookRow', (SELECT max(rowid) FROM model_prices),
  'tenant', (SELECT json_object('status', t.status, 'language', t.language) FROM tenants t WHERE t.id = {:tenantId}),
  'user', (SELECT json_object('status', u.status, 'product', CASE WHEN v.id IS NULL THEN NULL ELSE
        json_object('models', json(v.models), 'rateLimit', v.rate_limit, 'maxParallel', v.max_parallel,
          'defaultMaxTokens', v.default_max_tokens) END, 'lastMinute', CASE WHEN v.rate_limit > 0 THEN
        (SELECT json_object('count', count(*), 'oldest', coalesce(min(h.created), ''))
          FROM holds h WHERE h.user_id = {:userId} AND h.created > {:minuteAgo}) END)
      FROM users u LEFT JOIN product_versions v ON v.id = CASE WHEN u.product_version_id != '' THEN u.product_version_id ELSE
        (SELECT p.id FROM product_versions p WHERE p.product_id = u.product_id ORDER BY p.version DESC LIMIT 1) END
      WHERE u.id = {:userId} AND u.tenant_id = {:tenantId}),
  ${withKey ? KEY : "'key', NULL,"}
  'budgets', (SELECT json_group_array(json_object('id', b.id, 'scope', b.scope, 'totalNano', b.total_nano, 'usedNano', b.used_nano,
        'periodKey', b.period_key, 'resetsAt', b.resets_at))
      FROM budgets b WHERE (b.tenant_id = {:tenantId} AND b.scope = 'tenant')
        OR (b.tenant_id = {:tenantId} AND b.scope = 'user' AND b.user_id = {:userId}) ${withKey ? KEY_BUDGET : ""}),
  'open', (SELECT json_object('tenant', coalesce(sum(h.amount_nano), 0),
        'user', coalesce(sum(CASE WHEN h.user_id = {:userId} THEN h.amount_nano END), 0),
        'userCalls', coalesce(sum(h.user_id = {:userId}), 0), ${withKey ? KEY_HELD : "'key', 0, 'keyCalls', 0"})
      FROM holds h WHERE h.state = 'open' AND h.tenant_id = {:tenantId} AND h.expires_at > {:now}),
  'blocked', (SELECT b.reason FROM model_blocks b WHERE b.tenant_id = {:tenantId} AND b.lifted_at = ''
      AND b.model IN (SELECT value FROM json_each({:models})) LIMIT 1),
  'hold', (SELECT json_object('id', h.id, 'state', CASE WHEN h.state = 'open' AND h.expires_at <= {:now} THEN 'expired'
          ELSE h.state END, 'userId', h.user_id, 'apiKeyId', h.api_key_id, 'model', h.model,
        'maxTokens', h.max_tokens, 'clamped', json(CASE WHEN h.clamped THEN 'true' ELSE 'false' END))
      FROM holds h WHERE h.tenant_id = {:tenantId} AND h.call_id = {:callId})) AS j`
}

export interface StoredGateFacts {
  bookRow: number | null
  /** The language is "de", "en" or empty. */
  tenant: { status: string; language: string } | null
  user: {
    status: string
    product: { models: unknown; rateLimit: number; maxParallel: number; defaultMaxTokens: number } | null
    /** null: the product limits no rate, so nobody counts (a busy program may have made thousands of calls). */
    lastMinute: { count: number; oldest: string } | null
  } | null
  key: {
    status: string
    expiresAt: string
    models: unknown
    maxParallel: number
  } | null
  budgets: {
    id: string
    scope: "tenant" | "user" | "api_key"
    totalNano: number
    usedNano: number
    periodKey: string
    resetsAt: string
  }[]
  /** Calls in flight: nano-EUR on hold in the tenant, for the user and for the line of keys; how many run. */
  open: { tenant: number; user: number; key: number; userCalls: number; keyCalls: number }
  blocked: string | null
  hold: {
    id: string
    state: "open" | "settled" | "released" | "expired"
    userId: string
    apiKeyId: string
    model: string
    maxTokens: number
    clamped: boolean
  } | null
}

export interface GateQuestion {
  tenantId: string
  userId: string
  keyId: string
  callId: string
  models: string
  now: string
  minuteAgo: string
}

export function gateFacts(db: Db, question: GateQuestion): StoredGateFacts {
  return selectJson<StoredGateFacts>(db, gateFactsSql(question.keyId !== ""), { ...question })
}

const IDENTITY = `json_object('id', u.id, 'email', u.email, 'status', u.status, 'tenantStatus', t.status, 'language', t.language,
  'product', CASE WHEN v.id IS NULL THEN NULL ELSE json_object('models', json(v.models), 'rateLimit', v.rate_limit,
    'maxParallel', v.max_parallel) END)`
const WITH_PRODUCT = `JOIN tenants t ON t.id = u.tenant_id
  LEFT JOIN product_versions v ON v.id = CASE WHEN u.product_version_id != '' THEN u.product_version_id ELSE
    (SELECT p.id FROM product_versions p WHERE p.product_id = u.product_id ORDER BY p.version DESC LIMIT 1) END`

export interface StoredIdentity {
  id: string
  email: string
  status: string
  tenantStatus: string
  /** The tenant's: "de", "en" or empty. */
  language: string
  product: { models: unknown; rateLimit: number; maxParallel: number } | null
}

export interface StoredKeyIdentity {
  id: string
  name: string
  status: string
  expiresAt: string
  lastUsed: string
  models: unknown
  maxParallel: number
  user: StoredIdentity
}

export const KEY_IDENTITY = `SELECT json_group_array(json_object('id', k.id, 'name', k.name, 'status', k.status,
  'expiresAt', k.expires_at, 'lastUsed', k.last_used, 'models', json(k.models), 'maxParallel', k.max_parallel, 'user', ${IDENTITY})) AS j
  FROM api_keys k JOIN users u ON u.id = k.user_id ${WITH_PRODUCT} WHERE k.key_hash = {:hash} AND k.tenant_id = {:tenantId}`

export function identityOfKey(db: Db, tenantId: string, hash: string): StoredKeyIdentity | null {
  return selectJson<StoredKeyIdentity[]>(db, KEY_IDENTITY, { tenantId, hash })[0] ?? null
}

/** By the account in the tenant's chat, as SCIM linked it. */
export const CHAT_IDENTITY = `SELECT json_group_array(${IDENTITY}) AS j FROM chat_accounts c JOIN users u ON u.id = c.user_id
  ${WITH_PRODUCT} WHERE c.tenant_id = {:tenantId} AND c.chat_user_id = {:chatUserId} AND u.tenant_id = {:tenantId}`
/**
 * By an address that we verified ourselves, until the account is linked. Never for a linked one: the chat keeps an old
 * address when it changes here, and by then it may be somebody else's.
 */
export const EMAIL_IDENTITY = `SELECT json_group_array(${IDENTITY}) AS j FROM users u ${WITH_PRODUCT}
  WHERE u.tenant_id = {:tenantId} AND lower(u.email) = {:email} AND u.verified = true AND NOT EXISTS (SELECT 1 FROM chat_accounts c
    WHERE c.tenant_id = {:tenantId} AND (c.user_id = u.id OR (c.chat_user_id = {:chatUserId} AND c.chat_user_id != '')))`

export function identityOfChatUser(db: Db, tenantId: string, chatUserId: string, email: string): StoredIdentity | null {
  if (chatUserId !== "") {
    const linked = selectJson<StoredIdentity[]>(db, CHAT_IDENTITY, { tenantId, chatUserId })[0]
    if (linked) return linked
  }
  if (email === "") return null
  return selectJson<StoredIdentity[]>(db, EMAIL_IDENTITY, { tenantId, email, chatUserId })[0] ?? null
}

export const TENANT_LANGUAGE = "SELECT json_group_array(language) AS j FROM tenants WHERE id = {:tenantId}"

/** For those of whom nothing else is known: "de", "en" or empty. */
export function languageOfTenant(db: Db, tenantId: string): string | undefined {
  return selectJson<string[]>(db, TENANT_LANGUAGE, { tenantId })[0]
}
