/** The guarantee: the same event counts once, whenever and however often it arrives; other content under its id changes nothing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  books,
  EVENT_COST,
  EVENT_COST_NANO,
  startTwoTenants,
  type TwoTenants,
  usageEvent,
  usedNano,
  verdictOf,
} from "../two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

describe("a duplicate", () => {
  it("repeats the first answer's cost, even when the price has changed since, and changes nothing", async () => {
    const event = usageEvent({ user_id: scene.a.member.id })
    await verdictOf(scene.platform, scene.a, event)
    await scene.platform.publishPrices([
      { model: "gpt-4o", provider: "openai", kind: "chat", usd: { input: "5.00", output: "20.00" } },
    ])
    const before = books(scene.platform)
    expect(await verdictOf(scene.platform, scene.a, event)).toEqual({
      event_id: event.event_id,
      verdict: "duplicate",
      cost: EVENT_COST,
    })
    expect(books(scene.platform)).toEqual(before)
  })

  it("within one batch is told apart: the first is accepted, the second a duplicate", async () => {
    const event = usageEvent({ model: "gpt-4o-mini" })
    const { body } = await scene.platform.ingest(scene.a.ingestKey, { events: [event, usageEvent(), event] })
    expect(body.results.map((r: { verdict: string }) => r.verdict)).toEqual(["accepted", "accepted", "duplicate"])
    expect(body.results[2].cost).toBe(body.results[0].cost)
  })

  it("sent 16 times at once is accepted exactly once", async () => {
    const batch = {
      events: Array.from({ length: 20 }, () => usageEvent({ model: "gpt-4o-mini", user_id: scene.a.colleague.id })),
    }
    const before = usedNano(scene.platform, "user", scene.a.colleague.id)
    const answers = await Promise.all(Array.from({ length: 16 }, () => scene.platform.ingest(scene.a.ingestKey, batch)))
    const verdicts = answers.flatMap((answer) => answer.body.results.map((r: { verdict: string }) => r.verdict))
    expect(answers.map((answer) => answer.status)).toEqual(Array(16).fill(200))
    expect(verdicts.filter((v) => v === "accepted")).toHaveLength(20)
    expect(verdicts.filter((v) => v === "duplicate")).toHaveLength(300)
    const cost = Number(answers[0]?.body.results[0].cost.replace(".", ""))
    expect(usedNano(scene.platform, "user", scene.a.colleague.id) - before).toBe(20 * cost)
  })

  it("is one although fields that decide nothing differ", async () => {
    const event = usageEvent()
    const { cost } = await verdictOf(scene.platform, scene.a, event)
    const again = { ...event, duration_ms: 5, reported_cost_usd: "0.1", tenant_id: scene.a.id }
    expect(await verdictOf(scene.platform, scene.a, again)).toMatchObject({ verdict: "duplicate", cost })
  })
})

describe("a conflict", () => {
  const cases: [string, () => Record<string, unknown>][] = [
    ["tokens_input", () => ({ tokens_input: 1_001 })],
    ["tokens_output", () => ({ tokens_output: 51 })],
    ["tokens_cache_read", () => ({ tokens_cache_read: 1 })],
    ["tokens_cache_write", () => ({ tokens_cache_write: 1 })],
    ["model", () => ({ model: "gpt-4o-mini" })],
    ["user_id", () => ({ user_id: scene.a.colleague.id })],
    ["status", () => ({ status: "failure" })],
    ["images", () => ({ images: 1 })],
    ["audio_seconds", () => ({ audio_seconds: "1" })],
    ["characters", () => ({ characters: 1 })],
    ["cache_hit", () => ({ cache_hit: true })],
    ["timestamp", () => ({ timestamp: new Date(Date.now() - 60_000).toISOString() })],
  ]
  it.each(cases)("names %s, repeats what was booked and changes nothing", async (field, changes) => {
    const event = usageEvent({ user_id: scene.a.member.id })
    const { cost } = await verdictOf(scene.platform, scene.a, event)
    const before = books(scene.platform)
    const result = await verdictOf(scene.platform, scene.a, { ...event, ...changes() })
    expect(result).toMatchObject({ event_id: event.event_id, verdict: "conflict", code: "event_conflict", cost })
    expect(result.message).toContain(field)
    expect(books(scene.platform)).toEqual(before)
  })

  it("within one batch: the first one is booked", async () => {
    const event = usageEvent({ model: "gpt-4o-mini" })
    const before = usedNano(scene.platform, "tenant", scene.a.id)
    const { body } = await scene.platform.ingest(scene.a.ingestKey, { events: [event, { ...event, tokens_output: 49 }] })
    expect(body.results.map((r: { verdict: string }) => r.verdict)).toEqual(["accepted", "conflict"])
    expect(usedNano(scene.platform, "tenant", scene.a.id) - before).toBe(Math.round(EVENT_COST_NANO * 0.06))
  })
})
