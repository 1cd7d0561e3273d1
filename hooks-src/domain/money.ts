/**
 * All arithmetic with money. Amounts are integer nano-EUR (1e-9 EUR); a rate is nano-EUR per 1,000,000 units of a token
 * class. Products are made in BigInt, because 1e9 tokens × 1e12 leaves 2^53 far behind, and rounded once, half to even.
 */

const NANO_PER_EUR = 1_000_000_000n
const UNITS_PER_RATE = 1_000_000n
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/

/** numerator ÷ denominator, half to even (banker's rounding, IEEE 754 roundTiesToEven). The denominator is positive. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n
  const n = negative ? -numerator : numerator
  let quotient = n / denominator
  const twice = (n % denominator) * 2n
  if (twice > denominator || (twice === denominator && quotient % 2n === 1n)) quotient += 1n
  return negative ? -quotient : quotient
}

/** A BigInt as a number, or an error: beyond 2^53 a number would lose cents silently. */
export function toSafeNumber(value: bigint): number {
  const result = Number(value)
  if (!Number.isSafeInteger(result)) throw new RangeError(`${value} nano is outside the exact range of ±2^53`)
  return result
}

/** One term of a bill: `count` units at `rate` nano-EUR per `per` units. */
export interface BillLine {
  count: number
  rateNano: number
  /** 1 for a price per piece, 1_000 for milliseconds of a price per second, 1_000_000 for tokens and characters. */
  per: 1 | 1_000 | 1_000_000
}

/** In millionths of a nano-EUR, so that nothing is rounded yet. */
function exactCost(line: BillLine): bigint {
  return BigInt(line.count) * BigInt(line.rateNano) * (UNITS_PER_RATE / BigInt(line.per))
}

/** The sum of all lines in nano-EUR, rounded once at the end. */
export function billNano(lines: BillLine[]): number {
  let total = 0n
  for (const line of lines) total += exactCost(line)
  return toSafeNumber(divideHalfEven(total, UNITS_PER_RATE))
}

/**
 * How many units at a rate can be paid on top of fixed lines: the largest count ≤ `asked` whose bill is ≤ what is
 * available; −1 if not even the fixed lines can be paid. Exact: compared before rounding, and a bill that is at most a
 * whole number of nano-EUR never rounds above it. What costs nothing can always be paid.
 */
export function affordableCount(availableNano: number, fixed: BillLine[], rateNano: number, asked: number): number {
  let left = BigInt(availableNano) * UNITS_PER_RATE
  let free = true
  for (const line of fixed) {
    const cost = exactCost(line)
    if (cost > 0n) free = false
    left -= cost
  }
  if (free && (rateNano === 0 || asked === 0)) return asked
  if (left < 0n) return -1
  if (rateNano === 0) return asked
  const count = left / BigInt(rateNano)
  return count < BigInt(asked) ? Number(count) : asked
}

/** "12.5" → digits scaled to `scale` places, or null if it is no decimal or has more places than that. */
export function parseDecimal(text: string, scale: number): bigint | null {
  const match = DECIMAL.exec(text)
  if (!match) return null
  const fraction = (match[3] ?? "").replace(/0+$/, "")
  if (fraction.length > scale) return null
  const digits = BigInt(match[2] + fraction.padEnd(scale, "0"))
  return match[1] === "-" ? -digits : digits
}

/** "10.5" EUR → 10_500_000_000 nano-EUR; null if it is no decimal with at most nine places. */
export function eurToNano(text: string): number | null {
  const nano = parseDecimal(text, 9)
  return nano === null ? null : toSafeNumber(nano)
}

/** nano-EUR → EUR with nine places, as every amount on the wire is written. */
export function nanoToEur(nano: number | bigint): string {
  const value = BigInt(nano)
  const magnitude = value < 0n ? -value : value
  const fraction = (magnitude % NANO_PER_EUR).toString().padStart(9, "0")
  return `${value < 0n ? "-" : ""}${magnitude / NANO_PER_EUR}.${fraction}`
}

/** An owner's EUR number field → nano-EUR, to the micro-EUR: finer digits of a double are noise. */
export function eurFieldToNano(eur: number): number {
  return toSafeNumber(BigInt(Math.round(eur * 1e6)) * 1_000n)
}

/**
 * Sell rate in nano-EUR from an upstream price in USD: usd × (EUR per USD) × (1 + markup), rounded once.
 * @param usd decimal string with at most 12 places
 * @param usdEurMicro millionths of a EUR that one USD costs
 * @param markupBp basis points on top (2000 = 20 %)
 */
export function sellRateNano(usd: string, usdEurMicro: number, markupBp: number): number | null {
  const pico = parseDecimal(usd, 12)
  if (pico === null || pico < 0n) return null
  const numerator = pico * BigInt(usdEurMicro) * BigInt(10_000 + markupBp)
  return toSafeNumber(divideHalfEven(numerator, 1_000n * 1_000_000n * 10_000n))
}

/** part ÷ whole of an amount, half to even: pro rata by days, partial refunds. */
export function shareNano(amountNano: number, part: number, whole: number): number {
  return toSafeNumber(divideHalfEven(BigInt(amountNano) * BigInt(part), BigInt(whole)))
}
