/** The guarantee: a bad event is rejected with its index and its field, and its neighbours in the batch are booked. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { books, EVENT_COST_NANO, minutesFromNow, startTwoTenants, type TwoTenants, usageEvent, usedNano } from "../two-tenants"

let scene: TwoTenants
let neighbours = 0
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

const send = (events: unknown[]) => scene.platform.ingest(scene.a.ingestKey, { events })
const without = (name: string) => ({ [name]: undefined })
/** Changes of a case; a function where the clock must be read late. */
const badEvent = (changes: unknown) =>
  usageEvent((typeof changes === "function" ? changes() : changes) as Record<string, unknown>)
const tokenCases = ["tokens_input", "tokens_output"].flatMap((field): [string, unknown, string][] => [
  [`${field} missing`, without(field), field],
  [`${field} null`, { [field]: null }, field],
  [`${field} true`, { [field]: true }, field],
  [`${field} "5"`, { [field]: "5" }, field],
  [`${field} ""`, { [field]: "" }, field],
  [`${field} [5]`, { [field]: [5] }, field],
  [`${field} −1`, { [field]: -1 }, field],
  [`${field} 0.5`, { [field]: 0.5 }, field],
  [`${field} 2^53`, { [field]: 2 ** 53 }, field],
  [`${field} 1e9 + 1`, { [field]: 1e9 + 1 }, field],
])
const optionalCounts = [
  "tokens_cache_read",
  "tokens_cache_write",
  "tokens_cache_write_1h",
  "tokens_reasoning",
  "images",
  "characters",
  "duration_ms",
].flatMap((field): [string, unknown, string][] => [
  [`${field} −1`, { [field]: -1 }, field],
  [`${field} 1.5`, { [field]: 1.5 }, field],
  [`${field} "1"`, { [field]: "1" }, field],
  [`${field} null`, { [field]: null }, field],
])
const idCases = ["event_id", "model"].flatMap((field): [string, unknown, string][] => [
  [`${field} missing`, without(field), field],
  [`${field} null`, { [field]: null }, field],
  [`${field} a number`, { [field]: 7 }, field],
])
const textCases = ["event_id", "model", "user_id", "call_id", "hold_id", "api_key_id", "provider", "model_requested"].flatMap(
  (field): [string, unknown, string][] => [
    [`${field} of 129 characters`, { [field]: "x".repeat(129) }, field],
    [`${field} with a line feed`, { [field]: "a\nb" }, field],
    [`${field} with a NUL`, { [field]: "a\u0000b" }, field],
    [`${field} with a DEL`, { [field]: "a\u007fb" }, field],
  ],
)
const CASES: [string, unknown, string][] = [
  ...tokenCases,
  ...optionalCounts,
  ...idCases,
  ...textCases,
  ["event_id empty", { event_id: "" }, "event_id"],
  ["model empty", { model: "" }, "model"],
  ["cache read above the input", { tokens_cache_read: 1_001 }, "tokens_cache_read"],
  ["cache classes together above the input", { tokens_cache_read: 600, tokens_cache_write: 401 }, "tokens_cache_write"],
  ["1 h cache write above cache write", { tokens_cache_write: 5, tokens_cache_write_1h: 6 }, "tokens_cache_write_1h"],
  ["status unknown", { status: "maybe" }, "status"],
  ["status missing", without("status"), "status"],
  ["kind unknown", { kind: "telepathy" }, "kind"],
  ["purpose unknown", { purpose: "fun" }, "purpose"],
  ["aborted a string", { aborted: "false" }, "aborted"],
  ["reported_cost_usd negative", { reported_cost_usd: "-0.01" }, "reported_cost_usd"],
  ["reported_cost_usd a negative number", { reported_cost_usd: -1 }, "reported_cost_usd"],
  ["reported_cost_usd not a number", { reported_cost_usd: "cheap" }, "reported_cost_usd"],
  ["audio_seconds negative", { audio_seconds: "-1" }, "audio_seconds"],
  ["timestamp missing", without("timestamp"), "timestamp"],
  ["timestamp a number", { timestamp: 1_795_417_482 }, "timestamp"],
  ["timestamp without a zone", { timestamp: "2026-11-23T10:00:00" }, "timestamp"],
  ["timestamp of 30 February", { timestamp: "2026-02-30T25:00:00Z" }, "timestamp"],
  ["timestamp 11 minutes ahead", () => ({ timestamp: minutesFromNow(11) }), "timestamp"],
  ["timestamp 61 days back", { timestamp: minutesFromNow(-61 * 1_440) }, "timestamp"],
]

