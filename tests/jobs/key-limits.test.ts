/** Limits of API keys over the months: each period grants the limit afresh, whatever happened to secret, key or tenant meanwhile. */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  type Budget,
  budgetOf,
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

const [NOVEMBER, DECEMBER, JANUARY, FEBRUARY] = ["2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01"]
type Key = { id: string; budget_id: string }

let platform: Platform
let tenant: Tenant
let userId: string
let serial = 0
beforeAll(async () => {
  platform = await startPlatform({ clock: "2026-11-10T12:00:00Z" })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  const product = await platform.createProduct({ budget_included: 50 })
  userId = (await platform.createUser({ tenant_id: tenant.id, product_id: product.id })).id
})
afterAll(() => platform.stop())

async function post(route: string, body: unknown = {}): Promise<Key> {
  const answer = await platform.asSuperuser("POST", route, body)
  if (answer.status !== 200) throw new Error(`${route} ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const create = (name: string, limit?: string) => post("/api/keys", { name, user_id: userId, ...(limit ? { limit } : {}) })
const budget = (key: Key) => platform.sql<Budget>("SELECT * FROM budgets WHERE id = ?", [key.budget_id])[0]
const entries = (key: Key, period: string) => sumsByKind(ledgerOf(platform, key.budget_id, period))

/** Books a call of one key at a time; answers its cost. */
async function use(key: Key, tokens: number, at: string): Promise<number> {
  const event = { ...usageEvent(`use-${++serial}`, "", tokens, Date.parse(at)), api_key_id: key.id }
  expect((await send(platform, tenant, [event]))[0]).toMatchObject({ verdict: "accepted" })
  return costOf([event])
}

async function resetAt(clock: string, period: string): Promise<void> {
  await platform.restart({ clock })
  await runCron(platform, "reset-due-budgets")
  await waitUntil(
    `all are in ${period}`,
    () => platform.sql("SELECT 1 FROM budgets WHERE period_key != ?", [period]).length === 0,
  )
}

let kept: Key
let rotated: Key
let overrun: Key
let dead: Key
let late: Key

test("in its first month a key uses up its limit and not more than its own", async () => {
  kept = await create("kept", "5")
  rotated = await create("rotated", "5")
  overrun = await create("overrun", "1")
  dead = await create("dead", "5")
  late = await create("limited later")
  const used = await use(kept, 1_000_000, "2026-11-10T11:00:00Z")
  await use(rotated, 2_000_000, "2026-11-10T11:00:00Z")
  await use(overrun, 3_000_000, "2026-11-10T11:00:00Z")
  await use(late, 4_000_000, "2026-11-10T11:00:00Z")
  rotated = await post(`/api/keys/${rotated.id}/rotate`)
  await use(rotated, 500_000, "2026-11-10T11:00:00Z")
  await post(`/api/keys/${dead.id}/revoke`)
  expect(budget(kept)).toMatchObject({ total_nano: 5 * EUR, used_nano: used, period_key: NOVEMBER })
  expect(budget(rotated)).toMatchObject({ used_nano: 2_500_000 * 1_104 })
  await expectSoundBooks(platform)
})

test("the next month grants the limit afresh, once a line of keys; an overrun is forgiven, a revoked key gets nothing", async () => {
  await resetAt("2026-12-02T12:00:00Z", DECEMBER)
  for (const key of [kept, rotated]) {
    expect(budget(key)).toMatchObject({ total_nano: 5 * EUR, used_nano: 0, allowance_nano: 5 * EUR })
    expect(entries(key, DECEMBER)).toEqual({ reset: 5 * EUR })
  }
  expect(entries(rotated, NOVEMBER)).toEqual({ reset: 5 * EUR, expiry: 2_500_000 * 1_104 - 5 * EUR })
  expect(entries(overrun, NOVEMBER)).toEqual({ reset: EUR, adjustment: 3_000_000 * 1_104 - EUR })
  expect(budget(overrun)).toMatchObject({ total_nano: EUR, used_nano: 0 })
  expect(budget(dead)).toMatchObject({ total_nano: 0, used_nano: 0 })
  expect(budgetOf(platform, tenant.id).total_nano).toBe(50 * EUR)
  await expectSoundBooks(platform)
})

test("a first limit counts this month's usage, and last month's books still add up, also with usage that comes late", async () => {
  const used = await use(late, 200_000, "2026-12-02T11:00:00Z")
  late = await post(`/api/keys/${late.id}/update`, { limit: "3" })
  expect(budget(late)).toMatchObject({ total_nano: 3 * EUR, used_nano: used, period_key: DECEMBER })
  expect(entries(late, NOVEMBER)).toEqual({ adjustment: 4_000_000 * 1_104 })
  await expectSoundBooks(platform)
  const more = await use(late, 100_000, "2026-11-20T11:00:00Z")
  expect(entries(late, NOVEMBER)).toEqual({ adjustment: 4_000_000 * 1_104, late_usage: more })
  expect(budget(late)).toMatchObject({ total_nano: 3 * EUR, used_nano: used })
  await expectSoundBooks(platform)
})

/** Starts the server right before the tenant's midnight and waits until it has passed: no sweep has been there yet. */
async function crossInto(midnight: string): Promise<void> {
  const before = Date.parse(midnight) - 2_500
  const startedAt = Date.now()
  await platform.restart({ clock: new Date(before).toISOString() })
  await sleep(Math.max(0, startedAt + 3_000 - Date.now()))
}

test("a limit that is changed when the month is over is granted once, and the next month grants what was changed", async () => {
  await post(`/api/keys/${kept.id}/update`, { limit: "8" })
  await crossInto("2026-12-31T23:00:00Z")
  await post(`/api/keys/${rotated.id}/update`, { limit: "2" })
  expect(budget(rotated)).toMatchObject({ period_key: JANUARY, total_nano: 2 * EUR, allowance_nano: 2 * EUR, used_nano: 0 })
  expect(budget(kept)).toMatchObject({ period_key: JANUARY, total_nano: 8 * EUR, allowance_nano: 8 * EUR, used_nano: 0 })
  await expectSoundBooks(platform)
})

test("a key that is made when the month is over opens its limit in the new one, with its tenant", async () => {
  await crossInto("2027-01-31T23:00:00Z")
  const fresh = await create("opened before the sweep", "1")
  expect(budget(fresh)).toMatchObject({ period_key: FEBRUARY, total_nano: EUR, used_nano: 0 })
  expect(budgetOf(platform, tenant.id).period_key).toBe(FEBRUARY)
  await expectSoundBooks(platform)
})

test("a tenant that is suspended over a reset comes back to the limits of its keys", async () => {
  await platform.superuser.collection("tenants").update(tenant.id, { status: "suspended" })
  await resetAt("2027-03-02T12:00:00Z", "2027-03-01")
  await platform.superuser.collection("tenants").update(tenant.id, { status: "active" })
  expect(budget(kept)).toMatchObject({ total_nano: 8 * EUR, allowance_nano: 8 * EUR })
  await expectSoundBooks(platform)
})
