import { describe, expect, it } from "vitest"
import { afterFailure, MAX_ATTEMPTS } from "./retry-schedule"

const NOW = Date.parse("2026-11-23T10:00:00Z")
const waitS = (attempts: number) => {
  const next = afterFailure(attempts, NOW)
  return next.step === "retry" ? (next.atMs - NOW) / 1000 : next.step
}

describe("after a failed delivery", () => {
  it.each([
    [1, 30],
    [2, 60],
    [3, 120],
    [10, 15_360],
    [11, 21_600],
    [MAX_ATTEMPTS - 1, 21_600],
    [MAX_ATTEMPTS, "give_up"],
    [MAX_ATTEMPTS + 1, "give_up"],
  ])("attempt %i is followed after %s seconds", (attempts, wait) => expect(waitS(attempts)).toBe(wait))

  it("a receiver that is away for a weekend still gets its message", () => {
    let total = 0
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) total += Number(waitS(attempt))
    expect(total).toBeGreaterThan(60 * 3600)
  })
})
