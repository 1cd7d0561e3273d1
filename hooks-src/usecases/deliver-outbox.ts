import { afterFailure, MAX_ATTEMPTS } from "../domain/retry-schedule"
import { dbTime, nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { warn } from "../pocketbase/log"
import { type LeasedMessage, leaseNext, markDelivered, markFailed } from "../pocketbase/stores/outbox"
import { SYNC_USER, syncChatUser } from "./provision-chat-user"

/** Longer than any handler can take (a few calls of at most 10 s each): a message is never sent twice at the same time. */
const LEASE_MS = 120_000

/** The cron comes every minute and has no guard against overlap; what is left is the next run's. */
const RUN_MS = 50_000

/** Sends one message; returns when the receiver has it, throws otherwise. Must be able to send the same message again. */
type Handler = (message: LeasedMessage) => void

const HANDLERS: Record<string, Handler> = {
  [SYNC_USER]: syncChatUser,
}

/**
 * Delivers what is due, one message after the other, none of it inside a transaction. At least once: a process that dies
 * between sending and marking sends again when the lease has ended. A tenant whose receiver fails is left out for the rest
 * of the run, so that one dead host cannot hold up the others.
 */
export function deliverOutbox(): { delivered: number; failed: number } {
  const end = nowMs() + RUN_MS
  const skippedTenants: string[] = []
  let delivered = 0
  let failed = 0
  while (nowMs() < end) {
    const message = transaction((tx) => leaseNext(tx, nowMs(), LEASE_MS, skippedTenants))
    if (!message) break
    const failure = deliver(message)
    if (failure === null) {
      transaction((tx) => markDelivered(tx, message, dbTime(nowMs())))
      delivered += 1
    } else {
      postpone(message, failure)
      if (message.tenantId !== "") skippedTenants.push(message.tenantId)
      failed += 1
    }
  }
  return { delivered, failed }
}

/** Why it failed; null if it did not. */
function deliver(message: LeasedMessage): string | null {
  const handler = HANDLERS[message.kind]
  if (!handler) return `there is no handler for ${message.kind}`
  // Over the limit without a recorded failure: the process died each time it tried.
  if (message.attempts > MAX_ATTEMPTS) return "gave up: no attempt came to an end"
  try {
    handler(message)
    return null
  } catch (thrown) {
    return String(thrown)
  }
}

function postpone(message: LeasedMessage, reason: string): void {
  const next = afterFailure(message.attempts, nowMs())
  transaction((tx) => markFailed(tx, message, reason, next.step === "retry" ? dbTime(next.atMs) : ""))
  const fields = { id: message.id, kind: message.kind, tenant: message.tenantId, attempts: message.attempts, reason }
  warn(next.step === "retry" ? "a message could not be delivered, it is tried again" : "a message was given up", fields)
}
