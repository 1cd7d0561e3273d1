/** F3: everybody asks at once. No scope is promised more than it has, exactly as many calls run as it can pay for, nothing leaks. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, Gate, inMs, NANO_PER_TOKEN } from "../http/gate"
import { expectSoundBooks, runCron, seededRandom, waitUntil } from "./books"

const CLIENTS = 64

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

interface Sums {
  open: number
  calls: number
}
const sums = (of: Gate): Sums =>
  of.platform.sql<Sums>(
    "SELECT coalesce(sum(amount_nano), 0) AS open, count(*) AS calls FROM holds WHERE tenant_id = ? AND state = 'open'",
    [of.tenant.id],
  )[0] as Sums
const remaining = (of: Gate, scope: "tenant" | "user" | "api_key", userId = "") => {
  const row = of.budget(scope, userId)
  return row.total_nano - row.used_nano
}

describe("200 calls at once on one euro", () => {
  it("hold at most one euro, cost at most one euro, and leave no hold behind", async () => {
    const own = await gate.ofAnotherTenant()
    const random = seededRandom(200)
    const users = await Promise.all(Array.from({ length: 4 }, () => own.createUser({ budget_included: 0.25 })))
    for (const user of users) await own.adjust("user", user.id, "1")
    const question = (i: number) => ({
      ...{ call_id: `burst-${i}`, user_id: users[i % 4]?.id, tokens_input_estimate: Math.floor(random() * 3_000) },
      max_tokens: 1 + Math.floor(random() * 12_000),
    })
    const questions = Array.from({ length: 200 }, (_, i) => question(i))
    const answers = await Promise.all(questions.map((one) => own.ask(one)))
    const granted = questions.flatMap((one, i) =>
      answers[i].allowed ? [{ ...one, max_tokens: answers[i].max_tokens as number }] : [],
    )
    expect(granted.length, "some run").toBeGreaterThan(50)
    expect(granted.length, "and some do not").toBeLessThan(200)
    for (const body of answers) if (!body.allowed) expect(body).toMatchObject({ code: "budget_exhausted", scope: "tenant" })
    expect(own.budget("tenant").total_nano).toBe(EUR)
    expect(sums(own).calls).toBe(granted.length)
    expect(sums(own).open).toBeLessThanOrEqual(EUR)
    expect(sums(own).open, "what is left is of no use").toBeGreaterThan(EUR - 3_016 * NANO_PER_TOKEN)

    const [silent, heard] = [granted.slice(0, 5), granted.slice(5)]
    await Promise.all(
      heard.map((call) =>
        own.settle(call.user_id as string, call.tokens_input_estimate, {
          ...{
            event_id: `of ${call.call_id}`,
            call_id: call.call_id,
            tokens_output: Math.floor(random() * (call.max_tokens + 1)),
          },
        }),
      ),
    )
    expect(remaining(own, "tenant")).toBeGreaterThanOrEqual(0)
    expect(sums(own).calls).toBe(silent.length)
    for (const user of users) expect(remaining(own, "user", user.id)).toBeGreaterThanOrEqual(0)

    await gate.platform.restart({ clock: inMs(11 * 60_000) })
    await runCron(gate.platform, "expire-holds")
    await waitUntil("no hold is open after its time", () => sums(own).calls === 0)
    expect(own.holds().filter((row) => row.state === "expired")).toHaveLength(silent.length)
    await gate.platform.restart({ clock: inMs(0) })
  })
})

/** Without output tokens there is nothing to clamp: a call costs this much or does not run. */
const CALL = { tokens_input_estimate: 10_000, max_tokens: 0 }
const COST = 10_000 * NANO_PER_TOKEN

describe(`${CLIENTS} clients on one user`, () => {
  it("run exactly as many calls as the budget can pay for, settled while others ask", async () => {
    const user = await gate.createUser()
    await gate.createUser({ budget_included: 10 })
    let passed = 0
    const client = async (index: number) => {
      for (let n = 0; ; n++) {
        const call_id = `client-${index}-${n}`
        const body = await gate.ask({ call_id, user_id: user.id, ...CALL })
        if (!body.allowed) return expect(body).toMatchObject({ code: "budget_exhausted", scope: "user" })
        passed += 1
        expect(await gate.settle(user.id, 10_000, { call_id })).toMatchObject({ verdict: "accepted" })
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)))
    expect(passed).toBe(Math.floor(EUR / COST))
    expect(remaining(gate, "user", user.id)).toBe(EUR - passed * COST)
    expect(gate.holds().filter((row) => row.user_id === user.id && row.state !== "settled")).toEqual([])
  })

  it("by two keys with a limit each: each key runs what its limit can pay for", async () => {
    const user = await gate.createUser()
    await gate.createUser({ budget_included: 10 })
    const keys = [await gate.createKey(user, { limit: "0.2" }), await gate.createKey(user, { limit: "0.1" })]
    const ask = (_: unknown, i: number) => gate.ask({ user_id: user.id, api_key_id: keys[i % 2]?.id, ...CALL })
    const answers = await Promise.all(Array.from({ length: CLIENTS }, ask))
    const passed = [0, 1].map((key) => answers.filter((body, i) => i % 2 === key && body.allowed).length)
    expect(passed).toEqual([Math.floor((0.2 * EUR) / COST), Math.floor((0.1 * EUR) / COST)])
  })

  it("by two keys at 20 calls a minute: exactly 20 pass", async () => {
    const user = await gate.createUser({ rate_limit: 20, budget_included: 10 })
    const keys = [await gate.createKey(user), await gate.createKey(user)]
    const ask = (_: unknown, i: number) => gate.ask({ user_id: user.id, api_key_id: keys[i % 2]?.id })
    const answers = await Promise.all(Array.from({ length: CLIENTS }, ask))
    expect(answers.filter((body) => body.allowed)).toHaveLength(20)
    for (const body of answers) if (!body.allowed) expect(body).toMatchObject({ code: "rate_limited", limit: "20", used: "20" })
  })
})

it("the books are sound", () => expectSoundBooks(gate.platform))
