/** What a batch of usage events does: a verdict each, the rows to book, and what they move. Pure; the use case saves it. */
import type { EventResult } from "../contract/error-codes"
import { countsOf, type ParsedEvent, type UsageEvent } from "../contract/usage-event"
import { nanoToEur } from "./money"
import { decidePrice, type PriceVersion } from "./pricing"

export interface UserFact {
  tenantId: string
  budgetId: string
}

/** A booked usage row: the columns that decide whether the same event id came with other content. */
export interface BookedUsage {
  eventId: string
  userId: string
  apiKeyId: string
  model: string
  provider: string
  tokensInput: number
  cacheRead: number
  cacheWrite: number
  cacheWrite1h: number
  tokensOutput: number
  images: number
  audioMs: number
  characters: number
  status: string
  cacheHit: boolean
  timestampMs: number
  costNano: number
}

export interface UsageRow extends BookedUsage {
  event: UsageEvent
  /** Known user, or empty: an id that exists nowhere is kept in claimedUser and booked on the tenant alone. */
  bookedUserId: string
  claimedUser: string
  priceId: string
  priceStatus: "priced" | "estimated" | "quarantined"
  periodKey: string
  budgetIds: string[]
}

export interface BatchFacts {
  tenantId: string
  tenantBudgetId: string
  period: { key: string; startMs: number }
  /** Period key of an instant before the current period. */
  closedPeriodKey: (atMs: number) => string
  users: Map<string, UserFact>
  /** By id and by hash. */
  apiKeys: Map<string, UserFact & { id: string; userId: string }>
  existing: Map<string, BookedUsage>
  prices: PriceVersion[]
  wholeBook: () => PriceVersion[]
}

export interface BatchDecision {
  results: EventResult[]
  rows: UsageRow[]
  /** Models that were used without a price: they get a block each. */
  unpriced: { model: string; provider: string; reason: string }[]
}

const COMPARED: (keyof BookedUsage)[] = [
  "userId",
  "apiKeyId",
  "model",
  "tokensInput",
  "cacheRead",
  "cacheWrite",
  "cacheWrite1h",
  "tokensOutput",
  "images",
  "audioMs",
  "characters",
  "status",
  "cacheHit",
]

const WIRE_NAMES: Partial<Record<keyof BookedUsage, string>> = {
  userId: "user_id",
  apiKeyId: "api_key_id",
  tokensInput: "tokens_input",
  cacheRead: "tokens_cache_read",
  cacheWrite: "tokens_cache_write",
  cacheWrite1h: "tokens_cache_write_1h",
  tokensOutput: "tokens_output",
  audioMs: "audio_seconds",
  cacheHit: "cache_hit",
}

export function decideBatch(parsed: ParsedEvent[], facts: BatchFacts): BatchDecision {
  const decision: BatchDecision = { results: [], rows: [], unpriced: [] }
  const seen = new Map<string, BookedUsage>()
  for (const item of parsed) {
    if (!item.ok) {
      decision.results.push({ event_id: item.eventId, verdict: "rejected", code: "invalid_field", message: item.message })
      continue
    }
    decision.results.push(decideEvent(item.event, facts, seen, decision))
  }
  return decision
}

function decideEvent(event: UsageEvent, facts: BatchFacts, seen: Map<string, BookedUsage>, decision: BatchDecision): EventResult {
  const foreign = foreignOwner(event, facts)
  if (foreign) return { event_id: event.eventId, verdict: "rejected", code: "tenant_mismatch", message: foreign }
  const row = buildRow(event, facts)
  const before = seen.get(event.eventId) ?? facts.existing.get(event.eventId)
  if (before) return compareWithBooked(row, before)
  const { model, provider, kind, status, cacheHit, timestampMs } = event
  const call = { model, provider, kind, status, cacheHit, timestampMs, counts: countsOf(event) }
  const price = decidePrice(call, facts.prices, facts.wholeBook)
  row.costNano = price.costNano
  row.priceId = price.priceId
  row.priceStatus = price.status === "quarantined" ? "quarantined" : event.estimated || event.aborted ? "estimated" : "priced"
  seen.set(event.eventId, row)
  decision.rows.push(row)
  const result: EventResult = { event_id: event.eventId, verdict: "accepted", cost: nanoToEur(price.costNano) }
  if (row.claimedUser !== "") {
    result.code = "unknown_user"
    result.message = `user_id ${row.claimedUser} does not exist; the cost was booked to the tenant alone`
  }
  if (price.status === "quarantined") {
    decision.unpriced.push({ model: event.model, provider: event.provider, reason: price.reason })
    return {
      ...result,
      verdict: "quarantined",
      code: "model_unpriced",
      message: `${price.reason}; booked at the dearest known price until one is published`,
    }
  }
  return result
}

