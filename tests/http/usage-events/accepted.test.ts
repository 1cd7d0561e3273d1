/** The guarantee: every good event is booked once, at the book's price, on the tenant and the user that it names. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createPerson,
  EVENT_COST,
  EVENT_COST_NANO,
  minutesFromNow,
  startTwoTenants,
  type TwoTenants,
  usageEvent,
  usageRow,
  usedNano,
  verdictOf,
} from "../two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

const book = (event: unknown) => verdictOf(scene.platform, scene.a, event)

describe("an accepted event", () => {
  it("answers its id, the verdict and the cost, and is a row with these numbers", async () => {
    const event = usageEvent({ user_id: scene.a.member.id, call_id: "call-1", purpose: "auxiliary", duration_ms: 840 })
    expect(await book(event)).toEqual({ event_id: event.event_id, verdict: "accepted", cost: EVENT_COST })
    expect(usageRow(scene.platform, event.event_id)).toMatchObject({
      tenant_id: scene.a.id,
      user_id: scene.a.member.id,
      model: "gpt-4o",
      tokens_input: 1_000,
      tokens_output: 50,
      total_tokens: 1_050,
      cost_nano: EVENT_COST_NANO,
      cost_total: 0.003312,
      price_status: "priced",
      call_id: "call-1",
      purpose: "auxiliary",
      duration_ms: 840,
    })
  })

  it("is charged in full to the tenant's row and to the user's row", async () => {
    const before = {
      tenant: usedNano(scene.platform, "tenant", scene.a.id),
      user: usedNano(scene.platform, "user", scene.a.colleague.id),
    }
    await book(usageEvent({ user_id: scene.a.colleague.id }))
    expect(usedNano(scene.platform, "tenant", scene.a.id) - before.tenant).toBe(EVENT_COST_NANO)
    expect(usedNano(scene.platform, "user", scene.a.colleague.id) - before.user).toBe(EVENT_COST_NANO)
  })

  it("without a user is booked to the tenant alone", async () => {
    const before = usedNano(scene.platform, "tenant", scene.a.id)
    expect(await book(usageEvent())).toMatchObject({ verdict: "accepted", cost: EVENT_COST })
    expect(usedNano(scene.platform, "tenant", scene.a.id) - before).toBe(EVENT_COST_NANO)
  })

  it("of a user who exists nowhere is booked to the tenant alone and says so", async () => {
    const before = usedNano(scene.platform, "tenant", scene.a.id)
    const event = usageEvent({ user_id: "nobody-we-know" })
    expect(await book(event)).toMatchObject({ verdict: "accepted", code: "unknown_user", cost: EVENT_COST })
    expect(usedNano(scene.platform, "tenant", scene.a.id) - before).toBe(EVENT_COST_NANO)
    expect(usageRow(scene.platform, event.event_id)).toMatchObject({ user_id: "", claimed_user: "nobody-we-know" })
  })

  it("of an overdrawn user is booked all the same: it was spent", async () => {
    const poor = await createPerson(scene.platform, { email: "poor@alpha.example.com", tenant_id: scene.a.id })
    expect(await book(usageEvent({ user_id: poor.id }))).toMatchObject({ verdict: "accepted", cost: EVENT_COST })
    expect(usedNano(scene.platform, "user", poor.id)).toBe(EVENT_COST_NANO)
  })

  it("that names only an API key is booked on the key's owner", async () => {
    const { body: key } = await scene.platform.request("POST", "/api/keys", {
      token: scene.a.colleague.token,
      body: { name: "cli" },
    })
    const before = usedNano(scene.platform, "user", scene.a.colleague.id)
    const event = usageEvent({ api_key_id: key.id })
    expect(await book(event)).toEqual({ event_id: event.event_id, verdict: "accepted", cost: EVENT_COST })
    expect(usedNano(scene.platform, "user", scene.a.colleague.id) - before).toBe(EVENT_COST_NANO)
  })

  it("of a user that a superuser made through the record API finds a budgets row", async () => {
    const made = await scene.platform.asSuperuser("POST", "/api/collections/users/records", {
      ...{ email: "made@alpha.example.com", password: "a-long-password", passwordConfirm: "a-long-password" },
      ...{ role: "member", status: "active", tenant_id: scene.a.id, product_id: scene.product.id },
    })
    expect(made.status).toBe(200)
    await book(usageEvent({ user_id: made.body.id }))
    expect(scene.platform.sql("SELECT scope, total_nano, used_nano FROM budgets WHERE user_id = ?", [made.body.id])).toEqual([
      { scope: "user", total_nano: expect.any(Number), used_nano: EVENT_COST_NANO },
    ])
  })
})

describe("what an event may look like", () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ["no tokens at all", { tokens_input: 0, tokens_output: 0 }, { cost: "0.000000000" }],
    ["half of the prompt from the cache", { tokens_cache_read: 500 }, { cost: "0.002622000" }],
    ["cache classes that fill the input exactly", { tokens_cache_read: 600, tokens_cache_write: 400 }, { cost: "0.002484000" }],
    ["one thousand million tokens", { tokens_input: 1e9, tokens_output: 0 }, { cost: "2760.000000000" }],
    [
      "optional ids and flags that are null",
      { user_id: null, call_id: null, hold_id: null, api_key_id: null, aborted: null },
      { cost: EVENT_COST },
    ],
    ["fields that we do not know", { colour: "blue", nested: { deep: [1, 2, 3] } }, { cost: EVENT_COST }],
    ["a reported cost, which is only a cross-check", { reported_cost_usd: "99.000000001" }, { cost: EVENT_COST }],
    ["a call that our cache answered", { cache_hit: true }, { cost: "0.000000000" }],
    ["a failure without tokens", { status: "failure", tokens_input: 0, tokens_output: 0 }, { cost: "0.000000000" }],
    ["a failure that used tokens", { status: "failure" }, { cost: EVENT_COST }],
    ["a start nine minutes ahead", { timestamp: minutesFromNow(9) }, { cost: EVENT_COST }],
    [
      "a time with an offset",
      { timestamp: `${new Date(Date.now() + 7_200_000).toISOString().slice(0, 19)}+02:00` },
      { cost: EVENT_COST },
    ],
    ["an id of 128 characters", { event_id: "i".repeat(128) }, { cost: EVENT_COST }],
    ["an id of other alphabets and quotes", { event_id: "Ünï-✓-'; DROP TABLE usage_logs; --" }, { cost: EVENT_COST }],
    ["the own tenant's id", {}, { cost: EVENT_COST }],
  ]
  it.each(cases)("%s", async (_name, changes, expected) => {
    const event = usageEvent({ tenant_id: scene.a.id, ...changes })
    expect(await book(event)).toEqual({ event_id: event.event_id, verdict: "accepted", ...expected })
    expect(usageRow(scene.platform, event.event_id)).toBeDefined()
  })

  it("a model without a price is quarantined at the provider's dearest price, never free", async () => {
    const event = usageEvent({ model: "gpt-99" })
    expect(await book(event)).toMatchObject({ verdict: "quarantined", code: "model_unpriced", cost: EVENT_COST })
    expect(usageRow(scene.platform, event.event_id)).toMatchObject({ price_status: "quarantined", cost_nano: EVENT_COST_NANO })
    expect(scene.platform.sql("SELECT model FROM model_blocks WHERE tenant_id = ? AND lifted_at = ''", [scene.a.id])).toEqual([
      { model: "gpt-99" },
    ])
  })
})

describe("a batch", () => {
  it("answers in the order sent, and source, epoch and seq move the cursor", async () => {
    const events = Array.from({ length: 1_000 }, () => usageEvent({ model: "gpt-4o-mini" }))
    const answer = await scene.platform.ingest(scene.a.ingestKey, { source: "litellm-1", epoch: "01J", seq: 0, events })
    expect(answer.status).toBe(200)
    expect(answer.body.results.map((r: { event_id: string }) => r.event_id)).toEqual(events.map((e) => e.event_id))
    expect(answer.body).toMatchObject({ next_seq: 1, gaps: [] })
    const later = await scene.platform.ingest(scene.a.ingestKey, {
      source: "litellm-1",
      epoch: "01J",
      seq: 3,
      events: [usageEvent()],
    })
    expect(later.body).toMatchObject({ next_seq: 4, gaps: [[1, 2]] })
  })
})
