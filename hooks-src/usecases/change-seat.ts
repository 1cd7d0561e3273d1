import { upgradeGrantNano } from "../domain/seat-change"
import { dbTime, fromDbTime, nowMs } from "../pocketbase/clock"
import type { Db } from "../pocketbase/db"
import { addTotal, type BudgetRow, budgetsOfUser, setAllowance, tenantBudget } from "../pocketbase/stores/budgets"
import { insertLot } from "../pocketbase/stores/credit-lots"
import { insertLedgerEntry } from "../pocketbase/stores/ledger-entries"
import { findTenant, seatsOfTenant } from "../pocketbase/stores/seats"
import { bringUpToDate } from "./bring-budgets-up-to-date"

/**
 * After a user was created or changed: opens missing budgets, and grants a dearer seat its difference, pro rata, to the
 * user's limit and to the tenant's money. A cheaper seat, or none, waits for the next reset.
 */
export function changeSeat(tx: Db, tenantId: string, userId: string): void {
  const now = nowMs()
  const tenantWasOpen = tenantBudget(tx, tenantId) !== null
  const userWasOpen = budgetsOfUser(tx, tenantId, userId).some((budget) => budget.scope === "user")
  bringUpToDate(tx, tenantId, now)
  const own = budgetsOfUser(tx, tenantId, userId).find((budget) => budget.scope === "user")
  const tenant = tenantBudget(tx, tenantId)
  if (!own || !tenant || !tenantWasOpen) return
  const seat = seatsOfTenant(tx, tenantId).find((candidate) => candidate.userId === userId)
  const afterNano = findTenant(tx, tenantId)?.status === "active" ? (seat?.allowanceNano ?? 0) : 0
  // A seat that has just been opened has its limit in full already; the tenant's money has nothing of it yet.
  const beforeNano = userWasOpen ? own.allowanceNano : 0
  if (afterNano <= beforeNano) return
  grant(tx, tenant, tenant, userId, beforeNano, afterNano, now)
  if (!userWasOpen) return
  grant(tx, own, tenant, userId, beforeNano, afterNano, now)
  setAllowance(tx, own.id, afterNano)
}

function grant(
  tx: Db,
  budget: BudgetRow,
  tenant: BudgetRow,
  userId: string,
  beforeNano: number,
  afterNano: number,
  now: number,
): void {
  const coversFromMs = Math.max(fromDbTime(tenant.periodStart), fromDbTime(tenant.created))
  const amountNano = upgradeGrantNano({ beforeNano, afterNano, nowMs: now, coversFromMs, endMs: fromDbTime(budget.resetsAt) })
  if (amountNano === 0) return
  const scope = { budgetId: budget.id, tenantId: budget.tenantId, userId: budget.userId }
  const ref = `seat:${budget.id}:${userId}:${budget.periodKey}:${beforeNano}-${afterNano}`
  const balanceAfterNano = budget.totalNano - budget.usedNano + amountNano
  const entry = {
    ...scope,
    kind: "grant" as const,
    ref,
    amountNano,
    balanceAfterNano,
    periodKey: budget.periodKey,
    actor: "system",
  }
  insertLedgerEntry(tx, { ...entry, reason: "seat added or upgraded, pro rata by days" }, dbTime(now), now)
  insertLot(tx, { ...scope, kind: "allowance", sourceRef: ref, amountNano, expiresAt: budget.resetsAt }, dbTime(now), now)
  addTotal(tx, budget.id, amountNano, dbTime(now))
}
