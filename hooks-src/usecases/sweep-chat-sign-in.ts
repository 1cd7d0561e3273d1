import { TOKEN_TTL_MS } from "../contract/oauth"
import { dbTime, nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { deleteCodesBefore } from "../pocketbase/stores/oauth-codes"
import { deleteTokensBefore } from "../pocketbase/stores/oauth-tokens"
import { deleteDeliveredBefore } from "../pocketbase/stores/outbox"

const DELIVERED_KEPT_MS = 30 * 86_400_000

/** Deletes what has served its purpose. A code outlives the token that it bought, or its replay could not take that back. */
export function sweepChatSignIn(): { codes: number; tokens: number; messages: number } {
  const now = nowMs()
  return transaction((tx) => ({
    codes: deleteCodesBefore(tx, dbTime(now - 2 * TOKEN_TTL_MS)),
    tokens: deleteTokensBefore(tx, dbTime(now)),
    messages: deleteDeliveredBefore(tx, dbTime(now - DELIVERED_KEPT_MS)),
  }))
}
