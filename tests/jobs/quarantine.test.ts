/** Models without a price: never free, blocked, and settled by one correction once a price is published. */
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  budgetOf,
  budgetsOf,
  expectSoundBooks,
  PRICE,
  runCron,
  send,
  usageEvent,
  type WireEvent,
  waitUntil,
} from "../faults/books"
import { type Platform, startPlatform, type Tenant } from "../support/platform"

/** Sell prices are 1.104 × USD. The dearest of a provider is taken class by class: input of one model, output of another. */
const BOOK = [
  PRICE,
  { model: "acme-in", provider: "acme", kind: "chat", usd: { input: "4", output: "8", cache_read: "1" } },
  { model: "acme-out", provider: "acme", kind: "chat", usd: { input: "2", output: "20" } },
  { model: "other-dear", provider: "other", kind: "chat", usd: { input: "100", output: "300" } },
  { model: "input-only", provider: "acme", kind: "chat", usd: { input: "1" } },
]
const nano = (input: number, usdIn: number, output = 0, usdOut = 0) => Math.round((input * usdIn + output * usdOut) * 1_104)

let platform: Platform
let tenant: Tenant
let userId: string

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices(BOOK)
  tenant = await platform.createTenant()
  userId = (await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct()).id })).id
})
afterAll(() => platform.stop())

function call(id: string, model: string, provider: string, more: Partial<WireEvent> = {}): WireEvent {
  return { ...usageEvent(id, userId, 1_000, Date.now() - 60_000), tokens_output: 100, model, provider, ...more }
}

interface Row {
  event_id: string
  cost_nano: number
  price_status: string
  corrects: string
  tokens_input: number
}
const rowsOf = (id: string) =>
  platform.sql<Row>(
    "SELECT event_id, cost_nano, price_status, corrects, tokens_input FROM usage_logs WHERE event_id = ? OR corrects = ? ORDER BY event_id",
    [id, id],
  )
const openBlocks = (model: string) =>
  platform.sql<{ n: number }>("SELECT count(*) AS n FROM model_blocks WHERE model = ? AND lifted_at = ''", [model])[0]?.n
const used = () => [budgetOf(platform, tenant.id).used_nano, budgetOf(platform, tenant.id, userId).used_nano]
const publish = (model: string, provider: string, usd: Record<string, string>) =>
  platform.publishPrices([{ model, provider, kind: "chat", usd }])

const DEAREST: [string, string, number][] = [
  ["its provider's dearest price per class", "acme", nano(1_000, 4, 100, 20)],
  ["the whole book's dearest if the provider is unknown", "nobody", nano(1_000, 100, 100, 300)],
  ["the whole book's dearest if no provider is named", "", nano(1_000, 100, 100, 300)],
]

test.each(DEAREST)("an unknown model is booked at %s, and blocked", async (name, provider, cost) => {
  const model = `mystery ${provider}`
  const before = used()
  const [result] = await send(platform, tenant, [call(name, model, provider)])
  expect(result).toMatchObject({ verdict: "quarantined", code: "model_unpriced" })
  expect(rowsOf(name)).toMatchObject([{ cost_nano: cost, price_status: "quarantined" }])
  expect(used()).toEqual(before.map((n) => n + cost))
  expect(openBlocks(model)).toBe(1)
})

test("a second use makes no second block, and repeating the event stays a duplicate", async () => {
  const event = call("again", "mystery acme", "acme")
  await send(platform, tenant, [event])
  expect(openBlocks("mystery acme")).toBe(1)
  expect(await send(platform, tenant, [event])).toMatchObject([{ verdict: "duplicate", cost: "0.006624000" }])
})

