import type { CreditLot } from "../../domain/credit-lots"
import { type Db, execute, newId, selectJson } from "../db"

export const LOTS_OF_BUDGET = `SELECT json_group_array(json_object('id', id, 'kind', kind, 'openNano', open_nano,
  'expiresAt', expires_at, 'created', created, 'state', state)) AS j
  FROM credit_lots WHERE budget_id = {:budgetId} AND state IN ('open', 'expired')`

export type StoredLot = CreditLot & { state: "open" | "expired" }

/** The lots that count in the current period, those that expired within it included. */
export function lotsOfBudget(tx: Db, budgetId: string): StoredLot[] {
  return selectJson<StoredLot[]>(tx, LOTS_OF_BUDGET, { budgetId })
}

export interface NewLot {
  budgetId: string
  tenantId: string
  userId: string
  kind: "allowance" | "credit"
  sourceRef: string
  amountNano: number
  expiresAt: string
}

export function insertLot(tx: Db, lot: NewLot, now: string, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO credit_lots (id, budget_id, tenant_id, user_id, kind, source_ref, amount_nano, open_nano, expires_at, state, created)
     VALUES ({:id}, {:budgetId}, {:tenantId}, {:userId}, {:kind}, {:sourceRef}, {:amountNano}, {:amountNano}, {:expiresAt}, 'open', {:now})`,
    { ...lot, id: newId(nowMs), now },
  )
}

export function setLot(tx: Db, id: string, openNano: number, state: "open" | "expired" | "closed"): void {
  execute(tx, "UPDATE credit_lots SET open_nano = {:openNano}, state = {:state} WHERE id = {:id}", { id, openNano, state })
}

export function closeLotsOfBudget(tx: Db, budgetId: string): void {
  execute(tx, "UPDATE credit_lots SET open_nano = 0, state = 'closed' WHERE budget_id = {:budgetId} AND state != 'closed'", {
    budgetId,
  })
}

export const BUDGETS_WITH_DUE_LOTS = `SELECT json_group_array(DISTINCT +budget_id) AS j FROM credit_lots
  WHERE state = 'open' AND expires_at != '' AND expires_at <= {:now}`

export function budgetsWithDueLots(db: Db, now: string): string[] {
  return selectJson<string[]>(db, BUDGETS_WITH_DUE_LOTS, { now })
}
