import { describe, expect, it } from "vitest"
import { parseUsageEvent } from "../contract/usage-event"
import { type BatchFacts, chargesByBudget, decideBatch } from "./usage-batch"

const NOW = Date.parse("2026-11-23T10:00:00Z")
const wire = (over: object = {}) => ({
  event_id: "e",
  user_id: "u",
  model: "m",
  provider: "openai",
  tokens_input: 10,
  tokens_output: 5,
  status: "success",
  timestamp: "2026-11-23T10:00:00Z",
  ...over,
})
const parse = (...events: object[]) => events.map((event, i) => parseUsageEvent(event, `events[${i}]`, NOW))
const PRICE = { id: "p", model: "m", provider: "openai", effectiveFromMs: 0, rates: { input: 1_000_000, output: 2_000_000 } }

const facts = (over: Partial<BatchFacts> = {}): BatchFacts => ({
  tenantId: "t",
  tenantBudgetId: "bt",
  period: { key: "2026-11-01", startMs: Date.parse("2026-10-31T23:00:00Z") },
  closedPeriodKey: () => "2026-10-01",
  users: new Map([
    ["u", { tenantId: "t", budgetId: "bu" }],
    ["stranger", { tenantId: "other", budgetId: "bx" }],
  ]),
  apiKeys: new Map([
    ["k", { id: "k", userId: "u", tenantId: "t", budgetId: "bk" }],
    ["foreign", { id: "foreign", userId: "stranger", tenantId: "other", budgetId: "" }],
  ]),
  existing: new Map(),
  prices: [PRICE],
  wholeBook: () => [PRICE],
  ...over,
})

describe("a batch", () => {
  it("answers in the order sent, and a bad event blocks nothing", () => {
    const { results, rows } = decideBatch(
      parse(wire(), wire({ tokens_input: -1, event_id: "bad" }), wire({ event_id: "f" })),
      facts(),
    )
    expect(results.map((r) => [r.event_id, r.verdict])).toEqual([
      ["e", "accepted"],
      ["bad", "rejected"],
      ["f", "accepted"],
    ])
    expect(rows.map((row) => row.costNano)).toEqual([20, 20])
  })
  it("books the same id once, and names the field of a conflict", () => {
    const { results, rows } = decideBatch(parse(wire(), wire(), wire({ tokens_output: 6 })), facts())
    expect(results.map((r) => r.verdict)).toEqual(["accepted", "duplicate", "conflict"])
    expect(results[1]?.cost).toBe(results[0]?.cost)
    expect(results[2]?.message).toContain("tokens_output")
    expect(rows).toHaveLength(1)
  })
  it.each([
    ["half a second later is the same call", { timestamp: "2026-11-23T10:00:00.500Z" }, "duplicate"],
    ["a second later is another", { timestamp: "2026-11-23T10:00:01Z" }, "conflict"],
    ["another duration changes nothing that is billed", { duration_ms: 7 }, "duplicate"],
    ["another model does", { model: "n" }, "conflict"],
    ["the provider in front of the model is the same model", { model: "openai/m" }, "duplicate"],
  ])("%s", (_, over, verdict) => {
    expect(decideBatch(parse(wire(), wire(over)), facts()).results[1]?.verdict).toBe(verdict)
  })
  it.each([
    ["a foreign user", { user_id: "stranger" }],
    ["a foreign key", { api_key_id: "foreign" }],
    ["a foreign tenant", { tenant_id: "other" }],
  ])("%s is refused and books nothing", (_, over) => {
    const { results, rows } = decideBatch(parse(wire(over)), facts())
    expect(results[0]).toMatchObject({ verdict: "rejected", code: "tenant_mismatch" })
    expect(rows).toEqual([])
  })
  it("an unknown user is booked on the tenant alone", () => {
    const { results, rows } = decideBatch(parse(wire({ user_id: "ghost" })), facts())
    expect(results[0]).toMatchObject({ verdict: "accepted", code: "unknown_user" })
    expect(rows[0]).toMatchObject({ bookedUserId: "", claimedUser: "ghost", budgetIds: ["bt"] })
  })
  it("charges tenant, user and key in full, and nobody else", () => {
    const { rows } = decideBatch(parse(wire({ api_key_id: "k" }), wire({ event_id: "f", user_id: undefined })), facts())
    expect([...chargesByBudget(rows)]).toEqual([
      ["bt", 40n],
      ["bu", 20n],
      ["bk", 20n],
    ])
  })
  it("finds the owner of a key by its hash, and refuses the key of another tenant", () => {
    const parsed = parse(wire({ user_id: undefined }))
    const event = parsed[0]
    if (event?.ok) event.event.apiKeyHash = "hash"
    const own = facts({ apiKeys: new Map([["hash", { id: "k", userId: "u", tenantId: "t", budgetId: "bk" }]]) })
    expect(decideBatch(parsed, own).rows[0]).toMatchObject({ userId: "u", apiKeyId: "k" })
    const foreign = facts({ apiKeys: new Map([["hash", { id: "k", userId: "u", tenantId: "other", budgetId: "bk" }]]) })
    expect(decideBatch(parsed, foreign).results[0]).toMatchObject({ verdict: "rejected", code: "tenant_mismatch" })
  })
  it("puts a call into the period in which it started", () => {
    const { rows } = decideBatch(
      parse(wire({ timestamp: "2026-10-31T22:59:59Z" }), wire({ event_id: "f", timestamp: "2026-10-31T23:00:00Z" })),
      facts(),
    )
    expect(rows.map((row) => row.periodKey)).toEqual(["2026-10-01", "2026-11-01"])
  })
  it("marks estimates, and quarantines what has no price with a reason", () => {
    const { results, rows, unpriced } = decideBatch(
      parse(wire({ usage_estimated: true }), wire({ event_id: "f", aborted: true }), wire({ event_id: "g", model: "nope" })),
      facts(),
    )
    expect(rows.map((row) => row.priceStatus)).toEqual(["estimated", "estimated", "quarantined"])
    expect(results[2]).toMatchObject({ verdict: "quarantined", code: "model_unpriced" })
    expect(unpriced).toEqual([{ model: "nope", provider: "openai", reason: expect.stringContaining("nope") }])
  })
})
