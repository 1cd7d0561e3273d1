import { ApiProblem } from "../contract/error-codes"
import type { UpdateApiKey } from "../contract/requests"
import type { Caller } from "../pocketbase/auth"
import { nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { type ApiKeyRow, saveTerms } from "../pocketbase/stores/api-keys"
import { type ApiKeyView, auditKey, expiryOf, limitNanoOf, managedKey, refuseDead, termsOf, viewKey } from "./api-key-access"
import { moveKeyLimit } from "./limit-api-key"

/** Other terms for a key that works. What is undefined stays, null takes away. */
export function updateApiKey(caller: Caller, id: string, changes: UpdateApiKey): ApiKeyView {
  return transaction((tx) => {
    const now = nowMs()
    const before = managedKey(tx, caller, id)
    refuseDead(before, now)
    const after = changed(before, changes, now)
    // Ledger and usage name the budget for ever, so it cannot go, and as long as it is there it limits.
    if (before.limitNano > 0 && after.limitNano === 0) {
      throw new ApiProblem("conflict", "a limit can be changed but not taken away: raise it, or make a new key without one", {
        path: "limit",
      })
    }
    saveTerms(tx, after)
    if (after.limitNano > 0) moveKeyLimit(tx, caller, after, now)
    auditKey(tx, caller, "update", after, { before: termsOf(before), after: termsOf(after) }, now)
    return viewKey(tx, after)
  })
}

function changed(key: ApiKeyRow, changes: UpdateApiKey, now: number): ApiKeyRow {
  return {
    ...key,
    name: changes.name ?? key.name,
    models: changes.models ?? key.models,
    limitNano: changes.limit === undefined ? key.limitNano : limitNanoOf(changes.limit),
    expiresAt: changes.expires_at === undefined ? key.expiresAt : expiryOf(changes.expires_at, now),
    maxParallel: changes.max_parallel === undefined ? key.maxParallel : (changes.max_parallel ?? 0),
  }
}
