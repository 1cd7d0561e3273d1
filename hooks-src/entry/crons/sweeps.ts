import { nowMs } from "../../pocketbase/clock"
import { info } from "../../pocketbase/log"
import { resetDueBudgets } from "../../usecases/bring-budgets-up-to-date"
import { repriceDueQuarantine } from "../../usecases/reprice-quarantined"
import { sweepHolds } from "../../usecases/sweep-holds"

/** Level-triggered: what is due is found by looking, so a missed run, a late one or two at once change nothing. */
export function sweepResets(): void {
  const swept = resetDueBudgets()
  if (swept.tenants + swept.lots > 0) info("budgets swept", swept)
}

export function sweepQuarantine(): void {
  const settled = repriceDueQuarantine(nowMs())
  if (settled > 0) info("quarantined usage re-priced", { rows: settled })
}

export function sweepHoldsDue(): void {
  const swept = sweepHolds()
  if (swept.expired + swept.pruned > 0) info("holds swept", swept)
}