test("publishing the price books one correction with the exact difference and lifts the block", async () => {
  const before = used()
  const published = await publish("mystery acme", "acme", { input: "1", output: "2" })
  expect(published.repriced).toBe(2)
  const delta = nano(1_000, 1, 100, 2) - nano(1_000, 4, 100, 20)
  expect(rowsOf("again")).toEqual([
    { event_id: "again", cost_nano: nano(1_000, 4, 100, 20), price_status: "quarantined", corrects: "", tokens_input: 1_000 },
    { event_id: "again~1", cost_nano: delta, price_status: "corrected", corrects: "again", tokens_input: 0 },
  ])
  expect(used()).toEqual(before.map((n) => n + 2 * delta))
  expect(openBlocks("mystery acme")).toBe(0)
  const [result] = await send(platform, tenant, [call("priced now", "mystery acme", "acme")])
  expect(result).toMatchObject({ verdict: "accepted", cost: "0.001324800" })
})

test("publishing again, another price, or running the sweep makes no second correction", async () => {
  const before = budgetsOf(platform, tenant.id)
  expect((await publish("mystery acme", "acme", { input: "1", output: "2" })).repriced).toBe(0)
  expect((await publish("mystery acme", "acme", { input: "3", output: "2" })).repriced).toBe(0)
  await Promise.all(Array.from({ length: 4 }, () => runCron(platform, "reprice-quarantined")))
  await send(platform, tenant, [
    { ...call("free", "mystery acme", "acme"), tokens_input: 0, tokens_output: 0, status: "failure" },
  ])
  expect(rowsOf("again").length).toBe(2)
  expect(budgetsOf(platform, tenant.id)).toEqual(before)
})

test("a repeated event is answered with its first cost even after the correction", async () => {
  const row = platform.sql<{ timestamp: string }>("SELECT timestamp FROM usage_logs WHERE event_id = 'again'")[0] as {
    timestamp: string
  }
  const event = call("again", "mystery acme", "acme", { timestamp: row.timestamp.replace(" ", "T") })
  expect(await send(platform, tenant, [event])).toMatchObject([{ verdict: "duplicate", cost: "0.006624000" }])
})

test("a price under the provider's prefix settles usage that was stored without it", async () => {
  await send(platform, tenant, [call("prefixed", "acme/pro", "acme")])
  expect(openBlocks("pro")).toBe(1)
  expect((await publish("acme/pro", "acme", { input: "1", output: "2" })).repriced).toBe(1)
  expect(rowsOf("prefixed").map((row) => row.event_id)).toEqual(["prefixed", "prefixed~1"])
  expect(openBlocks("pro")).toBe(0)
})

test("a class that the price does not know is quarantined; a version that adds its rate settles it", async () => {
  const [result] = await send(platform, tenant, [call("no output rate", "input-only", "acme")])
  expect(result).toMatchObject({ verdict: "quarantined" })
  expect(result.message).toContain("no rate for output")
  expect((await publish("input-only", "acme", { input: "1", output: "3" })).repriced).toBe(1)
  expect(rowsOf("no output rate").map((row) => row.cost_nano)).toEqual([
    nano(1_000, 4, 100, 20),
    nano(1_000, 1, 100, 3) - nano(1_000, 4, 100, 20),
  ])
})

test("without counts there is nothing to price: cost 0, and blocked", async () => {
  const before = used()
  const event = { ...call("uncounted", "hearing", "acme"), kind: "transcription", tokens_input: 0, tokens_output: 0 }
  expect(await send(platform, tenant, [event])).toMatchObject([{ verdict: "quarantined", cost: "0.000000000" }])
  expect(used()).toEqual(before)
  expect(openBlocks("hearing")).toBe(1)
})

test("1,200 quarantined events are settled by one publish, each once", async () => {
  const before = used()
  const events = Array.from({ length: 1_200 }, (_, i) => call(`many-${i}`, "mass", "acme"))
  for (let i = 0; i < events.length; i += 600) await send(platform, tenant, events.slice(i, i + 600))
  expect((await publish("mass", "acme", { input: "1", output: "2" })).repriced).toBe(1_200)
  expect(used()).toEqual(before.map((n) => n + 1_200 * nano(1_000, 1, 100, 2)))
  await waitUntil("no open block is left", () => openBlocks("mass") === 0)
})

test("the books are sound", () => expectSoundBooks(platform))
