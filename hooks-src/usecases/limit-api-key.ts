/** The budget of a line of keys: opened with its first limit, then moved with it. */
import { nanoToEur } from "../domain/money"
import type { Caller } from "../pocketbase/auth"
import { dbTime } from "../pocketbase/clock"
import { type Db, newId } from "../pocketbase/db"
import { type ApiKeyRow, usageOfLine } from "../pocketbase/stores/api-keys"
import { insertAudit } from "../pocketbase/stores/audit-log"
import { addTotal, type BudgetRow, setAllowance, tenantBudget } from "../pocketbase/stores/budgets"
import { insertLot } from "../pocketbase/stores/credit-lots"
import { insertLedgerEntry } from "../pocketbase/stores/ledger-entries"
import { limitOf } from "./api-key-access"
import { bringUpToDate, openBudget, periodOf, writeEntry } from "./bring-budgets-up-to-date"

/**
 * Opens the budget in the tenant's current period. What the keys used in it before counts; what they used in periods that
 * are closed is written off there, as an overrun of a limit is, so that every period adds up.
 */
export function openKeyLimit(tx: Db, key: ApiKeyRow, now: number): void {
  bringUpToDate(tx, key.tenantId, now)
  const money = tenantBudget(tx, key.tenantId)
  if (!money) throw new Error(`tenant ${key.tenantId} has no budget`)
  const usage = usageOfLine(tx, key.tenantId, key.budgetKeyId)
  const used = usage.find(([periodKey]) => periodKey === money.periodKey)?.[1] ?? 0
  const owner = { tenantId: key.tenantId, userId: key.userId, apiKeyId: key.budgetKeyId }
  const budget = openBudget(tx, "api_key", owner, periodOf(money), key.limitNano, used, now)
  for (const [periodKey, nano] of usage) {
    if (periodKey === money.periodKey || nano === 0) continue
    const ref = `${budget.id}:${periodKey}:forgiven`
    writeEntry(tx, budget, "adjustment", ref, nano, periodKey, 0, "used before the key had a limit", now)
  }
}

/** Another limit: the running period gets the difference, the next one all of it. */
export function moveKeyLimit(tx: Db, caller: Caller, key: ApiKeyRow, now: number): void {
  bringUpToDate(tx, key.tenantId, now)
  const budget = limitOf(tx, key)
  if (!budget) openKeyLimit(tx, key, now)
  else if (budget.allowanceNano !== key.limitNano) book(tx, caller, budget, key.limitNano, now)
}

function book(tx: Db, caller: Caller, budget: BudgetRow, limitNano: number, now: number): void {
  const at = dbTime(now)
  const amountNano = limitNano - budget.allowanceNano
  const ref = `limit:${budget.id}:${newId(now)}`
  const reason = "another limit of the key"
  const scope = { budgetId: budget.id, tenantId: budget.tenantId, userId: budget.userId }
  const balanceAfterNano = budget.totalNano - budget.usedNano + amountNano
  const entry = { ...scope, kind: "adjustment" as const, ref, amountNano, balanceAfterNano, periodKey: budget.periodKey }
  insertLedgerEntry(tx, { ...entry, actor: caller.actor, reason }, at, now)
  if (amountNano > 0) {
    insertLot(tx, { ...scope, kind: "allowance", sourceRef: ref, amountNano, expiresAt: budget.resetsAt }, at, now)
  }
  addTotal(tx, budget.id, amountNano, at)
  setAllowance(tx, budget.id, limitNano)
  const audit = { tenantId: budget.tenantId, actor: caller.actor, action: "budget.adjust", target: budget.id, reason, ref }
  const totals = { before: { total: nanoToEur(budget.totalNano) }, after: { total: nanoToEur(budget.totalNano + amountNano) } }
  insertAudit(tx, { ...audit, ...totals }, at, now)
}
