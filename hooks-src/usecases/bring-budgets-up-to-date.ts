import { type BillingPeriod, periodAfter, periodAt } from "../domain/billing-period"
import { closePeriod } from "../domain/budget-reset"
import { burnLots } from "../domain/credit-lots"
import { dbTime, fromDbTime, localMidnight, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import { error } from "../pocketbase/log"
import { lineLimits } from "../pocketbase/stores/api-keys"
import {
  addTotal,
  type BudgetRow,
  dueTenants,
  findBudget,
  insertBudget,
  moveToPeriod,
  tenantBudgets,
} from "../pocketbase/stores/budgets"
import { budgetsWithDueLots, closeLotsOfBudget, insertLot, lotsOfBudget, setLot } from "../pocketbase/stores/credit-lots"
import { insertLedgerEntry, type LedgerKind } from "../pocketbase/stores/ledger-entries"
import { findTenant, type Seat, seatsOfTenant, type TenantFacts } from "../pocketbase/stores/seats"

/** No event older than 60 days is booked, so periods further back than this can never be asked about again. */
const PERIODS_REPLAYED = 3

/** Opens missing budgets of a tenant and resets all that are due. Called at the first touch in a new period and by cron. */
export function bringTenantUpToDate(tenantId: string): void {
  transaction((tx) => bringUpToDate(tx, tenantId, nowMs()))
}

/** The same inside a transaction that is under way. All rows of a tenant are always in the same period. */
export function bringUpToDate(tx: Db, tenantId: string, now: number): void {
  const tenant = findTenant(tx, tenantId)
  if (!tenant) return
  const seats = seatsOfTenant(tx, tenantId)
  const budgets = tenantBudgets(tx, tenantId)
  const own = budgets.find((budget) => budget.scope === "tenant")
  let period = own ? periodOf(own) : periodAt(now, tenant.anchorDay, localMidnight(tenant.timezone))
  const due = duePeriods(period, now, tenant)
  const limits = due.length === 0 ? {} : lineLimits(tx, tenantId)
  for (const next of due) {
    for (const budget of budgets) resetBudget(tx, budget, next, allowanceOf(budget, tenant, seats, limits), now)
    period = next
  }
  const nobody = { tenantId, userId: "", apiKeyId: "" }
  if (!own) openBudget(tx, "tenant", nobody, period, sumAllowances(tenant, seats), 0, now)
  for (const seat of seats) {
    const allowanceNano = tenantAllows(tenant) ? seat.allowanceNano : 0
    if (!seat.hasBudget) openBudget(tx, "user", { ...nobody, userId: seat.userId }, period, allowanceNano, 0, now)
  }
}

export function periodOf(budget: BudgetRow): BillingPeriod {
  return { key: budget.periodKey, startMs: fromDbTime(budget.periodStart), endMs: fromDbTime(budget.resetsAt) }
}

/** The periods that have begun since; after a long pause only the last few, the others can have no usage any more. */
function duePeriods(current: BillingPeriod, now: number, tenant: TenantFacts): BillingPeriod[] {
  const midnight = localMidnight(tenant.timezone)
  const due: BillingPeriod[] = []
  for (let period = current; period.endMs <= now; ) {
    period = periodAfter(period, tenant.anchorDay, midnight)
    due.push(period)
  }
  return due.slice(-PERIODS_REPLAYED)
}

function tenantAllows(tenant: TenantFacts): boolean {
  return tenant.status === "active"
}

function sumAllowances(tenant: TenantFacts, seats: Seat[]): number {
  return tenantAllows(tenant) ? seats.reduce((sum, seat) => sum + seat.allowanceNano, 0) : 0
}

/** A key's limit brings no money: it is granted whatever the tenant's status, so that a suspension never wipes it out. */
function allowanceOf(budget: BudgetRow, tenant: TenantFacts, seats: Seat[], limits: Record<string, number>): number {
  if (budget.scope === "tenant") return sumAllowances(tenant, seats)
  if (budget.scope === "api_key") return limits[budget.apiKeyId] ?? 0
  return tenantAllows(tenant) ? (seats.find((seat) => seat.userId === budget.userId)?.allowanceNano ?? 0) : 0
}

/** Opens a budget with its allowance. @param usedNano what was used in the period before the row existed */
export function openBudget(
  tx: Db,
  scope: BudgetRow["scope"],
  owner: Pick<BudgetRow, "tenantId" | "userId" | "apiKeyId">,
  period: BillingPeriod,
  allowanceNano: number,
  usedNano: number,
  now: number,
): BudgetRow {
  const budget: BudgetRow = {
    id: newId(now),
    scope,
    ...owner,
    totalNano: allowanceNano,
    usedNano,
    allowanceNano,
    periodKey: period.key,
    periodStart: dbTime(period.startMs),
    resetsAt: dbTime(period.endMs),
    policy: scope === "tenant" ? "money" : "limit",
    created: dbTime(now),
  }
  insertBudget(tx, budget)
  grantAllowance(tx, budget, period.key, now)
  return budget
}

/** The reset entry and its lot. Unique per (budget, period): a second reset of the same period cannot be written. */
function grantAllowance(tx: Db, budget: BudgetRow, periodKey: string, now: number): void {
  const ref = `${budget.id}:${periodKey}`
  const balanceNano = budget.totalNano - budget.usedNano
  writeEntry(tx, budget, "reset", ref, budget.allowanceNano, periodKey, balanceNano, "allowance of the period", now)
  if (budget.allowanceNano > 0) {
    const lot = {
      ...scopeOf(budget),
      kind: "allowance" as const,
      sourceRef: `reset:${ref}`,
      amountNano: budget.allowanceNano,
      expiresAt: budget.resetsAt,
    }
    insertLot(tx, lot, dbTime(now), now)
  }
}

function scopeOf(budget: BudgetRow) {
  return { budgetId: budget.id, tenantId: budget.tenantId, userId: budget.userId }
}

export function writeEntry(
  tx: Db,
  budget: BudgetRow,
  kind: LedgerKind,
  ref: string,
  amountNano: number,
  periodKey: string,
  balanceAfterNano: number,
  reason: string,
  now: number,
): void {
  insertLedgerEntry(
    tx,
    { ...scopeOf(budget), kind, ref, amountNano, balanceAfterNano, periodKey, actor: "system", reason },
    dbTime(now),
    now,
  )
}

/** Closes the old period with entries that bring its balance to zero, and opens the next one. Mutates `budget` to match. */
function resetBudget(tx: Db, budget: BudgetRow, next: BillingPeriod, allowanceNano: number, now: number): void {
  const old = budget.periodKey
  const lots = lotsOfBudget(tx, budget.id)
  const close = closePeriod({ ...budget, lots, periodEnd: budget.resetsAt })

  let balance = budget.totalNano - budget.usedNano
  const leave = (kind: LedgerKind, name: string, amountNano: number, reason: string) => {
    if (amountNano === 0) return
    balance += amountNano
    writeEntry(tx, budget, kind, `${budget.id}:${old}:${name}`, amountNano, old, balance, reason, now)
  }
  leave("expiry", "expiry", close.expiryNano, "unused allowance of the period")
  leave("adjustment", "forgiven", close.forgivenNano, "overrun of a limit, forgiven at the reset")
  leave("carry_over", "out", -close.carryNano, `carried into ${next.key}`)
  if (balance !== 0) throw new Error(`budget ${budget.id}: period ${old} does not close at zero but at ${balance}`)

  closeLotsOfBudget(tx, budget.id)
  for (const lot of close.carriedLots) setLot(tx, lot.id, lot.leftNano, "open")
  Object.assign(budget, {
    totalNano: close.carryNano + allowanceNano,
    usedNano: 0,
    allowanceNano,
    periodKey: next.key,
    periodStart: dbTime(next.startMs),
    resetsAt: dbTime(next.endMs),
  })
  moveToPeriod(tx, budget, dbTime(now))
  if (close.carryNano !== 0) {
    writeEntry(
      tx,
      budget,
      "carry_over",
      `${budget.id}:${next.key}:in`,
      close.carryNano,
      next.key,
      close.carryNano,
      `carried from ${old}`,
      now,
    )
  }
  grantAllowance(tx, budget, next.key, now)
}

/** Takes back what is left of credit whose time has come within a period. */
export function expireDueLots(tx: Db, budgetId: string, now: number): void {
  const budget = findBudget(tx, budgetId)
  if (!budget) return
  const lots = lotsOfBudget(tx, budgetId)
  const openNano = lots.reduce((sum, lot) => sum + lot.openNano, 0)
  const due = new Set(
    lots.filter((lot) => lot.state === "open" && lot.expiresAt !== "" && fromDbTime(lot.expiresAt) <= now).map((lot) => lot.id),
  )
  let balance = budget.totalNano - budget.usedNano
  for (const lot of burnLots(lots, openNano - balance).lots) {
    if (!due.has(lot.id)) continue
    setLot(tx, lot.id, lot.usedNano, "expired")
    if (lot.leftNano === 0) continue
    balance -= lot.leftNano
    writeEntry(tx, budget, "expiry", `${lot.id}:expiry`, -lot.leftNano, budget.periodKey, balance, "credit expired unused", now)
    addTotal(tx, budgetId, -lot.leftNano, dbTime(now))
  }
}

/** The sweep: every tenant that is due, and every lot whose time has come. One transaction each, so none waits for all. */
export function resetDueBudgets(): { tenants: number; lots: number } {
  const now = nowMs()
  const tenants = dueTenants($app, dbTime(now))
  for (const tenantId of tenants) attempt(tenantId, () => bringTenantUpToDate(tenantId))
  const budgets = budgetsWithDueLots($app, dbTime(now))
  for (const budgetId of budgets) attempt(budgetId, () => transaction((tx) => expireDueLots(tx, budgetId, now)))
  return { tenants: tenants.length, lots: budgets.length }
}

/** One tenant whose books cannot be closed must not keep all that come after it from their reset. */
function attempt(id: string, work: () => void): void {
  try {
    work()
  } catch (thrown) {
    error("sweep failed", { id, error: String(thrown) })
  }
}
