import { ApiProblem } from "../contract/error-codes"
import type { Caller } from "../pocketbase/auth"
import { dbTime, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import { insertAudit } from "../pocketbase/stores/audit-log"
import { expireIngestKey, findIngestKey, insertIngestKey, revokeIngestKey } from "../pocketbase/stores/ingest-keys"
import { findTenant } from "../pocketbase/stores/seats"

const HOUR_MS = 3_600_000
const SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** The only time that the key itself is seen: what is stored is its hash, its prefix and its last four characters. */
export interface IssuedKey {
  id: string
  key: string
  name: string
  route: string
  /** When the key that this one replaces stops working. */
  old_key_expires_at?: string
}

export function createIngestKey(caller: Caller, tenantId: string, name: string, route: string): IssuedKey {
  return transaction((tx) => createIngestKeyIn(tx, caller, tenantId, name, route))
}

/** The same inside a transaction of the caller's. */
export function createIngestKeyIn(tx: Db, caller: Caller, tenantId: string, name: string, route: string): IssuedKey {
  if (!findTenant(tx, tenantId)) throw new ApiProblem("not_found", "there is no such tenant")
  const issued = issue(tx, tenantId, name, route)
  audit(tx, caller, "ingest_key.create", tenantId, issued.id, { name, route })
  return issued
}

/** A new key now; the old one works until the overlap ends, so that a running sender never sees a 401. */
export function rotateIngestKey(caller: Caller, id: string, overlapHours: number): IssuedKey {
  return transaction((tx) => rotateIngestKeyIn(tx, caller, id, overlapHours))
}

/** The same inside a transaction of the caller's. */
export function rotateIngestKeyIn(tx: Db, caller: Caller, id: string, overlapHours: number): IssuedKey {
  const old = findIngestKey(tx, id)
  if (!old) throw new ApiProblem("not_found", "there is no such ingest key")
  if (old.status !== "active") throw new ApiProblem("conflict", "a revoked ingest key cannot be rotated")
  const overlap = dbTime(nowMs() + overlapHours * HOUR_MS)
  // A key that is already running out keeps its end: rotating it again must not lengthen its life.
  const expiresAt = old.expiresAt !== "" && old.expiresAt < overlap ? old.expiresAt : overlap
  expireIngestKey(tx, id, expiresAt)
  const issued = issue(tx, old.tenantId, old.name, old.route)
  audit(tx, caller, "ingest_key.rotate", old.tenantId, id, { replaced_by: issued.id, expires_at: expiresAt })
  return { ...issued, old_key_expires_at: expiresAt.replace(" ", "T") }
}

export function revokeIngestKeyNow(caller: Caller, id: string): { id: string; status: "revoked" } {
  return transaction((tx) => {
    const key = findIngestKey(tx, id)
    if (!key) throw new ApiProblem("not_found", "there is no such ingest key")
    revokeIngestKey(tx, id)
    audit(tx, caller, "ingest_key.revoke", key.tenantId, id, { status: "revoked" })
    return { id, status: "revoked" }
  })
}

/** 43 characters of 62 are 256 bits. */
function issue(tx: Db, tenantId: string, name: string, route: string): IssuedKey {
  const now = nowMs()
  const key = `cfi_${$security.randomStringWithAlphabet(43, SECRET_ALPHABET)}`
  const id = newId(now)
  insertIngestKey(tx, {
    id,
    tenantId,
    name,
    route,
    hash: $security.sha256(key),
    prefix: key.slice(0, 8),
    last4: key.slice(-4),
    now: dbTime(now),
  })
  return { id, key, name, route }
}

function audit(tx: Db, caller: Caller, action: string, tenantId: string, target: string, after: unknown): void {
  const now = nowMs()
  insertAudit(tx, { tenantId, actor: caller.actor, action, target, before: null, after, reason: "" }, dbTime(now), now)
}
