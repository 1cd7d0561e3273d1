/** The guarantee: a granted call has a hold of estimated input plus granted output, and no scope can be promised twice. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, MODEL, NANO_PER_TOKEN } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

describe("a call that everybody can pay for", () => {
  it("is granted as asked, with a hold until ten minutes from now", async () => {
    const user = await gate.createUser()
    const before = Date.now()
    const body = await gate.ask({ call_id: "plain", user_id: user.id, tokens_input_estimate: 1_200, max_tokens: 4_096 })
    const amount = 5_296 * NANO_PER_TOKEN
    expect(body).toEqual({
      ...{ allowed: true, hold_id: expect.stringMatching(/^[a-z0-9]{15}$/), max_tokens: 4_096, clamped: false },
      ...{ expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/), available: eur(EUR - amount) },
    })
    const minutes = (Date.parse(body.expires_at) - before) / 60_000
    expect(minutes).toBeGreaterThanOrEqual(10)
    expect(minutes).toBeLessThan(11)
    expect(gate.hold("plain")).toMatchObject({
      ...{ id: body.hold_id, user_id: user.id, api_key_id: "", key_budget_id: "", amount_nano: amount, max_tokens: 4_096 },
      ...{ clamped: 0, state: "open", settled_by: "", tokens_input_estimate: 1_200, model: MODEL, purpose: "user" },
    })
    expect(gate.budget("user", user.id).used_nano).toBe(0)
  })

  it("may say that it only makes a title", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "title", user_id: user.id, purpose: "auxiliary" })
    expect(gate.hold("title")).toMatchObject({ purpose: "auxiliary" })
  })

  it("with a key that has a limit holds on that, too", async () => {
    const user = await gate.createUser()
    const key = await gate.createKey(user, { limit: "0.5" })
    const body = await gate.grant({ call_id: "by-key", user_id: user.id, api_key_id: key.id })
    expect(body.available).toBe(eur(EUR / 2 - 200 * NANO_PER_TOKEN))
    expect(gate.hold("by-key")).toMatchObject({ api_key_id: key.id, key_budget_id: gate.budget("api_key", user.id).id })
  })

  it("with two keys of one line, rotated, holds on one limit", async () => {
    const user = await gate.createUser()
    const key = await gate.createKey(user, { limit: "0.5" })
    const token = await gate.platform.tokenOf(user)
    const next = await gate.platform.request("POST", `/api/keys/${key.id}/rotate`, { token, body: { overlap_hours: 1 } })
    await gate.grant({ user_id: user.id, api_key_id: key.id })
    const second = await gate.grant({ user_id: user.id, api_key_id: next.body.id })
    expect(second.available).toBe(eur(EUR / 2 - 400 * NANO_PER_TOKEN))
  })
})

describe("max_tokens that the client leaves out", () => {
  it.each([
    ["the product's default", { default_max_tokens: 2_000 }, MODEL, 2_000],
    ["8,192 if the product says none", {}, MODEL, 8_192],
    ["at most the model's maximum", { default_max_tokens: 9_000 }, "short-model", 4_000],
  ])("are %s, held and sent upstream", async (_name, terms, model, expected) => {
    const user = await gate.createUser(terms)
    const call_id = `default-${expected}-${model}`
    const body = await gate.grant({ call_id, user_id: user.id, model, max_tokens: null })
    expect(body).toMatchObject({ max_tokens: expected, clamped: false })
    expect(gate.hold(call_id).amount_nano).toBe((100 + expected) * NANO_PER_TOKEN)
  })
})

describe("what is not paid by output tokens", () => {
  it.each<[string, Record<string, unknown>, number]>([
    ["an embedding holds its input", { model: "embed", tokens_input_estimate: 5_000 }, 5_000 * NANO_PER_TOKEN],
    ["images by the piece", { model: "picture", units_estimate: { images: 3 } }, 3 * 44_160_000],
    ["an image paid by tokens: the dearest one", { model: "painter", units_estimate: { images: 1 } }, 6_240 * 44_160],
    ["speech by the character", { model: "voice", units_estimate: { characters: 1_000 } }, 16_560_000],
    ["audio by the second", { model: "ears", units_estimate: { audio_seconds: 1.5 } }, 165_600],
    ["audio rounded up to the millisecond", { model: "ears", units_estimate: { audio_seconds: 0.0001 } }, 110],
    ["a model that costs nothing", { model: "free-model", tokens_input_estimate: 9, max_tokens: 99 }, 0],
  ])("%s", async (name, question, amount) => {
    const user = await gate.createUser()
    const base = { call_id: name, user_id: user.id, tokens_input_estimate: 0, max_tokens: null }
    const body = await gate.grant({ ...base, ...question })
    expect(body).toMatchObject({ max_tokens: question.max_tokens ?? 0, clamped: false })
    expect(gate.hold(name).amount_nano).toBe(amount)
  })
})

describe("the clamp", () => {
  it("cuts max_tokens to what the tightest scope has left, to the last token", async () => {
    const user = await gate.createUser()
    const body = await gate.grant({ call_id: "wide", user_id: user.id, max_tokens: 1_000_000_000 })
    const tokens = Math.floor(EUR / NANO_PER_TOKEN)
    expect(body).toMatchObject({ max_tokens: tokens - 100, clamped: true, available: eur(EUR - tokens * NANO_PER_TOKEN) })
    expect(gate.hold("wide")).toMatchObject({ clamped: 1, max_tokens: tokens - 100, amount_nano: tokens * NANO_PER_TOKEN })
    expect(await gate.ask({ user_id: user.id, tokens_input_estimate: 0, max_tokens: 1 })).toMatchObject({ allowed: false })
    expect(await gate.ask({ user_id: user.id, model: "free-model" })).toMatchObject({ allowed: true, max_tokens: 100 })
  })

  it("leaves a call with less than 16 tokens of answer to a refusal, and grants 16", async () => {
    const user = await gate.createUser()
    const spent = Math.floor(EUR / NANO_PER_TOKEN) - 115
    await gate.settle(user.id, spent)
    const refused = await gate.ask({ user_id: user.id })
    expect(refused).toMatchObject({ allowed: false, code: "budget_exhausted" })
    expect(gate.refusal(refused.refusal_id)?.needed_nano).toBe(116 * NANO_PER_TOKEN)
    expect(await gate.grant({ user_id: user.id, tokens_input_estimate: 99 })).toMatchObject({ max_tokens: 16, clamped: true })
  })

  it("goes by the tenant's money when its users' limits together are wider", async () => {
    const other = await gate.ofAnotherTenant()
    const user = await other.createUser()
    await other.adjust("user", user.id, "5")
    const tokens = Math.floor(EUR / NANO_PER_TOKEN)
    const body = await other.grant({ user_id: user.id, tokens_input_estimate: 0, max_tokens: 5_000_000 })
    expect(body).toMatchObject({ max_tokens: tokens, clamped: true })
  })
})

it("the first call of a tenant's user whose budgets nobody opened is granted all the same", async () => {
  const user = await gate.createUser()
  await gate.platform.restart({ clock: "2027-03-05T10:00:00Z" })
  expect(await gate.grant({ user_id: user.id })).toMatchObject({ available: eur(EUR - 200 * NANO_PER_TOKEN) })
  expect(gate.budget("user", user.id).resets_at).toBe("2027-03-31 22:00:00.000Z")
})

it("the books are sound", async () => {
  const { code, output } = await gate.platform.doctor()
  expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
})
