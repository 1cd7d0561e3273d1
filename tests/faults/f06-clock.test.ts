/** F6: the server sleeps over the boundary, wakes 40 days later, or its clock goes back. One reset each, and the right amounts. */
import { afterEach, beforeEach, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import {
  adjust,
  budgetOf,
  budgetsOf,
  costOf,
  EUR,
  expectSoundBooks,
  ledgerOf,
  NANO_PER_TOKEN,
  PRICE,
  runCron,
  send,
  sumsByKind,
  usageEvent,
  waitUntil,
} from "./books"

const START = "2026-11-10T12:00:00Z"
const [NOVEMBER, DECEMBER, JANUARY] = ["2026-11-01", "2026-12-01", "2027-01-01"]
/** 100 EUR of tokens, less what does not divide. */
const HUNDRED_EUR = Math.floor((100 * EUR) / NANO_PER_TOKEN)

let platform: Platform
let tenant: Tenant
let userId: string

beforeEach(async () => {
  platform = await startPlatform({ clock: START })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  userId = (
    await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct({ budget_included: 50 })).id })
  ).id
})
afterEach(async () => {
  await expectSoundBooks(platform)
  await platform.stop()
})

const money = () => budgetOf(platform, tenant.id)
const limit = () => budgetOf(platform, tenant.id, userId)
const use = (id: string, tokens: number, at: string) => send(platform, tenant, [usageEvent(id, userId, tokens, Date.parse(at))])
const resetsOf = (budgetId: string) =>
  ledgerOf(platform, budgetId)
    .filter((entry) => entry.kind === "reset")
    .map((entry) => entry.period_key)

async function wakeAt(clock: string): Promise<void> {
  await platform.restart({ clock })
}

type Touch = [string, (at: string) => Promise<unknown>]
const TOUCHES: Touch[] = [
  [
    "the sweep",
    async () => {
      await runCron(platform, "reset-due-budgets")
      await waitUntil("the sweep has run", () => money().period_key !== NOVEMBER)
    },
  ],
  ["the first usage", (at) => use("first", 0, at)],
  [
    "a look at the budget",
    async () => {
      const user = platform.sql<{ email: string }>("SELECT email FROM users WHERE id = ?", [userId])[0] as { email: string }
      await platform.request("GET", "/api/budget", { token: await platform.tokenOf({ ...user, password: "a-long-password" }) })
    },
  ],
]

test.each(TOUCHES)("down over the boundary: %s resets once; unused allowance expires, credit is carried", async (_, touch) => {
  await adjust(platform, money().id, "10")
  await use("november", 1_000_000, START)
  const cost = 1_000_000 * NANO_PER_TOKEN
  await wakeAt("2026-12-03T08:00:00Z")
  await touch("2026-12-03T08:00:00Z")
  await touch("2026-12-03T08:00:00Z")
  expect(money()).toMatchObject({
    period_key: DECEMBER,
    total_nano: 60 * EUR,
    used_nano: 0,
    resets_at: "2026-12-31 23:00:00.000Z",
  })
  expect(limit()).toMatchObject({ period_key: DECEMBER, total_nano: 50 * EUR, used_nano: 0 })
  expect(resetsOf(money().id)).toEqual([NOVEMBER, DECEMBER])
  expect(resetsOf(limit().id)).toEqual([NOVEMBER, DECEMBER])
  expect(sumsByKind(ledgerOf(platform, money().id, NOVEMBER))).toEqual({
    reset: 50 * EUR,
    adjustment: 10 * EUR,
    expiry: cost - 50 * EUR,
    carry_over: -10 * EUR,
  })
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toEqual({ reset: 50 * EUR, carry_over: 10 * EUR })
})

test("credit that is partly used is carried in part; the allowance goes first", async () => {
  await adjust(platform, money().id, "60")
  const events = [usageEvent("much", userId, HUNDRED_EUR, Date.parse(START))]
  await send(platform, tenant, events)
  await wakeAt("2026-12-03T08:00:00Z")
  await use("touch", 0, "2026-12-03T08:00:00Z")
  expect(money()).toMatchObject({ total_nano: 50 * EUR + (110 * EUR - costOf(events)), used_nano: 0 })
})

test("an overrun is owed by the tenant in the next period and forgiven on the user's limit", async () => {
  const events = [usageEvent("too-much", userId, HUNDRED_EUR, Date.parse(START))]
  await send(platform, tenant, events)
  const overrun = costOf(events) - 50 * EUR
  await wakeAt("2026-12-03T08:00:00Z")
  await use("touch", 0, "2026-12-03T08:00:00Z")
  expect(money()).toMatchObject({ total_nano: 50 * EUR - overrun, used_nano: 0 })
  expect(limit()).toMatchObject({ total_nano: 50 * EUR, used_nano: 0 })
  expect(sumsByKind(ledgerOf(platform, money().id, NOVEMBER))).toEqual({ reset: 50 * EUR, carry_over: overrun })
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toEqual({ reset: 50 * EUR, carry_over: -overrun })
  expect(sumsByKind(ledgerOf(platform, limit().id, NOVEMBER))).toEqual({ reset: 50 * EUR, adjustment: overrun })
})

test("40 days later, over two boundaries, there is one reset of each period and usage finds its period", async () => {
  await adjust(platform, money().id, "10")
  await wakeAt("2027-01-02T08:00:00Z")
  await Promise.all(
    Array.from({ length: 4 }, (_, i) => use(`wake-${i}`, 1_000, i % 2 === 0 ? "2026-12-15T08:00:00Z" : "2027-01-02T07:59:00Z")),
  )
  for (const budget of budgetsOf(platform, tenant.id)) expect(resetsOf(budget.id)).toEqual([NOVEMBER, DECEMBER, JANUARY])
  expect(money()).toMatchObject({ period_key: JANUARY, total_nano: 60 * EUR, used_nano: 2_000 * NANO_PER_TOKEN })
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toEqual({
    reset: 50 * EUR,
    carry_over: 0,
    expiry: 2_000 * NANO_PER_TOKEN - 50 * EUR,
  })
})

test("a year of sleep does not replay what nobody can ask about any more, and still resets once", async () => {
  await adjust(platform, money().id, "10")
  await wakeAt("2027-11-15T08:00:00Z")
  await use("late-riser", 1_000, "2027-11-15T08:00:00Z")
  expect(money()).toMatchObject({ period_key: "2027-11-01", total_nano: 60 * EUR, used_nano: 1_000 * NANO_PER_TOKEN })
  expect(resetsOf(money().id)).toEqual([NOVEMBER, "2027-09-01", "2027-10-01", "2027-11-01"])
})

test("a clock that goes back two hours after the reset resets nothing again; usage stays in the period of its time", async () => {
  await wakeAt("2026-11-30T23:30:00Z")
  await use("after-midnight", 1_000, "2026-11-30T23:20:00Z")
  const before = budgetsOf(platform, tenant.id)
  await wakeAt("2026-11-30T21:30:00Z")
  await runCron(platform, "reset-due-budgets")
  await use("before-midnight", 3_000, "2026-11-30T21:29:00Z")
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
  expect(platform.sql("SELECT period_key FROM usage_logs WHERE event_id = 'before-midnight'")).toEqual([{ period_key: NOVEMBER }])
  await wakeAt("2026-11-30T23:40:00Z")
  await use("again-after-midnight", 1_000, "2026-11-30T23:35:00Z")
  expect(money()).toMatchObject({ period_key: DECEMBER, used_nano: 2_000 * NANO_PER_TOKEN })
  for (const budget of before) expect(resetsOf(budget.id)).toEqual([NOVEMBER, DECEMBER])
})
