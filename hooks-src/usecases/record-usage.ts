import type { EventResult } from "../contract/error-codes"
import { countsOf, type ParsedEvent, type UsageEvent } from "../contract/usage-event"
import { periodAt } from "../domain/billing-period"
import { advanceCursor } from "../domain/ingest-cursor"
import { hasCounts, modelNames, type PriceVersion } from "../domain/pricing"
import { type BatchDecision, type BatchFacts, chargesByBudget, decideBatch, type UsageRow } from "../domain/usage-batch"
import { dbTime, fromDbTime, localMidnight, nowMs } from "../pocketbase/clock"
import { type Db, transaction } from "../pocketbase/db"
import { warn } from "../pocketbase/log"
import { addUsed } from "../pocketbase/stores/budgets"
import { settleHolds } from "../pocketbase/stores/holds"
import { findCursor, saveCursor } from "../pocketbase/stores/ingest-cursors"
import { ingestFacts } from "../pocketbase/stores/ingest-facts"
import type { IngestKey } from "../pocketbase/stores/ingest-keys"
import { blockModel } from "../pocketbase/stores/model-blocks"
import { cachedVersionsOfModels, wholeBook } from "../pocketbase/stores/model-prices"
import { existingEvents, insertUsage, usageLines } from "../pocketbase/stores/usage-logs"
import { bringTenantUpToDate } from "./bring-budgets-up-to-date"
import { chargeLateUsage } from "./charge-late-usage"

/** Facts changed between loading and saving (a reset, the same event in another request): load again. */
class StaleFacts extends Error {}

/** Everything is guarded by constraints, so a few rounds always suffice; more would hide a bug. */
const ROUNDS = 6

export interface SourceSequence {
  source: string
  epoch: string
  /** null = the sender does not count its requests. */
  seq: number | null
}

export interface RecordedUsage {
  results: EventResult[]
  next_seq: number | null
  gaps: [number, number][]
}

/**
 * Books a batch: every good event exactly once, in one transaction. Never refuses for lack of budget: it was spent.
 * @param parsed the events in the order sent, good and bad
 */
export function recordUsage(key: IngestKey, parsed: ParsedEvent[], sequence: SourceSequence): RecordedUsage {
  for (let round = 0; round < ROUNDS; round++) {
    const facts = loadFacts(key, parsed, round > 0)
    if (!facts) {
      bringTenantUpToDate(key.tenantId)
      continue
    }
    const decision = decideBatch(parsed, facts)
    try {
      return { results: decision.results, ...save(key, facts, decision, sequence) }
    } catch (error) {
      // Errors cross the host's transaction as strings: the name is all that is left to recognise ours by.
      if (!String(error).includes(STALE)) throw error
    }
  }
  throw new Error("usage could not be booked: the facts kept changing")
}

const STALE = "stale facts"

type LoadedFacts = BatchFacts & { budgetRow: number }

/** null: the tenant's budgets are missing or due for a reset. The first round assumes that all events are new. */
function loadFacts(key: IngestKey, parsed: ParsedEvent[], withExisting: boolean): LoadedFacts | null {
  const now = nowMs()
  const events: UsageEvent[] = []
  for (const item of parsed) if (item.ok) events.push(item.event)
  const distinct = (pick: (event: UsageEvent) => string) => [...new Set(events.map(pick))].filter((value) => value !== "")
  const stored = ingestFacts(
    $app,
    key.tenantId,
    distinct((e) => e.userId),
    distinct((e) => e.apiKeyId),
    distinct((e) => e.apiKeyHash),
  )
  const budget = stored.tenantBudget
  if (!budget || fromDbTime(budget.resetsAt) <= now) return null
  for (const user of stored.users) {
    if (user.tenantId === key.tenantId && user.periodKey !== budget.periodKey) return null
  }
  const midnight = localMidnight(key.timezone)
  const names = [...new Set(events.flatMap((e) => modelNames(e.model, e.provider)))]
  let book: PriceVersion[] | null = null
  const apiKeys: BatchFacts["apiKeys"] = new Map()
  for (const row of stored.keys) apiKeys.set(row.id, row).set(row.hash, row)
  return {
    tenantId: key.tenantId,
    tenantBudgetId: budget.id,
    budgetRow: stored.budgetRow ?? 0,
    period: { key: budget.periodKey, startMs: fromDbTime(budget.periodStart) },
    closedPeriodKey: (atMs) => periodAt(atMs, key.anchorDay, midnight).key,
    users: new Map(stored.users.map((user) => [user.id, user])),
    apiKeys,
    existing: withExisting
      ? existingEvents(
          $app,
          key.tenantId,
          events.map((e) => e.eventId),
        )
      : new Map(),
    prices: cachedVersionsOfModels($app, names, stored.bookRow ?? 0),
    wholeBook: () => {
      book ??= wholeBook($app, dbTime(now))
      return book
    },
  }
}

function save(key: IngestKey, facts: LoadedFacts, decision: BatchDecision, sequence: SourceSequence) {
  const { source, epoch, seq } = sequence
  if (decision.rows.length === 0 && seq === null) return { next_seq: null, gaps: [] }
  const at = nowMs()
  const now = dbTime(at)
  const lines = usageLines(decision.rows, facts.tenantId, source, now, at)
  return transaction((tx) => {
    bookRows(tx, facts, decision.rows, lines, now, at)
    const calls = endedCalls(decision.rows)
    if (calls.length > 0) settleHolds(tx, facts.tenantId, calls, now)
    for (const model of decision.unpriced) {
      if (blockModel(tx, facts.tenantId, model.model, model.provider, model.reason, now, at)) {
        warn("model without a price was used", { tenant: facts.tenantId, model: model.model, reason: model.reason })
      }
    }
    if (seq === null) return { next_seq: null, gaps: [] }
    const cursor = advanceCursor(findCursor(tx, key.tenantId, source), epoch, seq)
    saveCursor(tx, key.tenantId, source, cursor, now, at)
    return { next_seq: cursor.nextSeq, gaps: cursor.gaps }
  })
}

/**
 * [hold id, call id, event id] of the calls whose hold this settles. A failure that used nothing settles none: a fallback
 * may still be running on the same call, and the sender releases the hold when it is over.
 */
function endedCalls(rows: UsageRow[]): [string, string, string][] {
  return rows
    .filter((row) => row.event.holdId + row.event.callId !== "" && (row.status === "success" || hasCounts(countsOf(row.event))))
    .map((row) => [row.event.holdId, row.event.callId, row.eventId])
}

function bookRows(tx: Db, facts: LoadedFacts, rows: UsageRow[], lines: string, now: string, at: number): void {
  if (rows.length === 0) return
  if (insertUsage(tx, lines) !== rows.length) throw new StaleFacts(STALE)
  const charges = chargesByBudget(rows.filter((row) => row.periodKey === facts.period.key))
  if (addUsed(tx, charges, facts.period.key, facts.budgetRow, now) !== charges.size) throw new StaleFacts(STALE)
  const late = rows.filter((row) => row.periodKey !== facts.period.key)
  if (late.length > 0) chargeLateUsage(tx, facts.tenantId, facts.period.key, late, now, at)
}
