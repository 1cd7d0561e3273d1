/** F9: odd batches. Each event has a verdict of its own, and nothing is booked twice however often it is sent. */
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetOf, costOf, expectSoundBooks, PRICE, send, usageEvent, type WireEvent } from "./books"

let platform: Platform
let tenant: Tenant
let userId: string

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  userId = (await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct()).id })).id
})
afterAll(() => platform.stop())

function events(prefix: string, count: number): WireEvent[] {
  return Array.from({ length: count }, (_, i) => usageEvent(`${prefix}-${i}`, userId, 100 + i, Date.now()))
}

const used = () => ({ tenant: budgetOf(platform, tenant.id).used_nano, user: budgetOf(platform, tenant.id, userId).used_nano })
const rowsOf = (prefix: string) =>
  platform.sql<{ n: number }>("SELECT count(*) AS n FROM usage_logs WHERE event_id LIKE ?", [`${prefix}-%`])[0]?.n

/** What the work added to used_nano, equal on both rows. */
async function usedBy(work: () => Promise<void>): Promise<number> {
  const before = used()
  await work()
  const after = used()
  expect(after.tenant - before.tenant).toBe(after.user - before.user)
  return after.user - before.user
}

const BAD: [string, (event: WireEvent) => unknown][] = [
  ["tokens are negative", (event) => ({ ...event, tokens_input: -1 })],
  ["tokens are a string", (event) => ({ ...event, tokens_input: "5" })],
  ["the model is missing", ({ model: _, ...event }) => event],
  ["the timestamp is 61 days old", (event) => ({ ...event, timestamp: new Date(Date.now() - 61 * 86_400_000).toISOString() })],
  ["it is no object", () => null],
]

test.each(BAD)("one bad event of 100 is rejected alone: %s", async (name, spoil) => {
  const prefix = `bad ${name}`
  const good = events(prefix, 100)
  const batch = good.map((event, i) => (i === 57 ? spoil(event) : event)) as WireEvent[]
  const added = await usedBy(async () => {
    const verdicts = (await send(platform, tenant, batch)).map((result: { verdict: string }) => result.verdict)
    expect(verdicts).toEqual(good.map((_, i) => (i === 57 ? "rejected" : "accepted")))
  })
  expect(added).toBe(costOf(good.filter((_, i) => i !== 57)))
  expect(rowsOf(prefix)).toBe(99)
})

test("the same id twice in a batch is booked once, the second time a duplicate with the first one's cost", async () => {
  const [event] = events("twice", 1) as [WireEvent]
  const added = await usedBy(async () => {
    const [first, second] = await send(platform, tenant, [event, event])
    expect(first).toMatchObject({ event_id: "twice-0", verdict: "accepted", cost: "0.000110400" })
    expect(second).toEqual({ event_id: "twice-0", verdict: "duplicate", cost: "0.000110400" })
  })
  expect(added).toBe(costOf([event]))
})

test.each(["in the same batch", "in a later batch"])(
  "the same id with another amount %s is a conflict that changes nothing",
  async (when) => {
    const prefix = `conflict ${when}`
    const [event] = events(prefix, 1) as [WireEvent]
    const other = { ...event, tokens_input: 999_999 }
    const added = await usedBy(async () => {
      const results = when === "in the same batch" ? await send(platform, tenant, [event, other]) : []
      if (results.length === 0)
        results.push(...(await send(platform, tenant, [event])), ...(await send(platform, tenant, [other])))
      expect(results[0]).toMatchObject({ verdict: "accepted" })
      expect(results[1]).toMatchObject({ verdict: "conflict", code: "event_conflict", cost: "0.000110400" })
      expect(results[1].message).toContain("tokens_input")
    })
    expect(added).toBe(costOf([event]))
    expect(rowsOf(prefix)).toBe(1)
  },
)

test("1,000 events are one batch; 1,001 are refused as a whole", async () => {
  const batch = events("many", 1_001)
  const added = await usedBy(async () => {
    const refused = await platform.ingest(tenant.ingestKey, { events: batch })
    expect([refused.status, refused.body.code]).toEqual([413, "too_many_events"])
    expect(rowsOf("many")).toBe(0)
    await send(platform, tenant, batch.slice(0, 1_000))
  })
  expect(added).toBe(costOf(batch.slice(0, 1_000)))
})

test("the same batch from 8 connections at once books each event once", async () => {
  const batch = events("at once", 200)
  const added = await usedBy(async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(platform, tenant, batch)))
    for (const [i, event] of batch.entries()) {
      const verdicts = answers.map((results) => results[i].verdict).sort()
      expect(verdicts, event.event_id).toEqual(["accepted", ...Array(7).fill("duplicate")])
      expect(new Set(answers.map((results) => results[i].cost)).size).toBe(1)
    }
  })
  expect(added).toBe(costOf(batch))
  expect(rowsOf("at once")).toBe(200)
})

test("overlapping batches in different order from 8 connections book each event once", async () => {
  const all = events("overlap", 160)
  const added = await usedBy(async () => {
    const windows = Array.from({ length: 8 }, (_, i) => all.slice(i * 10, i * 10 + 90))
    await Promise.all(windows.map((window, i) => send(platform, tenant, i % 2 === 0 ? window : [...window].reverse())))
  })
  expect(added).toBe(costOf(all))
  expect(rowsOf("overlap")).toBe(160)
})

test("the books are sound", () => expectSoundBooks(platform))
