/** The guarantee: calls per minute and calls at a time hold whoever asks, and a limit that is reached says when it lifts. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, inMs } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

describe("calls per minute", () => {
  it("are counted per user, whatever becomes of the calls and whatever key they come by", async () => {
    const user = await gate.createUser({ rate_limit: 3 })
    const key = await gate.createKey(user)
    const first = await gate.ask({ call_id: "r1", user_id: user.id })
    await gate.release({ call_id: "r1" })
    await gate.grant({ call_id: "r2", user_id: user.id, api_key_id: key.id })
    await gate.settle(user.id, 5, { call_id: "r2" })
    await gate.grant({ call_id: "r3", user_id: user.id })
    const body = await gate.ask({ call_id: "r4", user_id: user.id, api_key_id: key.id })
    expect(body).toMatchObject({ allowed: false, code: "rate_limited", scope: "user", limit: "3", used: "3", can_fix: ["user"] })
    expect(body).not.toHaveProperty("held")
    const began = Date.parse(first.expires_at) - 10 * 60_000
    expect(Date.parse(body.resets_at)).toBe(began + 60_000)
    expect(gate.refusal(body.refusal_id)).toMatchObject({ limit_value: 3, used_value: 3, resets_at: body.resets_at })
    expect(await gate.ask({ user_id: (await gate.createUser({ rate_limit: 3 })).id })).toMatchObject({ allowed: true })
  })

  it("are no longer counted when they are a minute old; what was refused never is", async () => {
    const user = await gate.createUser({ rate_limit: 1 })
    await gate.grant({ user_id: user.id })
    for (let i = 0; i < 3; i++) expect(await gate.ask({ user_id: user.id })).toMatchObject({ code: "rate_limited" })
    await gate.platform.restart({ clock: inMs(61_000) })
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ allowed: true })
    await gate.platform.restart({ clock: inMs(0) })
  })

  it("of 24 at once exactly 7 pass", async () => {
    const user = await gate.createUser({ rate_limit: 7 })
    const answers = await Promise.all(Array.from({ length: 24 }, () => gate.ask({ user_id: user.id })))
    expect(answers.filter((body) => body.allowed)).toHaveLength(7)
    expect(new Set(answers.filter((body) => !body.allowed).map((body) => body.code))).toEqual(new Set(["rate_limited"]))
  })
})

describe("calls at a time", () => {
  it("of the user: one that ends makes room for one", async () => {
    const user = await gate.createUser({ max_parallel: 2 })
    await gate.grant({ call_id: "p1", user_id: user.id })
    await gate.grant({ call_id: "p2", user_id: user.id })
    const third = { call_id: "p3", user_id: user.id }
    const body = await gate.ask(third)
    expect(body).toMatchObject({ code: "too_many_parallel", scope: "user", limit: "2", used: "2", can_fix: ["user"] })
    expect(body).not.toHaveProperty("resets_at")
    await gate.release({ call_id: "p1" })
    expect(await gate.ask(third)).toMatchObject({ allowed: true })
    expect(await gate.ask({ call_id: "p4", user_id: user.id })).toMatchObject({ code: "too_many_parallel" })
    await gate.settle(user.id, 5, { call_id: "p2" })
    expect(await gate.ask({ call_id: "p4", user_id: user.id })).toMatchObject({ allowed: true })
  })

  it("of a key: other keys and the chat go on", async () => {
    const user = await gate.createUser()
    const [narrow, wide] = [await gate.createKey(user, { max_parallel: 1 }), await gate.createKey(user)]
    const by = (id: string) => gate.ask({ user_id: user.id, api_key_id: id })
    expect(await by(narrow.id)).toMatchObject({ allowed: true })
    expect(await by(narrow.id)).toMatchObject({ code: "too_many_parallel", scope: "api_key", limit: "1", used: "1" })
    expect(await by(wide.id)).toMatchObject({ allowed: true })
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ allowed: true })
  })

  it("a call that ran out of time does not count", async () => {
    const user = await gate.createUser({ max_parallel: 1 })
    await gate.grant({ user_id: user.id })
    await gate.platform.restart({ clock: inMs(11 * 60_000) })
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ allowed: true })
    await gate.platform.restart({ clock: inMs(0) })
  })

  it("of 24 at once exactly 5 pass, by two keys", async () => {
    const user = await gate.createUser({ max_parallel: 5 })
    const keys = [await gate.createKey(user), await gate.createKey(user)]
    const ask = (_: unknown, i: number) => gate.ask({ user_id: user.id, api_key_id: keys[i % 2]?.id })
    const answers = await Promise.all(Array.from({ length: 24 }, ask))
    expect(answers.filter((body) => body.allowed)).toHaveLength(5)
  })
})
