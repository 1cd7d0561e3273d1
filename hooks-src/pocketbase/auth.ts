import { ApiProblem } from "../contract/error-codes"
import { dbTime, fromDbTime, nowMs } from "./clock"
import { transaction } from "./db"
import { header } from "./request"
import { findIngestKeyByHash, type IngestKey, touchIngestKey } from "./stores/ingest-keys"

/** Precise enough for "is this key still in use?", without a write for every request. */
const LAST_USED_EVERY_MS = 60_000

/** The tenant's ingest key from `Authorization: Bearer cfi_…`. Never from the URL, which ends up in logs. */
export function requireIngestKey(e: core.RequestEvent, route: "events" | "litellm" | "any"): IngestKey {
  const token = /^Bearer +(\S+)$/i.exec(header(e, "Authorization"))?.[1] ?? ""
  if (token === "") throw new ApiProblem("missing_key", "send the tenant's ingest key as Authorization: Bearer cfi_…")
  if (!token.startsWith("cfi_")) throw new ApiProblem("invalid_key", "this is not an ingest key (they begin with cfi_)")
  const key = findIngestKeyByHash($app, $security.sha256(token))
  if (!key) throw new ApiProblem("invalid_key", "this ingest key does not exist")
  if (key.status === "revoked") throw new ApiProblem("key_revoked", "this ingest key was revoked")
  const now = nowMs()
  if (key.expiresAt !== "" && fromDbTime(key.expiresAt) <= now)
    throw new ApiProblem("key_expired", `this ingest key expired at ${key.expiresAt}`)
  if (route !== "any" && key.route !== "any" && key.route !== route) {
    throw new ApiProblem("key_bound_to_other_route", `this ingest key is bound to /api/usage/${key.route}`)
  }
  if (key.lastUsed === "" || now - fromDbTime(key.lastUsed) > LAST_USED_EVERY_MS) {
    transaction((tx) => touchIngestKey(tx, key.id, dbTime(now)))
  }
  return key
}

export interface Caller {
  /** How the audit log names the caller. */
  actor: string
  id: string
  role: "superuser" | "operator" | "sales" | "tenant_admin" | "member"
  tenantId: string
}

/** The signed-in caller. Custom routes get no API rules: an inactive user is refused here. */
export function requireCaller(e: core.RequestEvent): Caller {
  const record = e.auth
  if (!record) throw new ApiProblem("not_signed_in", "sign in first")
  const name = record.collection().name
  if (name === "_superusers") return { actor: `superuser:${record.email()}`, id: record.id, role: "superuser", tenantId: "" }
  if (name !== "users") throw new ApiProblem("forbidden", "this login may not use this route")
  if (record.getString("status") !== "active") throw new ApiProblem("user_suspended", "this user is not active")
  const role = record.getString("role") as Caller["role"]
  return { actor: `user:${record.id}`, id: record.id, role, tenantId: record.getString("tenant_id") }
}

export function isOperator(caller: Caller): boolean {
  return caller.role === "operator" || caller.role === "superuser"
}

export function requireOperator(e: core.RequestEvent): Caller {
  const caller = requireCaller(e)
  if (!isOperator(caller)) throw new ApiProblem("forbidden", "only an operator may do this")
  return caller
}
