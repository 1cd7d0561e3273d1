import { countsOf, type UsageEvent } from "../contract/usage-event"
import { decidePrice, modelNames, type PriceVersion } from "../domain/pricing"
import { dbTime, fromDbTime } from "../pocketbase/clock"
import { type Db, transaction } from "../pocketbase/db"
import { addUsed, chargedBudgets, tenantBudget } from "../pocketbase/stores/budgets"
import { liftBlocks } from "../pocketbase/stores/model-blocks"
import { versionsOfModels } from "../pocketbase/stores/model-prices"
import { insertCorrection, type QuarantinedUsage, quarantinedModels, quarantinedUsage } from "../pocketbase/stores/usage-logs"
import { bringUpToDate } from "./bring-budgets-up-to-date"

/**
 * Settles quarantined usage whose model has a price now: one correction row each, with the signed difference. Answers how
 * many rows were settled. Works in the caller's transaction, so that publishing and re-pricing are one thing.
 */
export function repriceQuarantined(tx: Db, models: string[], nowMs: number): number {
  const versions = versionsOfModels(tx, models)
  // Rows store the model without the provider's prefix, the book may know it with it, and the other way round.
  const stored = [...new Set(models.flatMap((name) => [name, name.slice(name.indexOf("/") + 1)]))]
  let settled = 0
  let after = 0
  // Page by page in the order of booking: a row that cannot be settled yet must not hide those behind it.
  for (let page = quarantinedUsage(tx, stored, after); page.length > 0; page = quarantinedUsage(tx, stored, after)) {
    for (const row of page) {
      if (settle(tx, row, versions, nowMs)) settled += 1
      after = row.rowid
    }
  }
  liftBlocks(tx, stored, dbTime(nowMs))
  return settled
}

function settle(tx: Db, row: QuarantinedUsage, versions: PriceVersion[], nowMs: number): boolean {
  const counts = countsOf(row as unknown as UsageEvent)
  const decide = (timestampMs: number) => decidePrice({ ...row, timestampMs, counts }, versions, () => [])
  let price = decide(fromDbTime(row.timestamp))
  // The version of that time may be the very one that lacks a rate: then the one that adds it settles the row.
  if (price.status !== "priced") price = decide(nowMs)
  if (price.status !== "priced") return false
  bringUpToDate(tx, row.tenantId, nowMs)
  const budget = tenantBudget(tx, row.tenantId)
  if (!budget) throw new Error(`tenant ${row.tenantId} has no budget`)
  const delta = price.costNano - row.costNano
  insertCorrection(tx, row, delta, price.priceId, budget.periodKey, dbTime(nowMs), nowMs)
  if (delta !== 0) {
    const ids = chargedBudgets(tx, row.tenantId, row.bookedUserId, row.apiKeyId)
    const charges = new Map(ids.map((budgetId) => [budgetId, BigInt(delta)]))
    if (addUsed(tx, charges, budget.periodKey, 0, dbTime(nowMs)) !== charges.size)
      throw new Error("a budget is in another period than its tenant")
  }
  return true
}

/** The sweep behind the publish route: usage that was priced by an old book while a price was being published. */
export function repriceDueQuarantine(nowMs: number): number {
  const models = quarantinedModels($app)
  if (models.length === 0) return 0
  const known = versionsOfModels(
    $app,
    models.flatMap(({ model, provider }) => modelNames(model, provider)),
  )
  return known.length === 0
    ? 0
    : transaction((tx) =>
        repriceQuarantined(
          tx,
          known.map((version) => version.model),
          nowMs,
        ),
      )
}
