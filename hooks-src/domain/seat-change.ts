/** A seat that gets dearer within a period is granted the difference of the allowances, pro rata by days, at once. */
import { shareNano } from "./money"

const DAY_MS = 86_400_000

export interface SeatChange {
  beforeNano: number
  afterNano: number
  nowMs: number
  /** Start of what the present allowance covers: the period's start, or the day the budget was opened if that is later. */
  coversFromMs: number
  endMs: number
}

/** Nano-EUR to grant now; 0 for a downgrade, which waits for the next reset. */
export function upgradeGrantNano(change: SeatChange): number {
  const difference = change.afterNano - change.beforeNano
  if (difference <= 0) return 0
  const whole = Math.max(1, Math.ceil((change.endMs - change.coversFromMs) / DAY_MS))
  const left = Math.min(whole, Math.max(0, Math.ceil((change.endMs - change.nowMs) / DAY_MS)))
  return shareNano(difference, left, whole)
}
