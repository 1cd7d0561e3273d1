/** Usage of a closed period: it keeps its period, eats what expired there, and only the excess is charged to today's money. */
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
  send,
  sumsByKind,
  usageEvent,
  type WireEvent,
} from "../faults/books"
import { type Platform, startPlatform, type Tenant } from "../support/platform"

const [OCTOBER, NOVEMBER, DECEMBER] = ["2026-10-01", "2026-11-01", "2026-12-01"]
const MANY = 54_347_827 // tokens, about 60 EUR

let platform: Platform
let tenant: Tenant
let userId: string
let other: string
const late: WireEvent[] = []

beforeAll(async () => {
  platform = await startPlatform({ clock: "2026-11-10T12:00:00Z" })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  const product = await platform.createProduct({ budget_included: 50 })
  userId = (await platform.createUser({ tenant_id: tenant.id, product_id: product.id })).id
  other = (await platform.createUser({ tenant_id: tenant.id, product_id: product.id })).id
  await adjust(platform, budgetOf(platform, tenant.id).id, "20")
  await platform.restart({ clock: "2026-12-05T12:00:00Z" })
  await send(platform, tenant, [usageEvent("now", userId, 1_000, Date.parse("2026-12-05T12:00:00Z"))])
})
afterAll(() => platform.stop())

const money = () => budgetOf(platform, tenant.id)
const limit = () => budgetOf(platform, tenant.id, userId)

async function sendLate(id: string, who: string, tokens: number, at = "2026-11-20T12:00:00Z"): Promise<WireEvent> {
  const event = usageEvent(id, who, tokens, Date.parse(at))
  const [result] = await send(platform, tenant, [event])
  expect(result.verdict).toBe("accepted")
  late.push(event)
  return event
}

test("it keeps the period of its time, whatever the present one is", async () => {
  await sendLate("small", userId, 1_000)
  expect(platform.sql("SELECT period_key, cost_nano FROM usage_logs WHERE event_id = 'small'")).toEqual([
    { period_key: NOVEMBER, cost_nano: 1_104_000 },
  ])
})

test("as long as something expired there, today's budgets do not change", async () => {
  const before = budgetsOf(platform, tenant.id)
  await sendLate("covered", userId, 1_000_000)
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
  expect(sumsByKind(ledgerOf(platform, money().id, NOVEMBER))).toMatchObject({
    expiry: costOf(late) - 100 * EUR,
    carry_over: -20 * EUR,
  })
})

test("the user's limit is exhausted before the tenant's money: its excess is forgiven, the tenant pays from what expired", async () => {
  const before = budgetsOf(platform, tenant.id)
  await sendLate("over the limit", userId, MANY)
  const excess = costOf(late) - 50 * EUR
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
  expect(sumsByKind(ledgerOf(platform, limit().id, NOVEMBER))).toEqual({ reset: 50 * EUR, expiry: 0, late_usage: excess })
  expect(sumsByKind(ledgerOf(platform, money().id, NOVEMBER))).toMatchObject({ expiry: costOf(late) - 100 * EUR })
})

test("the excess over all that expired is charged to the tenant's current period, once, and to nobody's limit", async () => {
  const before = { money: money(), other: budgetOf(platform, tenant.id, other) }
  const event = await sendLate("over everything", other, MANY)
  const excess = costOf(late) - 100 * EUR
  expect(money()).toMatchObject({ total_nano: before.money.total_nano - excess, used_nano: before.money.used_nano })
  expect(sumsByKind(ledgerOf(platform, money().id, DECEMBER))).toMatchObject({ late_usage: -excess })
  expect(budgetOf(platform, tenant.id, other)).toEqual(before.other)
  expect(await send(platform, tenant, [event])).toMatchObject([{ verdict: "duplicate" }])
  expect(money().total_nano).toBe(before.money.total_nano - excess)
})

test("usage from before the tenant's first period is charged in full: nothing can have expired there", async () => {
  const before = money().total_nano
  const event = await sendLate("before the beginning", "", 1_000_000, "2026-10-20T12:00:00Z")
  expect(platform.sql("SELECT period_key FROM usage_logs WHERE event_id = 'before the beginning'")).toEqual([
    { period_key: OCTOBER },
  ])
  expect(money().total_nano).toBe(before - costOf([event]))
})

test("one batch with usage of three periods books each event in its own", async () => {
  const before = money()
  const batch = ["2026-10-25T12:00:00Z", "2026-11-25T12:00:00Z", "2026-12-04T12:00:00Z"].map((at, i) =>
    usageEvent(`mixed-${i}`, userId, 10_000, Date.parse(at)),
  )
  await send(platform, tenant, batch)
  expect(platform.sql("SELECT period_key FROM usage_logs WHERE event_id LIKE 'mixed-%' ORDER BY event_id")).toEqual(
    [OCTOBER, NOVEMBER, DECEMBER].map((period_key) => ({ period_key })),
  )
  const each = costOf(batch.slice(0, 1))
  expect(money()).toMatchObject({ total_nano: before.total_nano - 2 * each, used_nano: before.used_nano + each })
})

test("the books are sound", () => expectSoundBooks(platform))
