/** The guarantee: a question that cannot be understood is refused with the field that is wrong, and nothing is held or stored. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate } from "../gate"
import { shapeProblems } from "../two-tenants"

let gate: Gate
let userId: string
beforeAll(async () => {
  gate = await Gate.start()
  userId = (await gate.createUser()).id
})
afterAll(() => gate?.platform.stop())

const LONG = "x".repeat(129)
const written = () =>
  gate.platform.sql("SELECT (SELECT count(*) FROM holds) AS holds, (SELECT count(*) FROM refusals) AS refusals")

describe("authorize names the field", () => {
  const ids = ["call_id", "user_id", "model"].flatMap((field) =>
    [undefined, null, "", 5, true, [], LONG, "a\nb", "a\u0000b"].map((value) => [field, value] as const),
  )
  const wrong: (readonly [string, unknown])[] = [
    ...ids,
    ...["", 5, LONG, "a\tb"].map((value) => ["api_key_id", value] as const),
    ...[undefined, null, -1, 0.5, "5", true, 1e10].map((value) => ["tokens_input_estimate", value] as const),
    ...[-1, 0.5, "5", true, 1e10].map((value) => ["max_tokens", value] as const),
    ...["", "title", 5].map((value) => ["purpose", value] as const),
    ["units_estimate", 5],
  ]
  it.each(wrong)("%s that is %j", async (field, value) => {
    const answer = await gate.authorize({ user_id: userId, [field]: value })
    expect([answer.status, answer.body.code, answer.body.data]).toEqual([400, "invalid_field", { path: field }])
    expect(answer.body.message).toContain(field)
    expect(shapeProblems(answer)).toEqual([])
  })

  it.each([
    ["images", -1],
    ["images", 0.5],
    ["images", "1"],
    ["images", 1_001],
    ["characters", -1],
    ["characters", 1e10],
    ["audio_seconds", -0.1],
    ["audio_seconds", "1"],
    ["audio_seconds", 1e7],
  ])("units_estimate.%s that is %j", async (field, value) => {
    const answer = await gate.authorize({ user_id: userId, units_estimate: { [field]: value } })
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", `units_estimate.${field}`])
  })

  it("and nothing was written by any of them", () => expect(written()).toEqual([{ holds: 0, refusals: 0 }]))
})

it("what may be left out may be null, and what nobody knows is ignored", async () => {
  const question = {
    user_id: userId,
    api_key_id: null,
    max_tokens: null,
    units_estimate: null,
    purpose: null,
    tenant_id: "x",
    extra: [1],
  }
  expect(await gate.ask(question)).toMatchObject({ allowed: true, max_tokens: 8_192 })
})

describe("identify and release name the field", () => {
  it.each<[string, unknown, string]>([
    ["identify", {}, ""],
    ["identify", { api_key_hash: "a".repeat(64), user: { id: "x" } }, ""],
    ["identify", { api_key_hash: "a".repeat(63) }, "api_key_hash"],
    ["identify", { api_key_hash: "A".repeat(64) }, "api_key_hash"],
    ["identify", { api_key_hash: null }, "api_key_hash"],
    ["identify", { user: {} }, ""],
    ["identify", { user: "x" }, "user"],
    ["identify", { user: { id: "" } }, "user.id"],
    ["identify", { user: { id: LONG } }, "user.id"],
    ["identify", { user: { email: 5 } }, "user.email"],
    ["release", {}, ""],
    ["release", { hold_id: "a", call_id: "b" }, ""],
    ["release", { hold_id: "" }, "hold_id"],
    ["release", { call_id: 5 }, "call_id"],
    ["release", { call_id: LONG }, "call_id"],
  ])("%s of %j", async (route, body, path) => {
    const answer = await gate.platform.ingest(gate.tenant.ingestKey, body, `/api/usage/${route}`)
    expect([answer.status, answer.body.code, answer.body.data]).toEqual([400, "invalid_field", { path }])
    expect(shapeProblems(answer)).toEqual([])
  })
})
