/**
 * May a call run, and how much money is held for it? Pure: facts of one moment in, a named verdict out. The use case
 * writes the hold with a statement that checks the same conditions again, so a decision on old facts is never saved.
 */
import { availableOf, type CallRequest, type GateFacts, type HoldDecision, type PricedModel, priceOf } from "./call-facts"
import { affordableCount, type BillLine, billNano } from "./money"
import { type Rates, tokenRatesFor, unitLines } from "./pricing"
import { refuseBudget, refuseIdentity, refuseModel, refuseRate, refuseUnpriced, tightestBudget } from "./refusal"

/** What a product means that names no default: enough for a long answer, little enough to be affordable. */
export const DEFAULT_MAX_TOKENS = 8_192
/** Fewer tokens than this are no answer (OpenAI's Responses API takes no smaller limit): better a clear refusal. */
export const USEFUL_MIN_TOKENS = 16
/** Output tokens of one image of the best quality in the largest format, as OpenAI's guide to gpt-image-1 counts them. */
const IMAGE_OUTPUT_TOKENS = 6_240

/** All conditions, in the order in which a person can do something about them; the first that fails is named. */
export function decideHold(call: CallRequest, facts: GateFacts): HoldDecision {
  return (
    refuseIdentity(facts) ??
    refuseModel(call, facts) ??
    refuseRate(facts) ??
    priceHold(call, facts, priceOf(call, facts) as PricedModel)
  )
}

/** The hold: estimated input and units plus max_tokens at the model's price, cut to what the tightest scope has left. */
function priceHold(call: CallRequest, facts: GateFacts, price: PricedModel): HoldDecision {
  const rates = tokenRatesFor(price.rates, call.tokensInput)
  const fixed = fixedLines(call, price.rates, rates.input)
  if (!fixed) return refuseUnpriced("kind", call, facts)
  const asked = requestedTokens(call, facts, price)
  if (asked > 0 && rates.output === undefined) return refuseUnpriced("output", call, facts)
  const tightest = tightestBudget(facts.budgets)
  const availableNano = availableOf(tightest)
  const outputRate = rates.output ?? 0
  const affordable = affordableCount(availableNano, fixed, outputRate, asked)
  if (affordable < Math.min(asked, USEFUL_MIN_TOKENS)) {
    const neededNano = billNano([...fixed, tokens(Math.min(asked, USEFUL_MIN_TOKENS), outputRate)])
    return refuseBudget(tightest, neededNano, facts)
  }
  const amountNano = billNano([...fixed, tokens(affordable, outputRate)])
  return {
    allowed: true,
    amountNano,
    maxTokens: affordable,
    clamped: affordable < asked,
    availableNano: availableNano - amountNano,
  }
}

/** What the call costs before its first output token; null if the price has no rate for something of it. */
function fixedLines(call: CallRequest, rates: Rates, inputRate: number | undefined): BillLine[] | null {
  const lines: BillLine[] = []
  if (call.tokensInput > 0) {
    if (inputRate === undefined) return null
    lines.push(tokens(call.tokensInput, inputRate))
  }
  // An image that is paid by its output tokens: no limit can be set on them, so the dearest image is held.
  if (call.images > 0 && rates.image === undefined && rates.output !== undefined) {
    lines.push(tokens(call.images * IMAGE_OUTPUT_TOKENS, rates.output))
  }
  if (unitLines(call, rates, lines)) return null
  if (rates.call !== undefined) lines.push({ count: 1, rateNano: rates.call, per: 1 })
  return lines
}

function requestedTokens(call: CallRequest, facts: GateFacts, price: PricedModel): number {
  if (call.maxTokens !== null) return call.maxTokens
  // An embedding, an image, a voice or a transcript has no output tokens that a client could limit.
  if (price.kind !== "chat" && price.kind !== "other") return 0
  const preset = facts.user?.product?.defaultMaxTokens || DEFAULT_MAX_TOKENS
  return price.maxOutputTokens > 0 ? Math.min(preset, price.maxOutputTokens) : preset
}

function tokens(count: number, rateNano: number): BillLine {
  return { count, rateNano, per: 1_000_000 }
}