describe("a rejected event", () => {
  it.each(CASES)("%s: names the field and its place, books the neighbours and nothing else", async (_name, changes, field) => {
    const [first, last] = [usageEvent(), usageEvent()]
    const answer = await send([first, badEvent(changes), last])
    expect(answer.status).toBe(200)
    const [one, rejected, three] = answer.body.results
    expect([one.verdict, rejected.verdict, three.verdict]).toEqual(["accepted", "rejected", "accepted"])
    expect(rejected.code).toBe("invalid_field")
    expect(rejected.message).toMatch(new RegExp(`^events\\[1\\].*\\b${field}\\b`))
    expect(rejected).not.toHaveProperty("cost")
    neighbours += 2
  })

  it("left no trace: the books hold the neighbours and nothing else", () => {
    expect(scene.platform.sql("SELECT count(*) AS n FROM usage_logs")).toEqual([{ n: neighbours }])
    expect(usedNano(scene.platform, "tenant", scene.a.id)).toBe(neighbours * EVENT_COST_NANO)
  })

  it.each([
    ["null", null],
    ["a number", 5],
    ["a string", "x"],
    ["an array", []],
    ["true", true],
  ])("%s instead of an object", async (_name, value) => {
    const answer = await send([usageEvent(), value])
    expect(answer.body.results[0].verdict).toBe("accepted")
    expect(answer.body.results[1]).toMatchObject({
      verdict: "rejected",
      code: "invalid_field",
      message: expect.stringContaining("events[1] must be an object"),
    })
  })

  it("a batch of nothing but bad events changes nothing", async () => {
    const before = books(scene.platform)
    const answer = await send(CASES.map(([, changes]) => badEvent(changes)))
    expect(new Set(answer.body.results.map((r: { verdict: string }) => r.verdict))).toEqual(new Set(["rejected"]))
    expect(books(scene.platform)).toEqual(before)
  })

  it("can be sent again once it is mended, under the same id", async () => {
    const event = usageEvent({ tokens_input: -1 })
    expect((await send([event])).body.results[0].verdict).toBe("rejected")
    expect((await send([{ ...event, tokens_input: 1_000 }])).body.results[0].verdict).toBe("accepted")
  })
})

describe("somebody else's", () => {
  const cases: [string, () => Record<string, unknown>][] = [
    ["user", () => ({ user_id: scene.b.member.id })],
    ["user with our own tenant_id", () => ({ user_id: scene.b.member.id, tenant_id: scene.a.id })],
    ["tenant_id", () => ({ tenant_id: scene.b.id })],
    ["tenant_id that exists nowhere", () => ({ tenant_id: "no-such-tenant" })],
    ["api key", () => ({ api_key_id: betaKey })],
  ]
  it.each(cases)("%s is a tenant_mismatch, and nothing of it is booked anywhere", async (_name, changes) => {
    await giveBetaAnApiKey()
    const before = books(scene.platform)
    const [result] = (await send([usageEvent(changes())])).body.results
    expect(result).toMatchObject({ verdict: "rejected", code: "tenant_mismatch" })
    expect(books(scene.platform)).toEqual(before)
  })

  it("tenant_id for the whole body is refused, good events and all", async () => {
    const before = books(scene.platform)
    const answer = await scene.platform.ingest(scene.a.ingestKey, { tenant_id: scene.b.id, events: [usageEvent()] })
    expect([answer.status, answer.body.code]).toEqual([403, "tenant_mismatch"])
    expect(books(scene.platform)).toEqual(before)
  })

  it("event id is no collision: two tenants may use the same one", async () => {
    const event = usageEvent()
    expect((await send([event])).body.results[0].verdict).toBe("accepted")
    expect((await scene.platform.ingest(scene.b.ingestKey, { events: [event] })).body.results[0].verdict).toBe("accepted")
  })
})

let betaKey = ""
async function giveBetaAnApiKey(): Promise<void> {
  if (betaKey !== "") return
  const answer = await scene.platform.request("POST", "/api/keys", { token: scene.b.member.token, body: { name: "beta" } })
  betaKey = answer.body.id
}
