/** What a call costs: disjoint token classes × the price version of the model that really served it. */
import { type BillLine, billNano } from "./money"

/** Nano-EUR per 1,000,000 tokens of a class; absent = the book has no such price. */
export interface TokenRates {
  input?: number
  cache_read?: number
  cache_write?: number
  cache_write_1h?: number
  output?: number
}

/** A price version's rates: tokens, and units beyond tokens (per image, second, 1,000,000 characters, call). */
export interface Rates extends TokenRates {
  image?: number
  second?: number
  mchar?: number
  call?: number
  /** Other token rates for the whole call once the input is longer than `above_tokens` (providers' long-context tiers). */
  long_context?: (TokenRates & { above_tokens: number })[]
}

export interface PriceVersion {
  id: string
  model: string
  provider: string
  effectiveFromMs: number
  rates: Rates
}

/** Disjoint classes: uncached + cacheRead + cacheWrite + cacheWrite1h = the provider's input total. */
export interface UsageCounts {
  uncached: number
  cacheRead: number
  /** Written to the 5-minute cache; the dearer 1-hour part is in cacheWrite1h and not in here. */
  cacheWrite: number
  cacheWrite1h: number
  output: number
  images: number
  audioMs: number
  characters: number
}

export type PriceDecision =
  | { status: "free"; costNano: 0; priceId: "" }
  | { status: "priced"; costNano: number; priceId: string }
  | { status: "quarantined"; costNano: number; priceId: ""; reason: string }

const CLASSES = ["input", "cache_read", "cache_write", "cache_write_1h", "output"] as const
const UNITS = ["image", "second", "mchar", "call"] as const

export function inputTokens(counts: UsageCounts): number {
  return counts.uncached + counts.cacheRead + counts.cacheWrite + counts.cacheWrite1h
}

export function hasCounts(counts: UsageCounts): boolean {
  return inputTokens(counts) + counts.output + counts.images + counts.audioMs + counts.characters > 0
}

/** The token rates for a call of this size: the highest long-context tier that the input exceeds wins, class by class. */
export function tokenRatesFor(rates: Rates, input: number): TokenRates {
  let tier: (TokenRates & { above_tokens: number }) | null = null
  for (const candidate of rates.long_context ?? []) {
    if (input > candidate.above_tokens && (!tier || candidate.above_tokens > tier.above_tokens)) tier = candidate
  }
  return tier ? { ...rates, ...tier } : rates
}

/** The cost of the counts at these rates, or the class that has no price. A cache class without a rate costs like input. */
export function priceCounts(counts: UsageCounts, rates: Rates): { costNano: number } | { missing: string } {
  const tokens = tokenRatesFor(rates, inputTokens(counts))
  const write = tokens.cache_write ?? tokens.input
  const lines: BillLine[] = []
  const missing =
    addTokens(lines, "input", counts.uncached, tokens.input) ??
    addTokens(lines, "cache_read", counts.cacheRead, tokens.cache_read ?? tokens.input) ??
    addTokens(lines, "cache_write", counts.cacheWrite, write) ??
    addTokens(lines, "cache_write_1h", counts.cacheWrite1h, tokens.cache_write_1h ?? write) ??
    addTokens(lines, "output", counts.output, tokens.output) ??
    unitLines(counts, rates, lines)
  if (missing) return { missing }
  if (rates.call !== undefined) lines.push({ count: 1, rateNano: rates.call, per: 1 })
  return { costNano: billNano(lines) }
}

/** Adds the line of a token class; answers the class if it was used and has no rate. */
function addTokens(lines: BillLine[], name: string, count: number, rateNano: number | undefined): string | null {
  if (count === 0) return null
  if (rateNano === undefined) return name
  lines.push({ count, rateNano, per: 1_000_000 })
  return null
}

/**
 * Adds the lines of units beyond tokens. A unit without a rate is fine only if tokens already pay for the call.
 * @returns the unit that has no price, or null
 */
