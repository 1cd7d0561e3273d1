/** F5: the reset sweep four times in parallel with deductions across the tenant's midnight, and usage that arrives after it. */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import {
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
  type WireEvent,
} from "./books"

/** Berlin's midnight of 1 December 2026. */
const MIDNIGHT = Date.parse("2026-11-30T23:00:00Z")
const [OLD, NEW] = ["2026-11-01", "2026-12-01"]
const CONNECTIONS = 8

let platform: Platform
let tenant: Tenant
let users: string[]
let offset = 0
const sent: WireEvent[] = []
const serverNow = () => Date.now() + offset

beforeAll(async () => {
  platform = await startPlatform({ clock: "2026-11-30T12:00:00Z" })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  const product = await platform.createProduct({ budget_included: 50 })
  const make = async () => (await platform.createUser({ tenant_id: tenant.id, product_id: product.id })).id
  users = [await make(), await make()]
  offset = MIDNIGHT - 3_000 - Date.now()
  await platform.restart({ env: { CF_CLOCK_OFFSET_MS: String(offset) } })
})
afterAll(() => platform.stop())

async function sendAcrossMidnight(connection: number): Promise<void> {
  for (let n = 0; serverNow() < MIDNIGHT + 1_500; n++) {
    // A call's timestamp is its start: some of those that arrive after midnight began before it.
    const events = [0, 40, 1_200].map((ago, i) =>
      usageEvent(`race-${connection}-${n}-${i}`, users[(connection + n) % 2] as string, 100 + n, serverNow() - ago),
    )
    sent.push(...events)
    for (const result of await send(platform, tenant, events)) expect(result.verdict).toBe("accepted")
  }
}

async function sweepAcrossMidnight(): Promise<void> {
  while (serverNow() < MIDNIGHT + 1_500) {
    await Promise.all(Array.from({ length: 4 }, () => runCron(platform, "reset-due-budgets")))
    await sleep(20)
  }
}

/** The tenant's money was opened with the first seat; the second one was granted on top, on the same day in full. */
const allowanceIn = (period: string, scope: string) =>
  scope === "tenant" ? (period === OLD ? { reset: 50 * EUR, grant: 50 * EUR } : { reset: 100 * EUR }) : { reset: 50 * EUR }
const periodOf = (event: WireEvent) => (Date.parse(event.timestamp) < MIDNIGHT ? OLD : NEW)
const costIn = (period: string, userId?: string) =>
  costOf(sent.filter((event) => periodOf(event) === period && (userId === undefined || event.user_id === userId)))

test("each budget is reset exactly once, however many sweeps and deductions race", async () => {
  await Promise.all([...Array.from({ length: CONNECTIONS }, (_, i) => sendAcrossMidnight(i)), sweepAcrossMidnight()])
  const budgets = budgetsOf(platform, tenant.id)
  expect(budgets.map((row) => [row.scope, row.period_key])).toEqual([
    ["tenant", NEW],
    ["user", NEW],
    ["user", NEW],
  ])
  for (const budget of budgets) {
    const resets = ledgerOf(platform, budget.id).filter((entry) => entry.kind === "reset")
    expect(resets.map((entry) => entry.period_key)).toEqual([OLD, NEW])
  }
})

test("each event is in the period of its timestamp, and each period's account is exact", () => {
  const stored = platform.sql<{ event_id: string; period_key: string }>("SELECT event_id, period_key FROM usage_logs")
  expect(new Map(stored.map((row) => [row.event_id, row.period_key]))).toEqual(
    new Map(sent.map((event) => [event.event_id, periodOf(event)])),
  )
  for (const budget of budgetsOf(platform, tenant.id)) {
    const userId = budget.user_id || undefined
    const allowance = (userId === undefined ? 2 : 1) * 50 * EUR
    expect(budget.used_nano).toBe(costIn(NEW, userId))
    const expiry = costIn(OLD, userId) - allowance
    expect(sumsByKind(ledgerOf(platform, budget.id, OLD))).toEqual({ ...allowanceIn(OLD, budget.scope), expiry })
    expect(sumsByKind(ledgerOf(platform, budget.id, NEW))).toEqual(allowanceIn(NEW, budget.scope))
    expect(budget.total_nano).toBe(allowance)
  }
})

test("usage of the old period that arrives after the reset eats what expired there and leaves the new period alone", async () => {
  const [user] = users as [string]
  const before = budgetsOf(platform, tenant.id)
  const late = usageEvent("late-covered", user, 1_000_000, MIDNIGHT - 60_000)
  sent.push(late)
  await send(platform, tenant, [late])
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
  expect(platform.sql("SELECT period_key FROM usage_logs WHERE event_id = 'late-covered'")).toEqual([{ period_key: OLD }])
  for (const budget of [budgetOf(platform, tenant.id), budgetOf(platform, tenant.id, user)]) {
    const allowance = (budget.scope === "tenant" ? 2 : 1) * 50 * EUR
    const expiry = costIn(OLD, budget.user_id || undefined) - allowance
    expect(sumsByKind(ledgerOf(platform, budget.id, OLD))).toEqual({ ...allowanceIn(OLD, budget.scope), expiry })
  }
})

test("what exceeds the expired allowance is charged to the tenant's current period and forgiven on the user's limit", async () => {
  const [user] = users as [string]
  const own = budgetOf(platform, tenant.id, user)
  const money = budgetOf(platform, tenant.id)
  const late = usageEvent("late-excess", user, 200_000_000, MIDNIGHT - 30_000)
  sent.push(late)
  await send(platform, tenant, [late])
  const excess = { tenant: costIn(OLD) - 100 * EUR, user: costIn(OLD, user) - 50 * EUR }
  expect(excess.tenant).toBeGreaterThan(0)

  expect(sumsByKind(ledgerOf(platform, money.id, OLD))).toEqual({
    ...allowanceIn(OLD, "tenant"),
    expiry: 0,
    late_usage: excess.tenant,
  })
  expect(sumsByKind(ledgerOf(platform, money.id, NEW))).toEqual({ reset: 100 * EUR, late_usage: -excess.tenant })
  expect(budgetOf(platform, tenant.id)).toMatchObject({
    total_nano: money.total_nano - excess.tenant,
    used_nano: money.used_nano,
  })

  expect(sumsByKind(ledgerOf(platform, own.id, OLD))).toEqual({ reset: 50 * EUR, expiry: 0, late_usage: excess.user })
  expect(sumsByKind(ledgerOf(platform, own.id, NEW))).toEqual({ reset: 50 * EUR })
  expect(budgetOf(platform, tenant.id, user)).toMatchObject({ total_nano: own.total_nano, used_nano: own.used_nano })
})

test("sending the late usage again changes nothing", async () => {
  const before = budgetsOf(platform, tenant.id)
  for (const result of await send(platform, tenant, sent.slice(-2))) expect(result.verdict).toBe("duplicate")
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
})

test("the books are sound", () => expectSoundBooks(platform))
