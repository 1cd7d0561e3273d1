/**
 * What calls must cost, worked out from the published US dollar prices with nothing of the product's code:
 * the test's own second opinion on prices, exchange rate, markup, token classes and rounding.
 */

/** USD per million tokens, as the provider publishes them. */
interface UsdRates {
  input: string
  cache_read?: string
  cache_write?: string
  cache_write_1h?: string
  output?: string
}

interface PriceEntry {
  model: string
  provider: string
  kind: "chat" | "embedding"
  usd: UsdRates
}

/** Disjoint classes: a token is counted in one of them. */
export interface TokenClasses {
  uncached: number
  cacheRead: number
  /** For five minutes. */
  cacheWrite?: number
  cacheWriteHour?: number
  output: number
}

/** Published by the test, in the format of the price book's seed. */
export const PRICES: PriceEntry[] = [
  { model: "gpt-4o-mini", provider: "openai", kind: "chat", usd: { input: "0.15", cache_read: "0.075", output: "0.60" } },
  { model: "gpt-4o", provider: "openai", kind: "chat", usd: { input: "2.50", cache_read: "1.25", output: "10.00" } },
  { model: "text-embedding-3-small", provider: "openai", kind: "embedding", usd: { input: "0.02" } },
  {
    ...{ model: "claude-haiku-4-5", provider: "anthropic", kind: "chat" },
    usd: { input: "1", cache_read: "0.1", cache_write: "1.25", cache_write_1h: "2", output: "5" },
  },
]

const USD_EUR_MICRO = 920_000n // 1 USD = 0.920000 EUR
const MARKUP_BASIS_POINTS = 2_000n // 20 % on top

/** Nano-EUR for one call; rounded once, at the end, half to even. */
export function expectedCostNano(model: string, tokens: TokenClasses): bigint {
  const usd = PRICES.find((entry) => entry.model === model)?.usd
  if (usd === undefined) throw new Error(`the test publishes no price for ${model}`)
  const nanoTimesMillion =
    BigInt(tokens.uncached) * sellRate(usd.input) +
    BigInt(tokens.cacheRead) * sellRate(usd.cache_read ?? usd.input) +
    BigInt(tokens.cacheWrite ?? 0) * sellRate(usd.cache_write ?? usd.input) +
    BigInt(tokens.cacheWriteHour ?? 0) * sellRate(usd.cache_write_1h ?? usd.input) +
    BigInt(tokens.output) * sellRate(usd.output ?? "0")
  return halfEven(nanoTimesMillion, 1_000_000n)
}

/** USD per million tokens → nano-EUR per million tokens as sold. */
function sellRate(usdPerMillion: string): bigint {
  const [whole = "0", fraction = ""] = usdPerMillion.split(".")
  const nanoUsd = BigInt(whole + fraction.padEnd(9, "0"))
  return halfEven(nanoUsd * USD_EUR_MICRO * (10_000n + MARKUP_BASIS_POINTS), 1_000_000n * 10_000n)
}

function halfEven(numerator: bigint, denominator: bigint): bigint {
  const floor = numerator / denominator
  const twiceRest = (numerator % denominator) * 2n
  const up = twiceRest > denominator || (twiceRest === denominator && floor % 2n === 1n)
  return up ? floor + 1n : floor
}
