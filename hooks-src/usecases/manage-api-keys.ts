import { ApiProblem } from "../contract/error-codes"
import type { CreateApiKey } from "../contract/requests"
import type { Caller } from "../pocketbase/auth"
import { dbTime, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import {
  type ApiKeyRow,
  countLiveKeys,
  findKeyOwner,
  insertApiKey,
  type KeyOwner,
  retireApiKey,
  revokeApiKey,
} from "../pocketbase/stores/api-keys"
import {
  type ApiKeyView,
  auditKey,
  expiryOf,
  keyOwner,
  limitNanoOf,
  managedKey,
  refuseDead,
  requireActiveOwner,
  rfc3339,
  termsOf,
  viewKey,
} from "./api-key-access"
import { openKeyLimit } from "./limit-api-key"

const HOUR_MS = 3_600_000
const SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
const KEYS_PER_USER = 50
/** Keys that run out do not count against new ones; without an end of their own, rotating in a loop would pile them up. */
const RUNNING_OUT_PER_USER = 50

/** The only time that the key itself is seen: what is stored is its hash, its prefix and its last four characters. */
export interface IssuedApiKey extends ApiKeyView {
  key: string
  /** When the key that this one replaces stops working. */
  old_key_expires_at?: string
}

/** A new key of the caller, or of a user the caller may act for. With a limit its budget opens in the current period. */
export function createApiKey(caller: Caller, wish: CreateApiKey): IssuedApiKey {
  const limitNano = limitNanoOf(wish.limit)
  return transaction((tx) => {
    const now = nowMs()
    const owner = keyOwner(tx, caller, wish.user_id)
    requireActiveOwner(owner)
    const expiresAt = expiryOf(wish.expires_at, now)
    if (countLiveKeys(tx, owner.tenantId, owner.userId, dbTime(now)).current >= KEYS_PER_USER) {
      throw new ApiProblem("conflict", `a user may have at most ${KEYS_PER_USER} keys that work: revoke one first`, {
        limit: KEYS_PER_USER,
      })
    }
    const id = newId(now)
    const { tenantId, userId } = owner
    const terms = { name: wish.name, models: wish.models, limitNano, expiresAt, maxParallel: wish.max_parallel ?? 0 }
    const { row, key } = issue(tx, { id, tenantId, userId, ...terms, budgetKeyId: id }, now)
    if (limitNano > 0) openKeyLimit(tx, row, now)
    auditKey(tx, caller, "create", row, { before: null, after: { user_id: userId, ...termsOf(row) } }, now)
    return { ...viewKey(tx, row), key }
  })
}

/** A new secret for the same line: name, models, end and limit stay, and so does what was used of the limit. */
export function rotateApiKey(caller: Caller, id: string, overlapHours: number): IssuedApiKey {
  return transaction((tx) => {
    const now = nowMs()
    const old = managedKey(tx, caller, id)
    refuseDead(old, now)
    requireActiveOwner(findKeyOwner(tx, old.userId) as KeyOwner)
    if (countLiveKeys(tx, old.tenantId, old.userId, dbTime(now)).runningOut >= RUNNING_OUT_PER_USER) {
      throw new ApiProblem("conflict", `at most ${RUNNING_OUT_PER_USER} replaced keys may still work: revoke one first`, {
        limit: RUNNING_OUT_PER_USER,
      })
    }
    const overlap = dbTime(now + overlapHours * HOUR_MS)
    // The overlap never lengthens the life of a key that ends before.
    const endsAt = old.expiresAt !== "" && old.expiresAt < overlap ? old.expiresAt : overlap
    const { row, key } = issue(tx, { ...old, id: newId(now) }, now)
    retireApiKey(tx, old.id, endsAt, row.id)
    const ends = rfc3339(endsAt) as string
    auditKey(tx, caller, "rotate", old, { before: null, after: { replaced_by: row.id, expires_at: ends } }, now)
    return { ...viewKey(tx, row), key, old_key_expires_at: ends }
  })
}

/** At once and for good; twice is the same. Other keys of its line go on. */
export function revokeApiKeyNow(caller: Caller, id: string): { id: string; status: "revoked" } {
  return transaction((tx) => {
    const key = managedKey(tx, caller, id)
    if (key.status !== "revoked") {
      revokeApiKey(tx, id)
      auditKey(tx, caller, "revoke", key, { before: { status: key.status }, after: { status: "revoked" } }, nowMs())
    }
    return { id, status: "revoked" }
  })
}

/** 43 characters of 62 are 256 bits. */
function issue(
  tx: Db,
  terms: Omit<ApiKeyRow, "prefix" | "last4" | "status" | "rotatedTo">,
  now: number,
): { row: ApiKeyRow; key: string } {
  const key = `sk-cf-${$security.randomStringWithAlphabet(43, SECRET_ALPHABET)}`
  const row: ApiKeyRow = { ...terms, prefix: key.slice(0, 10), last4: key.slice(-4), status: "active", rotatedTo: "" }
  insertApiKey(tx, row, $security.sha256(key), dbTime(now))
  return { row, key }
}
