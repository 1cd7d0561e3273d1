/** When a budget runs out, as a range: a single date would be false precision. Informational; decides nothing. */

export interface Forecast {
  /** "no_usage", "too_early" (fewer than 5 days of data), "lasts" (not before the reset) or "runs_out". */
  status: "no_usage" | "too_early" | "lasts" | "runs_out"
  earliest: string | null
  latest: string | null
  days_of_data: number
}

const DAY_MS = 86_400_000
const MIN_DAYS = 5

/** @param dailyNano cost of each past day, days without usage included, oldest first */
export function forecastRunOut(remainingNano: number, dailyNano: number[], nowMs: number, resetsAtMs: number): Forecast {
  const days = dailyNano.length
  const none = { earliest: null, latest: null, days_of_data: days }
  const mean = days === 0 ? 0 : dailyNano.reduce((a, b) => a + b, 0) / days
  if (mean <= 0) return { status: "no_usage", ...none }
  if (days < MIN_DAYS) return { status: "too_early", ...none }
  const variance = dailyNano.reduce((sum, x) => sum + (x - mean) ** 2, 0) / days
  const spread = 1.28 * Math.sqrt(variance / days)
  const at = (perDay: number) => nowMs + Math.max(0, remainingNano / perDay) * DAY_MS
  const earliestMs = at(mean + spread)
  if (earliestMs >= resetsAtMs) return { status: "lasts", ...none }
  const latestMs = mean - spread > 0 ? Math.min(resetsAtMs, at(mean - spread)) : resetsAtMs
  return { status: "runs_out", earliest: iso(earliestMs), latest: iso(latestMs), days_of_data: days }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
