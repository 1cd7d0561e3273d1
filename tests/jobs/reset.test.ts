/** The reset sweep and credit that expires: what an operator sees after the cron ran. */
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  adjust,
  budgetOf,
  budgetsOf,
  costOf,
  EUR,
  expectSoundBooks,
  ledgerOf,
  PRICE,
  runCron,
  send,
  sumsByKind,
  usageEvent,
  waitUntil,
} from "../faults/books"
import { type Platform, startPlatform, type Tenant } from "../support/platform"

const [NOVEMBER, DECEMBER] = ["2026-11-01", "2026-12-01"]
const HALF_USED = 20_000_000

let platform: Platform
let tenants: Tenant[]
let userId: string

beforeAll(async () => {
  platform = await startPlatform({ clock: "2026-11-10T12:00:00Z" })
  await platform.publishPrices([PRICE])
  const product = await platform.createProduct({ budget_included: 50 })
  tenants = []
  for (let i = 0; i < 5; i++) {
    const tenant = await platform.createTenant()
    const user = await platform.createUser({ tenant_id: tenant.id, product_id: product.id })
    if (i === 0) userId = user.id
    tenants.push(tenant)
  }
})
afterAll(() => platform.stop())

const first = () => tenants[0] as Tenant
const money = () => budgetOf(platform, first().id)
const limit = () => budgetOf(platform, first().id, userId)

async function sweepAt(clock: string): Promise<void> {
  await platform.restart({ clock })
  await runCron(platform, "reset-due-budgets")
  const now = new Date(clock).toISOString().replace("T", " ")
  const due = `SELECT 1 FROM budgets WHERE resets_at <= ? UNION ALL SELECT 1 FROM credit_lots WHERE state = 'open' AND expires_at != '' AND expires_at <= ?`
  await waitUntil("nothing is due", () => platform.sql(due, [now, now]).length === 0)
}

test("credit that expires within the period takes back what is left of it, the earliest first", async () => {
  await adjust(platform, money().id, "10", { expires: "2026-11-15T00:00:00Z" })
  await adjust(platform, money().id, "10", { expires: "2026-12-20T00:00:00Z" })
  const events = [usageEvent("six", userId, 5_434_783, Date.parse("2026-11-10T12:00:00Z"))]
  await send(platform, first(), events)
  await sweepAt("2026-11-16T12:00:00Z")
  const left = 10 * EUR - costOf(events)
  expect(sumsByKind(ledgerOf(platform, money().id, NOVEMBER))).toEqual({ reset: 50 * EUR, adjustment: 20 * EUR, expiry: -left })
  expect(money()).toMatchObject({ total_nano: 70 * EUR - left, used_nano: costOf(events) })
})

test("running the sweep again changes nothing", async () => {
  const before = budgetsOf(platform, first().id)
  await sweepAt("2026-11-16T13:00:00Z")
  await sweepAt("2026-11-16T13:00:00Z")
  expect(budgetsOf(platform, first().id)).toEqual(before)
})

test("usage after that expiry burns the allowance before the credit that lasts longer", async () => {
  await send(platform, first(), [usageEvent("half", userId, HALF_USED, Date.parse("2026-11-16T12:00:00Z"))])
  await sweepAt("2026-12-02T12:00:00Z")
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toEqual({ reset: 50 * EUR, carry_over: 10 * EUR })
  expect(money()).toMatchObject({ period_key: DECEMBER, total_nano: 60 * EUR, used_nano: 0 })
})

test("a raise of a limit ends with its period, unless it was given for longer", async () => {
  await adjust(platform, limit().id, "5")
  await adjust(platform, limit().id, "7", { expires: "never" })
  await sweepAt("2027-01-02T12:00:00Z")
  expect(limit()).toMatchObject({ total_nano: 57 * EUR, used_nano: 0 })
})

test("carried credit that expires in the next period is taken back there; what was closed stays closed", async () => {
  // The 10 EUR until 20 December were carried into December and expired there, while nobody looked.
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toEqual({
    reset: 50 * EUR,
    carry_over: 10 * EUR,
    expiry: -60 * EUR,
  })
  expect(money()).toMatchObject({ total_nano: 50 * EUR })
})

test("one sweep resets all tenants that are due, each row once", () => {
  for (const tenant of tenants) {
    const budgets = budgetsOf(platform, tenant.id)
    expect(budgets.map((row) => row.period_key)).toEqual(["2027-01-01", "2027-01-01"])
    for (const budget of budgets) {
      const resets = ledgerOf(platform, budget.id).filter((entry) => entry.kind === "reset")
      expect(resets.map((entry) => entry.period_key)).toEqual([NOVEMBER, DECEMBER, "2027-01-01"])
    }
  }
})

test("a debt and credit bought against it meet: the credit pays the debt before it is carried", async () => {
  await adjust(platform, money().id, "30")
  const events = [usageEvent("seventy", userId, 63_405_797, Date.parse("2027-01-02T12:00:00Z"))]
  await send(platform, first(), events)
  await sweepAt("2027-02-02T12:00:00Z")
  expect(money()).toMatchObject({ total_nano: 50 * EUR + (80 * EUR - costOf(events)), used_nano: 0 })
})

test("the books are sound", () => expectSoundBooks(platform))
