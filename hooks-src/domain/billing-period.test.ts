import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { periodAfter, periodAt } from "./billing-period"

/** Local midnight by Intl: an implementation that shares nothing with the host's. */
function midnightIn(timeZone: string) {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  })
  return (date: string) => {
    const utc = Date.parse(`${date}T00:00:00Z`)
    for (let ms = utc - 14 * 3_600_000; ms <= utc + 14 * 3_600_000; ms += 900_000) {
      const [day, time] = format.format(ms).split(", ")
      if (day === date && time === "00:00") return ms
    }
    throw new Error(`no midnight on ${date}`)
  }
}

const berlin = midnightIn("Europe/Berlin")
const iso = (ms: number) => new Date(ms).toISOString()

describe("the period that holds an instant", () => {
  it.each([
    ["2026-11-23T10:00:00Z", 1, "2026-11-01", "2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z"],
    ["2026-10-31T22:59:59Z", 1, "2026-10-01", "2026-09-30T22:00:00.000Z", "2026-10-31T23:00:00.000Z"],
    ["2026-10-31T23:00:00Z", 1, "2026-11-01", "2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z"],
    ["2026-02-15T12:00:00Z", 31, "2026-01-31", "2026-01-30T23:00:00.000Z", "2026-02-27T23:00:00.000Z"],
    ["2026-02-28T12:00:00Z", 31, "2026-02-28", "2026-02-27T23:00:00.000Z", "2026-03-30T22:00:00.000Z"],
    ["2028-02-29T12:00:00Z", 31, "2028-02-29", "2028-02-28T23:00:00.000Z", "2028-03-30T22:00:00.000Z"],
    ["2026-12-31T23:30:00Z", 1, "2027-01-01", "2026-12-31T23:00:00.000Z", "2027-01-31T23:00:00.000Z"],
    ["2026-03-29T12:00:00Z", 29, "2026-03-29", "2026-03-28T23:00:00.000Z", "2026-04-28T22:00:00.000Z"],
    ["2026-10-25T12:00:00Z", 25, "2026-10-25", "2026-10-24T22:00:00.000Z", "2026-11-24T23:00:00.000Z"],
  ])("%s with anchor %i is %s", (at, anchor, key, start, end) => {
    const period = periodAt(Date.parse(at), anchor, berlin)
    expect([period.key, iso(period.startMs), iso(period.endMs)]).toEqual([key, start, end])
  })

  it.each(["America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago"])(
    "holds its instant and joins the next without a gap in %s",
    (zone) => {
      const midnight = midnightIn(zone)
      fc.assert(
        fc.property(
          fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2029, 0, 1) }),
          fc.integer({ min: 0, max: 31 }),
          (at, anchor) => {
            const period = periodAt(at, anchor, midnight)
            expect(period.startMs <= at && at < period.endMs).toBe(true)
            expect(periodAt(period.startMs - 1, anchor, midnight).endMs).toBe(period.startMs)
            expect(periodAfter(period, anchor, midnight).startMs).toBe(period.endMs)
          },
        ),
        { numRuns: 40 },
      )
    },
  )
})
