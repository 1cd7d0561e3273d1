/** The guarantee: a call id is one call: asked again it has the same hold and more time, and once it has ended it is over. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, inMs, MODEL, NANO_PER_TOKEN } from "../gate"

const MINUTE_MS = 60_000

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

let ahead = 0
async function moveClock(minutes: number): Promise<void> {
  ahead = minutes
  await gate.platform.restart({ clock: inMs(minutes * MINUTE_MS) })
}
afterEach(async () => {
  if (ahead > 0) await moveClock(0)
})

describe("asked again while it runs", () => {
  it("is the same hold, whatever it asks for now, with its time extended", async () => {
    const user = await gate.createUser()
    const first = await gate.ask({ call_id: "again", user_id: user.id, max_tokens: 500 })
    await moveClock(7)
    const second = await gate.ask({ call_id: "again", user_id: user.id, max_tokens: 9_000, tokens_input_estimate: 5_000 })
    expect(second).toEqual({ ...first, expires_at: expect.any(String) })
    expect(Date.parse(second.expires_at) - Date.parse(first.expires_at)).toBeGreaterThanOrEqual(7 * MINUTE_MS - 2_000)
    expect(gate.holds().filter((row) => row.call_id === "again")).toHaveLength(1)
    expect(gate.hold("again").amount_nano).toBe(600 * NANO_PER_TOKEN)
    await moveClock(14)
    expect(await gate.ask({ call_id: "again", user_id: user.id })).toMatchObject({ hold_id: first.hold_id })
  })

  it("32 times at once is one hold", async () => {
    const user = await gate.createUser()
    const answers = await Promise.all(Array.from({ length: 32 }, () => gate.ask({ call_id: "at-once", user_id: user.id })))
    expect(new Set(answers.map((body) => body.hold_id))).toEqual(new Set([gate.hold("at-once").id]))
  })

  it("by two users at once belongs to one of them, to the other it is a conflict", async () => {
    const users = [await gate.createUser(), await gate.createUser()]
    for (let round = 0; round < 5; round++) {
      const call_id = `race-${round}`
      const ask = (_: unknown, i: number) => gate.authorize({ call_id, user_id: users[i % 2]?.id })
      const answers = await Promise.all(Array.from({ length: 16 }, ask))
      const owner = users.findIndex((user) => user.id === gate.hold(call_id).user_id)
      const expected = answers.map((_, i) => (i % 2 === owner ? 200 : 409))
      expect(answers.map((answer) => answer.status)).toEqual(expected)
    }
  })

  it("is no new call for the rate and the parallel limit", async () => {
    const user = await gate.createUser({ rate_limit: 1, max_parallel: 1 })
    for (let i = 0; i < 3; i++) expect(await gate.ask({ call_id: "repeat", user_id: user.id })).toMatchObject({ allowed: true })
    expect(await gate.ask({ call_id: "another", user_id: user.id })).toMatchObject({ code: "rate_limited" })
  })

  it("in another tenant is another call", async () => {
    const other = await gate.ofAnotherTenant()
    const mine = await gate.grant({ call_id: "shared-id", user_id: (await gate.createUser()).id })
    const theirs = await other.grant({ call_id: "shared-id", user_id: (await other.createUser()).id })
    expect(mine.hold_id).not.toBe(theirs.hold_id)
  })
})

describe("a call id of another call", () => {
  it.each(["open", "expired", "expired and swept"])("whose hold is %s: a conflict, and nothing changes", async (state) => {
    const [user, colleague] = [await gate.createUser(), await gate.createUser()]
    const key = await gate.createKey(user)
    const call_id = `conflict ${state}`
    await gate.grant({ call_id, user_id: user.id })
    if (state !== "open") await moveClock(11)
    if (state.endsWith("swept")) await sweep(call_id)
    const before = gate.hold(call_id)
    for (const other of [
      { user_id: colleague.id },
      { user_id: user.id, model: "embed" },
      { user_id: user.id, api_key_id: key.id },
    ]) {
      const answer = await gate.authorize({ call_id, ...other })
      expect([answer.status, answer.body.code, answer.body.data], JSON.stringify(other)).toEqual([
        409,
        "conflict",
        { path: "call_id" },
      ])
    }
    expect(gate.hold(call_id)).toEqual(before)
  })
})

describe("asked again when it has ended", () => {
  it.each([
    ["settled", (callId: string, userId: string) => gate.settle(userId, 10, { call_id: callId })],
    ["released", (callId: string) => gate.release({ call_id: callId })],
  ])("%s: a conflict", async (state, end) => {
    const user = await gate.createUser()
    await gate.grant({ call_id: `ended-${state}`, user_id: user.id })
    await end(`ended-${state}`, user.id)
    const answer = await gate.authorize({ call_id: `ended-${state}`, user_id: user.id })
    expect([answer.status, answer.body.code]).toEqual([409, "conflict"])
    expect(answer.body.message).toContain(state)
    expect(gate.hold(`ended-${state}`).state).toBe(state)
  })
})

describe("asked again after its time", () => {
  /** All of one euro. */
  const ALL = { tokens_input_estimate: 0, max_tokens: Math.floor(EUR / NANO_PER_TOKEN) }

  it.each(["swept", "not swept yet"])("%s: held anew if there is still money", async (which) => {
    const user = await gate.createUser()
    const call_id = `late ${which}`
    const first = await gate.grant({ call_id, user_id: user.id, ...ALL })
    await moveClock(11)
    if (which === "swept") await sweep(call_id)
    const second = await gate.ask({ call_id, user_id: user.id, ...ALL })
    expect(second).toMatchObject({ allowed: true, hold_id: first.hold_id, max_tokens: ALL.max_tokens })
    expect(Date.parse(second.expires_at)).toBeGreaterThan(Date.now() + 20 * MINUTE_MS)
    expect(gate.hold(call_id)).toMatchObject({ state: "open", amount_nano: ALL.max_tokens * NANO_PER_TOKEN })
  })

  it.each(["swept", "not swept yet"])("%s: refused if another call has taken the money meanwhile", async (which) => {
    const user = await gate.createUser()
    const call_id = `too late ${which}`
    await gate.grant({ call_id, user_id: user.id, ...ALL })
    await moveClock(11)
    await gate.grant({ call_id: `taken ${which}`, user_id: user.id, ...ALL })
    if (which === "swept") await sweep(call_id)
    expect(await gate.ask({ call_id, user_id: user.id, ...ALL })).toMatchObject({
      ...{ allowed: false, code: "budget_exhausted", held: eur(ALL.max_tokens * NANO_PER_TOKEN) },
    })
  })

  it("refused if the model is not allowed any more", async () => {
    const user = await gate.createUser({ models: [MODEL] })
    await gate.grant({ call_id: "model gone", user_id: user.id })
    await moveClock(11)
    const narrower = await gate.platform.createProduct({ models: ["embed"], rate_limit: 0 })
    await gate.platform.superuser.collection("users").update(user.id, { product_id: narrower.id })
    expect(await gate.ask({ call_id: "model gone", user_id: user.id })).toMatchObject({ code: "model_not_allowed" })
  })
})

/** Until the cron has marked the hold, which it does in the background. */
async function sweep(callId: string): Promise<void> {
  await gate.platform.asSuperuser("POST", "/api/crons/expire-holds")
  await expect.poll(() => gate.hold(callId).state, { timeout: 10_000 }).toBe("expired")
}

it("the books are sound", async () => {
  const { code, output } = await gate.platform.doctor()
  expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
})
