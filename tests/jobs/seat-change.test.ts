/** Seats: a dearer one is granted its difference now, pro rata by days; a cheaper one waits for the reset; nothing is granted twice. */
import { afterEach, beforeEach, expect, test } from "vitest"
import { budgetOf, EUR, expectSoundBooks, ledgerOf, PRICE, send, sumsByKind, usageEvent } from "../faults/books"
import { type Platform, startPlatform, type Tenant } from "../support/platform"

/** Noon in Berlin on 11 November: of the 30 days, 20 are left, this one included. */
const NOW = "2026-11-11T11:00:00Z"

let platform: Platform
let tenant: Tenant
let products: Record<"small" | "large", string>
let userId: string

beforeEach(async () => {
  platform = await startPlatform({ clock: "2026-11-01T08:00:00Z" })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  const make = async (euro: number) => (await platform.createProduct({ budget_included: euro })).id
  products = { small: await make(30), large: await make(90) }
  userId = (await platform.createUser({ tenant_id: tenant.id, product_id: products.small })).id
  await platform.restart({ clock: NOW })
})
afterEach(async () => {
  await expectSoundBooks(platform)
  await platform.stop()
})

const totals = () => ({
  tenant: budgetOf(platform, tenant.id).total_nano / EUR,
  user: budgetOf(platform, tenant.id, userId).total_nano / EUR,
})
const saveUser = (data: Record<string, unknown>) => platform.superuser.collection("users").update(userId, data)
const saveTenant = (data: Record<string, unknown>) => platform.superuser.collection("tenants").update(tenant.id, data)

async function nextMonth(): Promise<void> {
  await platform.restart({ clock: "2026-12-01T08:00:00Z" })
  await send(platform, tenant, [usageEvent("december", userId, 0, Date.parse("2026-12-01T08:00:00Z"))])
}

test("an upgrade grants two thirds of the difference with two thirds of the days left, to the limit and to the money", async () => {
  await saveUser({ product_id: products.large })
  expect(totals()).toEqual({ tenant: 70, user: 70 })
  for (const id of ["", userId])
    expect(sumsByKind(ledgerOf(platform, budgetOf(platform, tenant.id, id).id))).toEqual({ reset: 30 * EUR, grant: 40 * EUR })
  await nextMonth()
  expect(totals()).toEqual({ tenant: 90, user: 90 })
})

test("a downgrade changes nothing now and counts from the next reset", async () => {
  await saveUser({ product_id: products.large })
  await saveUser({ product_id: products.small })
  expect(totals()).toEqual({ tenant: 70, user: 70 })
  await nextMonth()
  expect(totals()).toEqual({ tenant: 30, user: 30 })
})

test("going up and down and up again grants the difference once", async () => {
  for (const product of ["large", "small", "large", "small", "large"] as const) await saveUser({ product_id: products[product] })
  expect(totals()).toEqual({ tenant: 70, user: 70 })
})

test.each(["suspended", "pending"])("a user who is %s and active again is granted nothing a second time", async (status) => {
  await saveUser({ status })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
  await saveUser({ status: "active" })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
})

test("a user who is suspended over the reset is granted the rest of the month on return", async () => {
  await saveUser({ status: "suspended" })
  await nextMonth()
  expect(totals()).toEqual({ tenant: 0, user: 0 })
  await saveUser({ status: "active" })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
})

test("suspending and resuming the tenant grants nothing twice; a reset while it is suspended grants nothing", async () => {
  await saveTenant({ status: "suspended" })
  await saveTenant({ status: "active" })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
  await saveTenant({ status: "suspended" })
  await nextMonth()
  expect(totals()).toEqual({ tenant: 0, user: 0 })
  await saveTenant({ status: "active" })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
})

test("a pending tenant has budgets of nothing; when it goes live each seat is granted, once", async () => {
  const pending = await platform.createTenant({ status: "pending" })
  const users: { id: string }[] = []
  for (const product of ["small", "large"] as const)
    users.push(await platform.createUser({ tenant_id: pending.id, product_id: products[product] }))
  const of = (id: string) => budgetOf(platform, pending.id, id).total_nano / EUR
  const all = () => ["", ...users.map((user) => user.id)].map(of)
  expect(all()).toEqual([0, 0, 0])
  for (const status of ["active", "pending", "active"])
    await platform.superuser.collection("tenants").update(pending.id, { status })
  expect(all()).toEqual([120, 30, 90])
})

test("a new seat in mid-period brings its limit in full and the tenant's money pro rata", async () => {
  const second = await platform.createUser({ tenant_id: tenant.id, product_id: products.large })
  expect(budgetOf(platform, tenant.id, second.id).total_nano).toBe(90 * EUR)
  expect(totals()).toEqual({ tenant: 90, user: 30 })
})

test("a product that changes its allowance changes nobody's seat: they are pinned to the version they bought", async () => {
  await platform.superuser.collection("products").update(products.small, { budget_included: 500 })
  expect(totals()).toEqual({ tenant: 30, user: 30 })
  await nextMonth()
  expect(totals()).toEqual({ tenant: 30, user: 30 })
})

test("eight upgrades at once grant the difference once", async () => {
  await Promise.all(Array.from({ length: 8 }, () => saveUser({ product_id: products.large })))
  expect(totals()).toEqual({ tenant: 70, user: 70 })
})
