/** The guarantee: a hold that is given back counts no more, once; whatever is not an open hold of the tenant stays as it is. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, inMs, NANO_PER_TOKEN } from "./gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const ALL = { tokens_input_estimate: 0, max_tokens: Math.floor(EUR / NANO_PER_TOKEN) }

describe("an open hold", () => {
  it.each(["hold_id", "call_id"])("by %s is released, its money is there at once, and nothing was used", async (by) => {
    const user = await gate.createUser()
    const { hold_id } = await gate.grant({ call_id: `all-${by}`, user_id: user.id, ...ALL })
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ allowed: false, held: eur(ALL.max_tokens * NANO_PER_TOKEN) })
    expect(await gate.release(by === "hold_id" ? { hold_id } : { call_id: `all-${by}` })).toEqual({ released: true })
    expect(gate.hold(`all-${by}`)).toMatchObject({ state: "released", settled_by: "" })
    expect(await gate.grant({ user_id: user.id, ...ALL })).toMatchObject({ clamped: false, max_tokens: ALL.max_tokens })
    expect(gate.budget("user", user.id).used_nano).toBe(0)
  })
})

describe("released: false", () => {
  it("for what does not exist", async () => {
    expect(await gate.release({ hold_id: "nosuchhold" })).toEqual({ released: false })
    expect(await gate.release({ call_id: "no such call" })).toEqual({ released: false })
  })

  it("the second time, also of 16 at once", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "once", user_id: user.id })
    const answers = await Promise.all(Array.from({ length: 16 }, () => gate.release({ call_id: "once" })))
    expect(answers.filter((body) => body.released)).toHaveLength(1)
  })

  it("when the call was settled", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "done", user_id: user.id })
    await gate.settle(user.id, 5, { call_id: "done" })
    expect(await gate.release({ call_id: "done" })).toEqual({ released: false })
    expect(gate.hold("done").state).toBe("settled")
  })

  it("for another tenant's hold, by its id and by its call id", async () => {
    const other = await gate.ofAnotherTenant()
    const { hold_id } = await other.grant({ call_id: "theirs", user_id: (await other.createUser()).id })
    expect(await gate.release({ hold_id })).toEqual({ released: false })
    expect(await gate.release({ call_id: "theirs" })).toEqual({ released: false })
    expect(other.hold("theirs").state).toBe("open")
  })

  it("when the cron has found that its time is over", async () => {
    await gate.grant({ call_id: "over", user_id: (await gate.createUser()).id })
    await gate.platform.restart({ clock: inMs(11 * 60_000) })
    await gate.platform.asSuperuser("POST", "/api/crons/expire-holds")
    await expect.poll(() => gate.hold("over").state, { timeout: 10_000 }).toBe("expired")
    expect(await gate.release({ call_id: "over" })).toEqual({ released: false })
  })
})
