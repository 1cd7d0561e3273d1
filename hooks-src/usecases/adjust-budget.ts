import { ApiProblem } from "../contract/error-codes"
import { eurToNano, nanoToEur } from "../domain/money"
import { type Caller, isOperator } from "../pocketbase/auth"
import { dbTime, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import { auditByRef, insertAudit } from "../pocketbase/stores/audit-log"
import { addTotal, type BudgetRow, findBudget } from "../pocketbase/stores/budgets"
import { insertLot } from "../pocketbase/stores/credit-lots"
import { insertLedgerEntry } from "../pocketbase/stores/ledger-entries"
import { bringUpToDate } from "./bring-budgets-up-to-date"

export interface Adjustment {
  budgetId: string
  amount: string
  reason: string
  /** "never", "period_end" or RFC 3339; undefined: money stays, a limit ends with its period. */
  expires: string | undefined
  idempotencyKey: string | undefined
}

export interface AdjustedBudget {
  budget_id: string
  amount: string
  total: string
  used: string
  remaining: string
}

/** Raises or lowers a budget, with a reason, in the ledger and the audit log. The same idempotency key is booked once. */
export function adjustBudget(caller: Caller, adjustment: Adjustment): AdjustedBudget {
  const amountNano = eurToNano(adjustment.amount)
  if (amountNano === null || amountNano === 0) throw new ApiProblem("invalid_field", "amount: must not be 0", { path: "amount" })
  return transaction((tx) => {
    const at = nowMs()
    const found = findBudget(tx, adjustment.budgetId)
    if (!found || !mayAdjust(caller, found)) throw new ApiProblem("not_found", "there is no such budget")
    if (!isOperator(caller) && found.scope === "tenant") {
      throw new ApiProblem("forbidden", "only an operator may adjust the tenant's money")
    }
    const ref = `adjust:${found.id}:${adjustment.idempotencyKey ?? newId(at)}`
    const earlier = auditByRef<BookedAdjustment>(tx, ref)
    if (earlier) return firstAnswer(earlier, amountNano, adjustment)
    bringUpToDate(tx, found.tenantId, at)
    const budget = findBudget(tx, found.id) as BudgetRow
    return book(tx, caller, budget, amountNano, ref, adjustment, at)
  })
}

/** What the audit log keeps of an adjustment: enough to give the first answer again. */
interface BookedAdjustment {
  answer: AdjustedBudget
  amountNano: number
  reason: string
  expires: string
}

function firstAnswer(earlier: BookedAdjustment, amountNano: number, adjustment: Adjustment): AdjustedBudget {
  const same =
    earlier.amountNano === amountNano && earlier.reason === adjustment.reason && earlier.expires === (adjustment.expires ?? "")
  if (same) return earlier.answer
  throw new ApiProblem("conflict", "this idempotency_key was used with another amount, reason or expiry", {
    path: "idempotency_key",
  })
}

function book(
  tx: Db,
  caller: Caller,
  budget: BudgetRow,
  amountNano: number,
  ref: string,
  adjustment: Adjustment,
  at: number,
): AdjustedBudget {
  const { reason } = adjustment
  const now = dbTime(at)
  const after = { ...budget, totalNano: budget.totalNano + amountNano }
  const answer = view(after, amountNano)
  const scope = { budgetId: budget.id, tenantId: budget.tenantId, userId: budget.userId }
  const balanceAfterNano = after.totalNano - after.usedNano
  const entry = { ...scope, kind: "adjustment" as const, ref, amountNano, balanceAfterNano, periodKey: budget.periodKey }
  insertLedgerEntry(tx, { ...entry, actor: caller.actor, reason }, now, at)
  if (amountNano > 0) {
    const expiresAt = expiryOf(adjustment.expires, budget, at)
    insertLot(tx, { ...scope, kind: "credit", sourceRef: ref, amountNano, expiresAt }, now, at)
  }
  addTotal(tx, budget.id, amountNano, now)
  const booked: BookedAdjustment = { answer, amountNano, reason, expires: adjustment.expires ?? "" }
  const audit = { tenantId: budget.tenantId, actor: caller.actor, action: "budget.adjust", target: budget.id, reason, ref }
  insertAudit(tx, { ...audit, before: { total: nanoToEur(budget.totalNano) }, after: booked }, now, at)
  return answer
}

function mayAdjust(caller: Caller, budget: BudgetRow): boolean {
  return isOperator(caller) || (caller.role === "tenant_admin" && caller.tenantId !== "" && caller.tenantId === budget.tenantId)
}

function expiryOf(expires: string | undefined, budget: BudgetRow, at: number): string {
  const choice = expires ?? (budget.policy === "money" ? "never" : "period_end")
  if (choice === "never") return ""
  if (choice === "period_end") return budget.resetsAt
  const ms = Date.parse(choice)
  if (ms <= at) throw new ApiProblem("invalid_field", "expires: must be in the future", { path: "expires" })
  return dbTime(ms)
}

function view(budget: BudgetRow, amountNano: number): AdjustedBudget {
  return {
    budget_id: budget.id,
    amount: nanoToEur(amountNano),
    total: nanoToEur(budget.totalNano),
    used: nanoToEur(budget.usedNano),
    remaining: nanoToEur(budget.totalNano - budget.usedNano),
  }
}
