/** F6: monthly resets in different zones, over short months and both DST nights: one each, at the right local midnight. */
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetsOf, expectSoundBooks, ledgerOf, PRICE, runCron, waitUntil } from "./books"

/** Name, zone, anchor day, the local dates on which periods must begin. In 2027 Berlin's clock moves on 28 March and 31 October. */
const CASES: [string, string, number, string[]][] = [
  ["Berlin, on the 1st", "Europe/Berlin", 1, ["2027-02-01"]],
  ["Berlin, on the 31st: the last day of shorter months", "Europe/Berlin", 31, ["2027-01-31", "2027-02-28", "2027-03-31"]],
  ["Berlin, on the 31st in a leap year", "Europe/Berlin", 31, ["2028-02-29"]],
  ["Berlin, on the night that loses an hour", "Europe/Berlin", 28, ["2027-02-28", "2027-03-28"]],
  ["Berlin, on the night that gains an hour, and a month later", "Europe/Berlin", 31, ["2027-10-31", "2027-11-30"]],
  ["New York, west of UTC, on the night that loses an hour", "America/New_York", 14, ["2027-03-14", "2027-04-14"]],
  ["Kathmandu, +05:45", "Asia/Kathmandu", 1, ["2027-02-01"]],
]

/** UTC milliseconds of the first instant of a local date, found by asking Intl: another implementation than the server's. */
function localMidnight(date: string, zone: string): number {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" })
  let [before, after] = [Date.parse(`${date}T00:00:00Z`) - 86_400_000, Date.parse(`${date}T00:00:00Z`) + 86_400_000]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (format.format(middle) >= date) after = middle
    else before = middle
  }
  return after
}

/** The local date on which the period that holds an instant began, and the one on which it ends. */
function expectedPeriod(atMs: number, zone: string, anchor: number): { key: string; resetsAt: string } {
  const dates: string[] = []
  for (let month = 0; month < 40; month++) {
    const last = new Date(Date.UTC(2026, month + 1, 0)).getUTCDate()
    dates.push(new Date(Date.UTC(2026, month, Math.min(anchor, last))).toISOString().slice(0, 10))
  }
  const next = dates.findIndex((date) => localMidnight(date, zone) > atMs)
  const resetsAt = new Date(localMidnight(dates[next] as string, zone)).toISOString().replace("T", " ")
  return { key: dates[next - 1] as string, resetsAt }
}

interface StoredBudget {
  zone: string
  anchor: number
  key: string
  resetsAt: string
  /** period keys of the reset entries, ascending */
  resets: string
}

const BUDGETS = `SELECT t.timezone AS zone, t.anchor_day AS anchor, b.period_key AS key, b.resets_at AS resetsAt,
  (SELECT group_concat(k, ' ') FROM (SELECT period_key AS k FROM ledger_entries l WHERE l.budget_id = b.id AND l.kind = 'reset' ORDER BY k)) AS resets
  FROM budgets b JOIN tenants t ON t.id = b.tenant_id`

let platform: Platform
const tenants = new Map<string, Tenant>()

beforeAll(async () => {
  platform = await startPlatform({ clock: "2027-01-10T12:00:00Z" })
  await platform.publishPrices([PRICE])
  const product = await platform.createProduct()
  for (const [, zone, anchor] of CASES) {
    const name = `${zone} ${anchor}`
    if (tenants.has(name)) continue
    const tenant = await platform.createTenant({ timezone: zone, anchor_day: anchor })
    await platform.createUser({ tenant_id: tenant.id, product_id: product.id })
    tenants.set(name, tenant)
  }
})
afterAll(() => platform.stop())

const INSTANTS = [...new Set(CASES.flatMap(([, zone, , dates]) => dates.map((date) => localMidnight(date, zone))))].sort(
  (a, b) => a - b,
)

test("the test's own midnights are what calendars say", () => {
  expect(new Date(localMidnight("2027-03-28", "Europe/Berlin")).toISOString()).toBe("2027-03-27T23:00:00.000Z")
  expect(new Date(localMidnight("2027-03-29", "Europe/Berlin")).toISOString()).toBe("2027-03-28T22:00:00.000Z")
  expect(new Date(localMidnight("2027-11-14", "America/New_York")).toISOString()).toBe("2027-11-14T05:00:00.000Z")
})

describe.each(INSTANTS.map((ms) => [new Date(ms).toISOString(), ms] as const))("around %s", (_, midnight) => {
  test.each([
    ["still in the old period two minutes before", -120_000],
    ["in the new period right after", 500],
  ] as const)("%s", async (_name, distance) => {
    const now = midnight + distance
    await platform.restart({ clock: new Date(now).toISOString() })
    await runCron(platform, "reset-due-budgets")
    const due = "SELECT 1 FROM budgets WHERE resets_at <= ?"
    await waitUntil("no budget is due", () => platform.sql(due, [new Date(now).toISOString().replace("T", " ")]).length === 0)
    const budgets = platform.sql<StoredBudget>(BUDGETS)
    expect(budgets.length).toBe(2 * tenants.size)
    for (const { zone, anchor, resets, ...stored } of budgets) {
      const expected = expectedPeriod(now, zone, anchor)
      const keys = resets.split(" ")
      expect({ zone, anchor, ...stored, newest: keys.at(-1) }).toEqual({ zone, anchor, ...expected, newest: expected.key })
      expect(new Set(keys).size, `${zone} ${anchor}: ${resets}`).toBe(keys.length)
    }
  })
})

test.each(CASES)("%s: every date began a period, exactly once", (_, zone, anchor, dates) => {
  const tenant = tenants.get(`${zone} ${anchor}`) as Tenant
  for (const budget of budgetsOf(platform, tenant.id)) {
    const resets = ledgerOf(platform, budget.id)
      .filter((entry) => entry.kind === "reset")
      .map((entry) => entry.period_key)
    expect(resets.filter((key) => dates.includes(key)).sort()).toEqual(dates)
  }
})

test("the books are sound", () => expectSoundBooks(platform))
