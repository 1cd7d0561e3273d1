/** Closing a period and opening the next: what expires, what is carried, what is granted. Decides only; writes nothing. */
import { burnLots, type CreditLot } from "./credit-lots"

export interface ClosingBudget {
  /** "money" = a tenant row: an overrun is owed in the next period. "limit" = a user or key row: it is forgiven. */
  policy: "money" | "limit"
  totalNano: number
  usedNano: number
  lots: CreditLot[]
  /** Credit that expires by then is not carried. */
  periodEnd: string
}

export interface PeriodClose {
  /** ≤ 0: the unused allowance leaves the old period. */
  expiryNano: number
  /** What leaves the old period (negative) and enters the new one (positive), or a debt the other way round. */
  carryNano: number
  /** ≥ 0: an overrun of a limit that is written off. */
  forgivenNano: number
  /** Credit that goes on, lot by lot; a lot that is not listed is closed. */
  carriedLots: { id: string; leftNano: number }[]
}

/**
 * After these entries the old period's balance is zero: total + expiry − carry + forgiven = used.
 * Consumption is everything that lowered the balance against the lots: usage, late usage, negative adjustments, debts.
 */
export function closePeriod(budget: ClosingBudget): PeriodClose {
  const openNano = budget.lots.reduce((sum, lot) => sum + lot.openNano, 0)
  const remainingNano = budget.totalNano - budget.usedNano
  const { lots, overrunNano } = burnLots(budget.lots, openNano - remainingNano)
  const carried = lots.filter(
    (lot) => lot.kind === "credit" && lot.leftNano > 0 && (lot.expiresAt === "" || lot.expiresAt > budget.periodEnd),
  )
  const creditNano = carried.reduce((sum, lot) => sum + lot.leftNano, 0)
  // Corrections can leave more than the lots ever held; on a money row that is the customer's and goes on.
  const surplusNano = Math.max(0, remainingNano - openNano)
  const owedNano = budget.policy === "money" ? overrunNano : 0
  const carryNano = creditNano - owedNano + (budget.policy === "money" ? surplusNano : 0)
  const forgivenNano = budget.policy === "limit" ? overrunNano : 0
  return {
    expiryNano: carryNano - remainingNano - forgivenNano,
    carryNano,
    forgivenNano,
    carriedLots: carried.map((lot) => ({ id: lot.id, leftNano: lot.leftNano })),
  }
}

/** How a late cost of a closed period is paid: first out of what expired there, the rest is an excess. */
export function splitLateCost(costNano: number, expiredNano: number): { fromExpiredNano: number; excessNano: number } {
  const fromExpiredNano = Math.max(0, Math.min(costNano, expiredNano))
  return { fromExpiredNano, excessNano: costNano - fromExpiredNano }
}
