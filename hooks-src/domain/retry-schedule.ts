/** When a delivery that failed is tried again. */

const FIRST_WAIT_MS = 30_000
const LONGEST_WAIT_MS = 6 * 3_600_000

/** After so many attempts, about two and a half days, a message is given up: somebody must look at it. */
export const MAX_ATTEMPTS = 20

export type NextStep = { step: "retry"; atMs: number } | { step: "give_up" }

/** `attempts` counts the failed one (≥ 1): 30 s, 1 min, 2 min … up to 6 h between two attempts. */
export function afterFailure(attempts: number, nowMs: number): NextStep {
  if (attempts >= MAX_ATTEMPTS) return { step: "give_up" }
  return { step: "retry", atMs: nowMs + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1)) }
}
