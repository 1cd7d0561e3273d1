import { dbTime } from "../clock"
import { type Db, execute, newId } from "../db"

export interface NewMessage {
  kind: string
  /** Empty if no tenant is concerned. A failing tenant's messages wait without holding up the others. */
  tenantId: string
  /** What makes the message one and the same, e.g. `scim.sync_user:<id>`. */
  dedupeKey: string
  /** Ids only: operators read this collection, and what is sent is read afresh at delivery. */
  payload: Record<string, string>
}

const INSERT = `INSERT INTO outbox (id, kind, tenant_id, dedupe_key, payload, state, version, attempts, next_attempt_at,
  leased_until, last_error, created, delivered_at)
  VALUES ({:id}, {:kind}, {:tenantId}, {:dedupeKey}, {:payload}, 'pending', 0, 0, {:dueAt}, '', '', {:now}, '')`

/**
 * For "bring the receiver up to date": one row per subject. If it is there, it is wanted again, also while it is being
 * delivered: the delivery under way may have read the state of before. Its lease stays, so that two never run at once.
 * Call it in the transaction of the change.
 */
export function enqueueLatest(tx: Db, message: NewMessage, nowMs: number, delayMs = 0): void {
  execute(
    tx,
    `${INSERT} ON CONFLICT (dedupe_key) DO UPDATE SET state = 'pending', version = version + 1, attempts = 0,
       next_attempt_at = excluded.next_attempt_at, payload = excluded.payload, last_error = '', delivered_at = ''`,
    {
      id: newId(nowMs),
      kind: message.kind,
      tenantId: message.tenantId,
      dedupeKey: message.dedupeKey,
      payload: JSON.stringify(message.payload),
      dueAt: dbTime(nowMs + delayMs),
      now: dbTime(nowMs),
    },
  )
}

export interface LeasedMessage {
  id: string
  kind: string
  tenantId: string
  payload: Record<string, string>
  /** This one included. A process that died while it sent has used one up, too. */
  attempts: number
  version: number
  leasedUntil: string
}

export const LEASE_NEXT = `UPDATE outbox SET leased_until = {:leasedUntil}, attempts = attempts + 1
  WHERE id = (SELECT id FROM outbox WHERE state = 'pending' AND next_attempt_at <= {:now} AND leased_until <= {:now}
    AND tenant_id NOT IN (SELECT value FROM json_each({:skippedTenants}))
    ORDER BY next_attempt_at LIMIT 1)
  RETURNING json_array(json_object('id', id, 'kind', kind, 'tenantId', tenant_id, 'payload', json(payload),
    'attempts', attempts, 'version', version, 'leasedUntil', leased_until)) AS j`

/** Takes the message that is due for longest; null if there is none. Nobody else gets it until the lease ends. */
export function leaseNext(tx: Db, nowMs: number, leaseMs: number, skippedTenants: string[]): LeasedMessage | null {
  const row = arrayOf(new DynamicModel({ j: "" })) as unknown as { j: string }[]
  tx.db()
    .newQuery(LEASE_NEXT)
    .bind({ now: dbTime(nowMs), leasedUntil: dbTime(nowMs + leaseMs), skippedTenants: JSON.stringify(skippedTenants) })
    .all(row)
  const found = row[0]
  return found ? ((JSON.parse(found.j) as LeasedMessage[])[0] ?? null) : null
}

const HELD = "id = {:id} AND leased_until = {:leasedUntil}"

/** Ends the lease. If the message became wanted again meanwhile, it stays pending and is due at once. */
export function markDelivered(tx: Db, message: LeasedMessage, now: string): void {
  execute(
    tx,
    `UPDATE outbox SET leased_until = '', last_error = '',
       state = CASE version WHEN {:version} THEN 'delivered' ELSE state END,
       delivered_at = CASE version WHEN {:version} THEN {:now} ELSE delivered_at END
     WHERE ${HELD}`,
    { id: message.id, leasedUntil: message.leasedUntil, version: message.version, now },
  )
}

/** Ends the lease after a failure: `nextAttemptAt` empty gives the message up, unless it became wanted again meanwhile. */
export function markFailed(tx: Db, message: LeasedMessage, reason: string, nextAttemptAt: string): void {
  execute(
    tx,
    `UPDATE outbox SET leased_until = '', last_error = {:reason},
       state = CASE WHEN version = {:version} AND {:next} = '' THEN 'dead' ELSE state END,
       next_attempt_at = CASE WHEN version = {:version} AND {:next} != '' THEN {:next} ELSE next_attempt_at END
     WHERE ${HELD}`,
    {
      id: message.id,
      leasedUntil: message.leasedUntil,
      version: message.version,
      reason: reason.slice(0, 500),
      next: nextAttemptAt,
    },
  )
}

/** Forgets what was delivered before the given time. What is dead stays until somebody has looked at it. */
export function deleteDeliveredBefore(tx: Db, time: string): number {
  return execute(tx, "DELETE FROM outbox WHERE state = 'delivered' AND delivered_at < {:time}", { time })
}
