import { splitLateCost } from "../domain/budget-reset"
import { toSafeNumber } from "../domain/money"
import { chargesByBudget, type UsageRow } from "../domain/usage-batch"
import { type Db, newId } from "../pocketbase/db"
import { addTotal, findBudget } from "../pocketbase/stores/budgets"
import { expiredInPeriod, insertLedgerEntry, type LedgerKind } from "../pocketbase/stores/ledger-entries"

/**
 * Usage of a closed period eats what expired there; only the excess is charged to the tenant's current period. On limits
 * the excess is forgiven, as an overrun is. The closed period's balance is zero again afterwards.
 */
export function chargeLateUsage(tx: Db, tenantId: string, currentKey: string, rows: UsageRow[], now: string, at: number): void {
  const periods = new Map<string, UsageRow[]>()
  for (const row of rows) periods.set(row.periodKey, [...(periods.get(row.periodKey) ?? []), row])
  periods.forEach((ofPeriod, periodKey) => {
    chargesByBudget(ofPeriod).forEach((cost, budgetId) => {
      chargeBudget(tx, tenantId, budgetId, periodKey, currentKey, toSafeNumber(cost), now, at)
    })
  })
}

function chargeBudget(
  tx: Db,
  tenantId: string,
  budgetId: string,
  periodKey: string,
  currentKey: string,
  costNano: number,
  now: string,
  at: number,
): void {
  const budget = findBudget(tx, budgetId)
  if (!budget || budget.periodKey !== currentKey) throw new Error("stale facts")
  const { fromExpiredNano, excessNano } = splitLateCost(costNano, expiredInPeriod(tx, budgetId, periodKey))
  const batch = newId(at)
  const book = (kind: LedgerKind, name: string, amountNano: number, key: string, balanceAfterNano: number, reason: string) => {
    const ref = `late:${batch}:${budgetId}:${periodKey}:${name}`
    const scope = { budgetId, tenantId, userId: budget.userId }
    insertLedgerEntry(tx, { ...scope, kind, ref, amountNano, balanceAfterNano, periodKey: key, actor: "system", reason }, now, at)
  }
  if (fromExpiredNano > 0)
    book("expiry", "expired", fromExpiredNano, periodKey, fromExpiredNano - costNano, "late usage, paid by what had expired")
  if (excessNano === 0) return
  book(
    "late_usage",
    "excess",
    excessNano,
    periodKey,
    0,
    budget.policy === "money" ? `charged to ${currentKey}` : "forgiven on a limit",
  )
  if (budget.policy !== "money") return
  book(
    "late_usage",
    "charge",
    -excessNano,
    currentKey,
    budget.totalNano - budget.usedNano - excessNano,
    `late usage of ${periodKey}`,
  )
  addTotal(tx, budgetId, -excessNano, now)
}