/** A tenant, user or key that is somebody else's: the sender is confused or hostile, and nothing of it may be booked. */
function foreignOwner(event: UsageEvent, facts: BatchFacts): string | null {
  if (event.claimedTenantId !== "" && event.claimedTenantId !== facts.tenantId) {
    return "tenant_id differs from the tenant that the ingest key belongs to"
  }
  const user = facts.users.get(event.userId)
  if (user && user.tenantId !== facts.tenantId) return "user_id belongs to another tenant"
  for (const name of [event.apiKeyId, event.apiKeyHash]) {
    const key = facts.apiKeys.get(name)
    if (key && key.tenantId !== facts.tenantId) return "the API key belongs to another tenant"
  }
  return null
}

function buildRow(event: UsageEvent, facts: BatchFacts): UsageRow {
  const key = facts.apiKeys.get(event.apiKeyId) ?? facts.apiKeys.get(event.apiKeyHash)
  const userId = event.userId === "" && key ? key.userId : event.userId
  const user = facts.users.get(userId)
  const budgetIds = [facts.tenantBudgetId]
  if (user?.budgetId) budgetIds.push(user.budgetId)
  if (key?.budgetId) budgetIds.push(key.budgetId)
  return {
    event,
    eventId: event.eventId,
    userId,
    bookedUserId: user ? userId : "",
    claimedUser: user ? "" : userId,
    apiKeyId: key ? key.id : event.apiKeyId,
    model: event.model,
    provider: event.provider,
    tokensInput: event.tokensInput,
    cacheRead: event.cacheRead,
    cacheWrite: event.cacheWrite,
    cacheWrite1h: event.cacheWrite1h,
    tokensOutput: event.tokensOutput,
    images: event.images,
    audioMs: event.audioMs,
    characters: event.characters,
    status: event.status,
    cacheHit: event.cacheHit,
    timestampMs: event.timestampMs,
    costNano: 0,
    priceId: "",
    priceStatus: "priced",
    periodKey: event.timestampMs >= facts.period.startMs ? facts.period.key : facts.closedPeriodKey(event.timestampMs),
    budgetIds,
  }
}

/** Same id, same content: the first answer again. Same id, other content: a conflict that names the field. */
function compareWithBooked(row: UsageRow, before: BookedUsage): EventResult {
  const field = COMPARED.find((name) => row[name] !== before[name])
  // Routes write the start of a call with different precision: within a second it is the same call.
  const differs = field ?? (Math.abs(row.timestampMs - before.timestampMs) >= 1_000 ? "timestamp" : null)
  const cost = nanoToEur(before.costNano)
  if (!differs) return { event_id: row.eventId, verdict: "duplicate", cost }
  const name = WIRE_NAMES[differs as keyof BookedUsage] ?? differs
  return {
    event_id: row.eventId,
    verdict: "conflict",
    cost,
    code: "event_conflict",
    message: `event ${row.eventId} was booked with another ${name}; nothing was changed`,
  }
}

/** What each budget is charged for rows of one period. */
export function chargesByBudget(rows: UsageRow[]): Map<string, bigint> {
  const charges = new Map<string, bigint>()
  for (const row of rows) {
    if (row.costNano === 0) continue
    for (const budgetId of row.budgetIds) charges.set(budgetId, (charges.get(budgetId) ?? 0n) + BigInt(row.costNano))
  }
  return charges
}
