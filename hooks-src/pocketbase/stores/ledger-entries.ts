import { type Db, execute, newId, selectJson } from "../db"

export type LedgerKind =
  | "grant"
  | "reset"
  | "top_up"
  | "expiry"
  | "carry_over"
  | "late_usage"
  | "adjustment"
  | "refund"
  | "correction"

export interface LedgerEntry {
  budgetId: string
  tenantId: string
  userId: string
  kind: LedgerKind
  /** Unique with the kind: the same cause can be booked only once. */
  ref: string
  amountNano: number
  balanceAfterNano: number
  periodKey: string
  actor: string
  reason: string
}

export function insertLedgerEntry(tx: Db, entry: LedgerEntry, now: string, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO ledger_entries (id, budget_id, tenant_id, user_id, kind, ref, amount_nano, balance_after, period_key, actor, reason, created)
     VALUES ({:id}, {:budgetId}, {:tenantId}, {:userId}, {:kind}, {:ref}, {:amountNano}, {:balanceAfterNano}, {:periodKey}, {:actor}, {:reason}, {:now})`,
    { ...entry, id: newId(nowMs), now },
  )
}

export const EXPIRED_IN_PERIOD = `SELECT json_array(coalesce(-sum(amount_nano), 0)) AS j FROM ledger_entries
  WHERE budget_id = {:budgetId} AND period_key = {:periodKey} AND kind = 'expiry'`

/** What expired in a closed period and has not been taken back by late usage yet. */
export function expiredInPeriod(tx: Db, budgetId: string, periodKey: string): number {
  return selectJson<[number]>(tx, EXPIRED_IN_PERIOD, { budgetId, periodKey })[0]
}
