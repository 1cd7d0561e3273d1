import { type Db, execute, selectJson } from "../db"

export interface ApiKeyRow {
  id: string
  tenantId: string
  userId: string
  name: string
  prefix: string
  last4: string
  status: "active" | "revoked"
  /** Empty = never. */
  expiresAt: string
  models: string[]
  /** 0 = no limit of its own. */
  limitNano: number
  /** 0 = as many as the product allows. */
  maxParallel: number
  /** The key that replaced this one; empty = none did. */
  rotatedTo: string
  /** The first key of the line: limit and usage of all its keys are kept under this id. */
  budgetKeyId: string
}

const AS_JSON = `json_object('id', id, 'tenantId', tenant_id, 'userId', user_id, 'name', name, 'prefix', prefix, 'last4', last4,
  'status', status, 'expiresAt', expires_at, 'models', json(models), 'limitNano', limit_nano, 'maxParallel', max_parallel,
  'rotatedTo', rotated_to, 'budgetKeyId', budget_key_id)`

export function findApiKey(db: Db, id: string): ApiKeyRow | null {
  return selectJson<ApiKeyRow[]>(db, `SELECT json_group_array(${AS_JSON}) AS j FROM api_keys WHERE id = {:id}`, { id })[0] ?? null
}

export function insertApiKey(tx: Db, key: ApiKeyRow, hash: string, now: string): void {
  execute(
    tx,
    `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, prefix, last4, status, expires_at, last_used, models, limit_nano,
      max_parallel, rotated_to, budget_key_id, created)
     VALUES ({:id}, {:tenantId}, {:userId}, {:name}, {:hash}, {:prefix}, {:last4}, {:status}, {:expiresAt}, '', {:models},
      {:limitNano}, {:maxParallel}, {:rotatedTo}, {:budgetKeyId}, {:now})`,
    { ...key, models: JSON.stringify(key.models), hash, now },
  )
}

export function retireApiKey(tx: Db, id: string, expiresAt: string, rotatedTo: string): void {
  execute(tx, "UPDATE api_keys SET expires_at = {:expiresAt}, rotated_to = {:rotatedTo} WHERE id = {:id}", {
    id,
    expiresAt,
    rotatedTo,
  })
}

export function revokeApiKey(tx: Db, id: string): void {
  execute(tx, "UPDATE api_keys SET status = 'revoked' WHERE id = {:id}", { id })
}

/** The end is the key's own; everything else counts for the whole line, so that an old secret is never the wider door. */
export function saveTerms(tx: Db, key: ApiKeyRow): void {
  execute(
    tx,
    `UPDATE api_keys SET name = {:name}, models = {:models}, limit_nano = {:limitNano}, max_parallel = {:maxParallel},
      expires_at = CASE WHEN id = {:id} THEN {:expiresAt} ELSE expires_at END WHERE budget_key_id = {:budgetKeyId}`,
    {
      id: key.id,
      budgetKeyId: key.budgetKeyId,
      name: key.name,
      models: JSON.stringify(key.models),
      limitNano: key.limitNano,
      maxParallel: key.maxParallel,
      expiresAt: key.expiresAt,
    },
  )
}

/** How many keys of a user open something; `running` out are those that were rotated and work until their overlap ends. */
export function countLiveKeys(db: Db, tenantId: string, userId: string, now: string): { current: number; runningOut: number } {
  return selectJson(
    db,
    `SELECT json_object('current', coalesce(sum(rotated_to = ''), 0), 'runningOut', coalesce(sum(rotated_to != ''), 0)) AS j
     FROM api_keys WHERE tenant_id = {:tenantId} AND user_id = {:userId} AND status = 'active'
     AND (expires_at = '' OR expires_at > {:now})`,
    { tenantId, userId, now },
  )
}

export const LINE_LIMITS = `SELECT json_group_object(line, nano) AS j FROM (SELECT budget_key_id AS line, max(limit_nano) AS nano
  FROM api_keys WHERE tenant_id = {:tenantId} AND status = 'active' GROUP BY budget_key_id)`

/** What each line of keys may use in a period; a line whose keys are all revoked is not listed. */
export function lineLimits(db: Db, tenantId: string): Record<string, number> {
  return selectJson<Record<string, number>>(db, LINE_LIMITS, { tenantId })
}

export const USAGE_OF_LINE = `SELECT json_group_array(json_array(period_key, nano)) AS j FROM (
  SELECT u.period_key, sum(u.cost_nano) AS nano FROM usage_logs u WHERE u.api_key_id != '' AND u.tenant_id = {:tenantId}
  AND u.api_key_id IN (SELECT k.id FROM api_keys k WHERE k.budget_key_id = {:line}) GROUP BY u.period_key ORDER BY u.period_key)`

/** [period key, nano-EUR] of everything that was booked on a line of keys. */
export function usageOfLine(tx: Db, tenantId: string, line: string): [string, number][] {
  return selectJson<[string, number][]>(tx, USAGE_OF_LINE, { tenantId, line })
}

export interface KeyOwner {
  userId: string
  /** Empty = the user belongs to no tenant. */
  tenantId: string
  status: string
  tenantStatus: string
}

export function findKeyOwner(db: Db, userId: string): KeyOwner | null {
  return (
    selectJson<KeyOwner[]>(
      db,
      `SELECT json_group_array(json_object('userId', u.id, 'tenantId', u.tenant_id, 'status', u.status,
       'tenantStatus', coalesce(t.status, ''))) AS j FROM users u LEFT JOIN tenants t ON t.id = u.tenant_id WHERE u.id = {:userId}`,
      { userId },
    )[0] ?? null
  )
}

export function touchApiKey(db: Db, id: string, now: string): void {
  execute(db, "UPDATE api_keys SET last_used = {:now} WHERE id = {:id}", { id, now })
}