export function unitLines(
  counts: Pick<UsageCounts, "images" | "audioMs" | "characters">,
  rates: Rates,
  lines: BillLine[],
): string | null {
  if (counts.images + counts.audioMs + counts.characters === 0) return null
  const paidByTokens = lines.length > 0
  const units: ["image" | "second" | "mchar", number, BillLine["per"]][] = [
    ["image", counts.images, 1],
    ["second", counts.audioMs, 1_000],
    ["mchar", counts.characters, 1_000_000],
  ]
  for (const [name, count, per] of units) {
    if (count === 0) continue
    const rateNano = rates[name]
    if (rateNano !== undefined) lines.push({ count, rateNano, per })
    else if (!paidByTokens) return name
  }
  return null
}

/** Names under which the book may know a model: as sent, with the provider in front, without it. */
export function modelNames(model: string, provider: string): string[] {
  if (provider === "") return [model]
  const prefix = `${provider}/`
  return model.startsWith(prefix) ? [model, model.slice(prefix.length)] : [model, prefix + model]
}

/**
 * The version in force when the call started: the newest that began before it, or the first one for a call older than
 * the book. `versions` may hold other models too.
 */
export function versionInForce(versions: PriceVersion[], model: string, provider: string, atMs: number): PriceVersion | null {
  for (const name of modelNames(model, provider)) {
    let found: PriceVersion | null = null
    for (const version of versions) {
      if (version.model === name && (!found || newer(version, found, atMs))) found = version
    }
    if (found) return found
  }
  return null
}

function newer(a: PriceVersion, b: PriceVersion, atMs: number): boolean {
  const aBegan = a.effectiveFromMs <= atMs
  const bBegan = b.effectiveFromMs <= atMs
  if (aBegan !== bBegan) return aBegan
  return aBegan ? a.effectiveFromMs > b.effectiveFromMs : a.effectiveFromMs < b.effectiveFromMs
}

/** The dearest rate per class among a provider's versions in force (of the whole book if it has none of that provider). */
export function dearestRates(versions: PriceVersion[], provider: string, input: number): Rates {
  const own = versions.filter((version) => version.provider === provider)
  const dearest: Rates = {}
  for (const version of own.length > 0 ? own : versions) {
    const tokens = tokenRatesFor(version.rates, input)
    for (const name of CLASSES) dearest[name] = higher(dearest[name], tokens[name])
    for (const name of UNITS) if (name !== "call") dearest[name] = higher(dearest[name], version.rates[name])
  }
  return dearest
}

function higher(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b
  return b === undefined || a > b ? a : b
}

export interface PricedCall {
  model: string
  provider: string
  kind: string
  status: string
  cacheHit: boolean
  timestampMs: number
  counts: UsageCounts
}

/**
 * The price decision of one call. Free: served from our cache, or failed without having used anything. Quarantined: the
 * book has no price for something that was used; booked at the dearest price, so that an unknown model is never free
 * ("denial of wallet"), and corrected when a price is published.
 * @param known versions of the models of this batch   @param all versions in force of the whole book
 */
export function decidePrice(call: PricedCall, known: PriceVersion[], all: () => PriceVersion[]): PriceDecision {
  const counted = hasCounts(call.counts)
  if (call.cacheHit || (call.status === "failure" && !counted)) return { status: "free", costNano: 0, priceId: "" }
  const version = versionInForce(known, call.model, call.provider, call.timestampMs)
  const uncounted = !counted && (call.kind === "speech" || call.kind === "transcription")
  if (version && !uncounted) {
    const bill = priceCounts(call.counts, version.rates)
    if ("costNano" in bill) return { status: "priced", costNano: bill.costNano, priceId: version.id }
    return quarantine(call, all(), `the price of ${version.model} has no rate for ${bill.missing}`)
  }
  if (uncounted) return quarantine(call, all(), `a ${call.kind} call without any counts cannot be priced`)
  return quarantine(call, all(), `the price book has no price for ${call.model}`)
}

function quarantine(call: PricedCall, all: PriceVersion[], reason: string): PriceDecision {
  if (!hasCounts(call.counts)) return { status: "quarantined", costNano: 0, priceId: "", reason }
  const bill = priceCounts(call.counts, dearestRates(all, call.provider, inputTokens(call.counts)))
  // A class that nobody in that provider's book prices: the whole book's dearest is the next best bound.
  const fallback = "costNano" in bill ? bill : priceCounts(call.counts, dearestRates(all, "", inputTokens(call.counts)))
  return { status: "quarantined", costNano: "costNano" in fallback ? fallback.costNano : 0, priceId: "", reason }
}
