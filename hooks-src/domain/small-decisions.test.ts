import { describe, expect, it } from "vitest"
import { forecastRunOut } from "./forecast"
import { advanceCursor } from "./ingest-cursor"
import { upgradeGrantNano } from "./seat-change"

const DAY = 86_400_000

describe("the ingest cursor", () => {
  const at = (...seqs: number[]) =>
    seqs.reduce<ReturnType<typeof advanceCursor> | null>((cursor, seq) => advanceCursor(cursor, "e", seq), null)
  it.each<[number[], number, [number, number][]]>([
    [[1], 2, []],
    [[0], 1, []],
    [[1, 2, 3], 4, []],
    [[1, 4], 5, [[2, 3]]],
    [
      [1, 6, 3],
      7,
      [
        [2, 2],
        [4, 5],
      ],
    ],
    [[1, 6, 2], 7, [[3, 5]]],
    [[1, 6, 5], 7, [[2, 4]]],
    [[1, 3, 2], 4, []],
    [[1, 3, 1], 4, [[2, 2]]],
    [[5], 6, [[1, 4]]],
  ])("after %j expects %i next and misses %j", (seqs, nextSeq, gaps) =>
    expect(at(...seqs)).toEqual({ epoch: "e", nextSeq, gaps }),
  )
  it("starts afresh in another epoch", () =>
    expect(advanceCursor(at(1, 9), "f", 1)).toEqual({ epoch: "f", nextSeq: 2, gaps: [] }))
})

describe("a seat that gets dearer", () => {
  const change = { beforeNano: 20, afterNano: 50, nowMs: 0, coversFromMs: 0, endMs: 30 * DAY }
  it.each([
    ["on the first day: all of the difference", {}, 30],
    ["in the middle: half", { nowMs: 15 * DAY }, 15],
    ["on the last day: one day of it", { nowMs: 29.5 * DAY }, 1],
    ["a part of a day counts as a day", { nowMs: 14.5 * DAY }, 16],
    ["cheaper: nothing now", { afterNano: 10 }, 0],
    ["the same: nothing", { afterNano: 20 }, 0],
    ["in a budget opened late: its share of what is left then", { coversFromMs: 20 * DAY, nowMs: 20 * DAY }, 30],
    ["after the end: nothing", { nowMs: 31 * DAY }, 0],
  ])("%s", (_, over, expected) => expect(upgradeGrantNano({ ...change, ...over })).toBe(expected))
})

describe("the forecast is a range", () => {
  const now = Date.parse("2026-11-10T00:00:00Z")
  const reset = now + 20 * DAY
  it("says so when there is no usage or too little history", () => {
    expect(forecastRunOut(100, [], now, reset).status).toBe("no_usage")
    expect(forecastRunOut(100, [0, 0, 0, 0, 0], now, reset).status).toBe("no_usage")
    expect(forecastRunOut(100, [1, 2], now, reset)).toMatchObject({ status: "too_early", days_of_data: 2 })
  })
  it("holds the day on which a steady user runs out", () => {
    const forecast = forecastRunOut(50, [10, 12, 8, 10, 11, 9], now, reset)
    expect(forecast.status).toBe("runs_out")
    const truth = now + 5 * DAY
    expect(Date.parse(forecast.earliest as string)).toBeLessThanOrEqual(truth)
    expect(Date.parse(forecast.latest as string)).toBeGreaterThanOrEqual(truth)
  })
  it("ends at the reset when usage is erratic, and knows when it lasts", () => {
    expect(forecastRunOut(50, [60, 0, 0, 0, 0, 0, 0], now, reset).latest).toBe(new Date(reset).toISOString())
    expect(forecastRunOut(1_000_000, [10, 10, 10, 10, 10], now, reset).status).toBe("lasts")
  })
})
