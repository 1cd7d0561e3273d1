/** What every use case of API keys shares: whose keys a caller may touch, how terms are read, what an answer shows. */
import { ApiProblem } from "../contract/error-codes"
import { eurToNano, nanoToEur } from "../domain/money"
import { type Caller, isOperator } from "../pocketbase/auth"
import { dbTime } from "../pocketbase/clock"
import type { Db } from "../pocketbase/db"
import { type ApiKeyRow, findApiKey, findKeyOwner, type KeyOwner } from "../pocketbase/stores/api-keys"
import { insertAudit } from "../pocketbase/stores/audit-log"
import { tenantBudgets } from "../pocketbase/stores/budgets"

const MAX_LIFE_MS = 5 * 366 * 86_400_000

/** A key as its owner sees it; amounts in EUR, times in RFC 3339, null = none. */
export interface ApiKeyView {
  id: string
  name: string
  prefix: string
  last4: string
  models: string[]
  /** Per period of the tenant. */
  limit: string | null
  expires_at: string | null
  max_parallel: number | null
  user_id: string
  budget_id: string | null
}

/** The key, if the caller may manage it; else a 404 that does not tell whether it exists. Sales sell, they hold no keys. */
export function managedKey(tx: Db, caller: Caller, id: string): ApiKeyRow {
  refuseSales(caller)
  const key = findApiKey(tx, id)
  if (!key || !mayManage(caller, key)) throw new ApiProblem("not_found", "there is no such API key")
  return key
}

/** The user a new key shall belong to: the caller, or somebody the caller may make keys for. */
export function keyOwner(tx: Db, caller: Caller, userId: string | null): KeyOwner {
  refuseSales(caller)
  if (userId === null && caller.role === "superuser") throw noOwner("say whose key it shall be: a superuser has none")
  const owner = findKeyOwner(tx, userId ?? caller.id)
  if (!owner || !mayManage(caller, owner)) throw new ApiProblem("not_found", "there is no such user")
  if (owner.tenantId === "") throw noOwner("a key needs an owner who belongs to a tenant")
  return owner
}

function noOwner(message: string): ApiProblem {
  return new ApiProblem("invalid_field", `user_id: ${message}`, { path: "user_id" })
}

/** A secret is handed out only for those who could use it now. */
export function requireActiveOwner(owner: KeyOwner): void {
  if (owner.status !== "active") throw new ApiProblem("user_suspended", "the owner of the key is not active")
  if (owner.tenantStatus !== "active") throw new ApiProblem("tenant_suspended", "the tenant of the key is not active")
}

function refuseSales(caller: Caller): void {
  if (caller.role === "sales") throw new ApiProblem("forbidden", "this login may not manage API keys")
}

function mayManage(caller: Caller, owner: { tenantId: string; userId: string }): boolean {
  if (isOperator(caller)) return true
  if (caller.tenantId === "" || caller.tenantId !== owner.tenantId) return false
  return caller.id === owner.userId || caller.role === "tenant_admin"
}

/** A key that was revoked, has expired or was replaced is history: what holds now is asked of its successor. */
export function refuseDead(key: ApiKeyRow, nowMs: number): void {
  if (key.status !== "active") throw new ApiProblem("conflict", "this API key was revoked")
  if (key.rotatedTo !== "") throw new ApiProblem("conflict", `this API key was replaced by ${key.rotatedTo}`)
  if (key.expiresAt !== "" && key.expiresAt <= dbTime(nowMs)) throw new ApiProblem("conflict", "this API key has expired")
}

/** EUR per period → nano-EUR; null → 0, which is how "no limit of its own" is stored. */
export function limitNanoOf(limit: string | null): number {
  if (limit === null) return 0
  const nano = eurToNano(limit)
  if (nano === null || nano <= 0) {
    throw new ApiProblem("invalid_field", "limit: must be more than 0; leave it out for no limit", { path: "limit" })
  }
  return nano
}

/** RFC 3339 → the database's time; null → "", which is how "never" is stored. */
export function expiryOf(expiresAt: string | null, nowMs: number): string {
  if (expiresAt === null) return ""
  const ms = Date.parse(expiresAt)
  const wrong = (message: string) => new ApiProblem("invalid_field", `expires_at: ${message}`, { path: "expires_at" })
  if (Number.isNaN(ms)) throw wrong("is no time that exists")
  if (ms <= nowMs) throw wrong("must be in the future")
  if (ms > nowMs + MAX_LIFE_MS) throw wrong("must be within five years")
  return dbTime(ms)
}

export function rfc3339(dbTimeOrEmpty: string): string | null {
  return dbTimeOrEmpty === "" ? null : dbTimeOrEmpty.replace(" ", "T")
}

export function viewKey(tx: Db, key: ApiKeyRow): ApiKeyView {
  return {
    id: key.id,
    prefix: key.prefix,
    last4: key.last4,
    ...termsOf(key),
    user_id: key.userId,
    budget_id: limitOf(tx, key)?.id ?? null,
  }
}

/** The terms in the words of the wire: for answers and for the audit log. */
export function termsOf(key: ApiKeyRow): Pick<ApiKeyView, "name" | "models" | "limit" | "expires_at" | "max_parallel"> {
  return {
    name: key.name,
    models: key.models,
    limit: key.limitNano === 0 ? null : nanoToEur(key.limitNano),
    expires_at: rfc3339(key.expiresAt),
    max_parallel: key.maxParallel === 0 ? null : key.maxParallel,
  }
}

/** The budgets row of the key's line, whichever of its keys is asked. */
export function limitOf(tx: Db, key: ApiKeyRow) {
  return tenantBudgets(tx, key.tenantId).find((row) => row.scope === "api_key" && row.apiKeyId === key.budgetKeyId) ?? null
}

export function auditKey(
  tx: Db,
  caller: Caller,
  action: "create" | "rotate" | "revoke" | "update",
  key: ApiKeyRow,
  change: { before: unknown; after: unknown },
  nowMs: number,
): void {
  const line = { tenantId: key.tenantId, actor: caller.actor, action: `api_key.${action}`, target: key.id, reason: "", ...change }
  insertAudit(tx, line, dbTime(nowMs), nowMs)
}
