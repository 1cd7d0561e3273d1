/** The guarantee: the event of a call settles its hold once, at the real cost, whatever was held; failures that cost nothing do not. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, inMs, NANO_PER_TOKEN } from "./gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const used = (userId: string) => gate.budget("user", userId).used_nano
const heldOf = async (user: { email: string; password: string }) => {
  const { body } = await gate.platform.request("GET", "/api/budget", { token: await gate.platform.tokenOf(user) })
  return Object.fromEntries(
    body.budgets.map((row: { scope: string; held: string; remaining: string }) => [row.scope, [row.held, row.remaining]]),
  )
}

describe("a call that ran", () => {
  it.each(["hold_id", "call_id", "both"])("is settled by %s, at what it cost", async (by) => {
    const user = await gate.createUser()
    const call_id = `ran-${by}`
    const { hold_id } = await gate.grant({ call_id, user_id: user.id })
    const ids = { ...(by === "call_id" ? {} : { hold_id }), ...(by === "hold_id" ? {} : { call_id }) }
    const result = await gate.settle(user.id, 70, { event_id: `event-${by}`, ...ids })
    expect(result).toMatchObject({ verdict: "accepted", cost: eur(70 * NANO_PER_TOKEN) })
    expect(gate.hold(call_id)).toMatchObject({ state: "settled", settled_by: `event-${by}`, amount_nano: 200 * NANO_PER_TOKEN })
    expect(used(user.id)).toBe(70 * NANO_PER_TOKEN)
    const next = await gate.grant({ user_id: user.id })
    expect(next.available).toBe(eur(EUR - 270 * NANO_PER_TOKEN))
  })

  it("and cost more than was held is booked in full", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "dearer", user_id: user.id })
    await gate.settle(user.id, 1_000_000, { call_id: "dearer" })
    expect(used(user.id)).toBe(1_000_000 * NANO_PER_TOKEN)
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ code: "budget_exhausted", held: eur(0) })
  })

  it("is shown as held until it is settled, on every budget that it concerns", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    const key = await own.createKey(user, { limit: "0.5" })
    await own.grant({ call_id: "shown", user_id: user.id, api_key_id: key.id })
    await own.grant({ call_id: "in the chat", user_id: user.id })
    const each = 200 * NANO_PER_TOKEN
    expect(await heldOf(user)).toEqual({
      tenant: [eur(2 * each), eur(EUR)],
      user: [eur(2 * each), eur(EUR)],
      api_key: [eur(each), eur(EUR / 2)],
    })
    await own.settle(user.id, 50, { call_id: "shown", api_key_id: key.id })
    const left = (total: number) => eur(total - 50 * NANO_PER_TOKEN)
    expect(await heldOf(user)).toEqual({
      tenant: [eur(each), left(EUR)],
      user: [eur(each), left(EUR)],
      api_key: [eur(0), left(EUR / 2)],
    })
  })

  it("is settled with its batch's neighbours, each by its own event", async () => {
    const user = await gate.createUser()
    const calls = Array.from({ length: 20 }, (_, i) => `batch-${i}`)
    for (const call_id of calls) await gate.grant({ call_id, user_id: user.id })
    const events = calls.map((call_id, i) => ({
      ...{ event_id: `of ${call_id}`, call_id, user_id: user.id, model: "counted-model", tokens_input: i, tokens_output: 0 },
      ...{ status: "success", timestamp: new Date().toISOString() },
    }))
    await gate.platform.ingest(gate.tenant.ingestKey, { events })
    for (const call_id of calls) expect(gate.hold(call_id)).toMatchObject({ state: "settled", settled_by: `of ${call_id}` })
  })

  it("at a model without a price is settled, too: it was spent", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "rerouted", user_id: user.id })
    expect(await gate.settle(user.id, 5, { call_id: "rerouted", model: "surprise" })).toMatchObject({ verdict: "quarantined" })
    expect(gate.hold("rerouted").state).toBe("settled")
  })

  it("from our cache is settled at nothing", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "cached", user_id: user.id })
    expect(await gate.settle(user.id, 500, { call_id: "cached", cache_hit: true })).toMatchObject({ cost: eur(0) })
    expect(gate.hold("cached").state).toBe("settled")
  })
})

describe("a call that failed", () => {
  it("without tokens leaves the hold for the fallback that may still run, and is no success that settles", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "fallback", user_id: user.id })
    const failure = { call_id: "fallback", status: "failure" }
    expect(await gate.settle(user.id, 0, failure)).toMatchObject({ verdict: "accepted", cost: eur(0) })
    expect(gate.hold("fallback").state).toBe("open")
    await gate.settle(user.id, 30, { call_id: "fallback", event_id: "by-fallback" })
    expect(gate.hold("fallback")).toMatchObject({ state: "settled", settled_by: "by-fallback" })
    expect(used(user.id)).toBe(30 * NANO_PER_TOKEN)
  })

  it.each([
    ["with tokens", { tokens_input: 40 }],
    ["after it was aborted", { tokens_input: 40, aborted: true, usage_estimated: true }],
  ])("%s settles it at what was used", async (name, changes) => {
    const user = await gate.createUser()
    await gate.grant({ call_id: name, user_id: user.id })
    await gate.settle(user.id, 0, { call_id: name, status: "failure", ...changes })
    expect(gate.hold(name).state).toBe("settled")
    expect(used(user.id)).toBe(40 * NANO_PER_TOKEN)
  })
})

describe("nothing is settled twice", () => {
  it("by the same event again, nor by another event of the call; what was used is booked all the same", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "twice", user_id: user.id })
    const event = { event_id: "first", call_id: "twice", timestamp: new Date().toISOString() }
    await gate.settle(user.id, 10, event)
    const before = gate.hold("twice")
    expect(await gate.settle(user.id, 10, event)).toMatchObject({ verdict: "duplicate" })
    expect(await gate.settle(user.id, 10, { call_id: "twice" })).toMatchObject({ verdict: "accepted" })
    expect(gate.hold("twice")).toEqual(before)
    expect(used(user.id)).toBe(20 * NANO_PER_TOKEN)
  })

  it("a released hold stays released, and the event of its call is booked", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "given back", user_id: user.id })
    await gate.release({ call_id: "given back" })
    await gate.settle(user.id, 10, { call_id: "given back" })
    expect(gate.hold("given back")).toMatchObject({ state: "released", settled_by: "" })
    expect(used(user.id)).toBe(10 * NANO_PER_TOKEN)
  })

  it("an event that is rejected or conflicts settles nothing", async () => {
    const user = await gate.createUser()
    await gate.grant({ call_id: "kept", user_id: user.id })
    await gate.settle(user.id, 1, { event_id: "taken" })
    expect(await gate.settle(user.id, 2, { event_id: "taken", call_id: "kept" })).toMatchObject({ verdict: "conflict" })
    expect(await gate.settle(user.id, -2, { call_id: "kept" })).toMatchObject({ verdict: "rejected" })
    expect(gate.hold("kept").state).toBe("open")
  })
})

describe("an event that comes late", () => {
  it.each(["swept", "not swept yet"])(
    "when the hold has expired (%s): the cost is booked once, the hold says by what",
    async (which) => {
      const user = await gate.createUser()
      const call_id = `late ${which}`
      await gate.grant({ call_id, user_id: user.id })
      await gate.platform.restart({ clock: inMs(11 * 60_000) })
      if (which === "swept") {
        await gate.platform.asSuperuser("POST", "/api/crons/expire-holds")
        await expect.poll(() => gate.hold(call_id).state, { timeout: 10_000 }).toBe("expired")
      }
      expect((await heldOf(user)).user).toEqual([eur(0), eur(EUR)])
      const event = { event_id: `of ${call_id}`, call_id, timestamp: new Date().toISOString() }
      await gate.settle(user.id, 60, event)
      await gate.settle(user.id, 60, event)
      expect(gate.hold(call_id)).toMatchObject({ state: "settled", settled_by: `of ${call_id}` })
      expect(used(user.id)).toBe(60 * NANO_PER_TOKEN)
      await gate.platform.restart({ clock: inMs(0) })
    },
  )
})

describe("another tenant's hold", () => {
  it("is not settled by its id, nor by a call id that both use", async () => {
    const other = await gate.ofAnotherTenant()
    const theirs = await other.grant({ call_id: "both use", user_id: (await other.createUser()).id })
    const user = await gate.createUser()
    await gate.settle(user.id, 5, { hold_id: theirs.hold_id })
    await gate.settle(user.id, 5, { call_id: "both use" })
    expect(other.hold("both use").state).toBe("open")
  })

  it("named by mistake does not keep the call's own hold open", async () => {
    const other = await gate.ofAnotherTenant()
    const theirs = await other.grant({ user_id: (await other.createUser()).id })
    const user = await gate.createUser()
    await gate.grant({ call_id: "own", user_id: user.id })
    await gate.settle(user.id, 5, { hold_id: theirs.hold_id, call_id: "own" })
    expect(gate.hold("own").state).toBe("settled")
  })
})

it("the books are sound", async () => {
  const { code, output } = await gate.platform.doctor()
  expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
})
