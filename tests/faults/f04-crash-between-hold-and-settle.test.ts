/** F4: the server dies between hold and settlement. The hold stands, runs out, and the late event books the cost exactly once. */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, inMs, NANO_PER_TOKEN } from "../http/gate"
import { expectSoundBooks, runCron, seededRandom, waitUntil } from "./books"

const ALL = { tokens_input_estimate: 0, max_tokens: Math.floor(EUR / NANO_PER_TOKEN) }
const KILLS = 5

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

describe("killed after a call was authorized", () => {
  it("the hold stands, expires in time, its money is there again, and the event that comes late is booked once", async () => {
    const user = await gate.createUser()
    const started = new Date().toISOString()
    const { hold_id } = await gate.grant({ call_id: "all", user_id: user.id, ...ALL })
    await gate.platform.kill()
    await gate.platform.restart()
    expect(gate.hold("all")).toMatchObject({ id: hold_id, state: "open" })
    expect(await gate.ask({ user_id: user.id })).toMatchObject({ allowed: false, held: eur(ALL.max_tokens * NANO_PER_TOKEN) })
    expect(await gate.grant({ call_id: "all", user_id: user.id, ...ALL })).toMatchObject({ hold_id })

    await gate.platform.restart({ clock: inMs(11 * 60_000) })
    await runCron(gate.platform, "expire-holds")
    await waitUntil("the hold has expired", () => gate.hold("all").state === "expired")
    expect(await gate.grant({ call_id: "next", user_id: user.id, ...ALL })).toMatchObject({ clamped: false })
    await gate.release({ call_id: "next" })

    const event = { event_id: "late", call_id: "all", timestamp: started }
    for (const verdict of ["accepted", "duplicate", "duplicate"]) {
      expect(await gate.settle(user.id, 400_000, event)).toMatchObject({ verdict, cost: eur(400_000 * NANO_PER_TOKEN) })
      await gate.platform.kill()
      await gate.platform.restart()
    }
    expect(gate.hold("all")).toMatchObject({ state: "settled", settled_by: "late" })
    expect(gate.budget("user", user.id).used_nano).toBe(400_000 * NANO_PER_TOKEN)
    await gate.platform.restart({ clock: inMs(0) })
  })
})

describe(`killed ${KILLS} times while clients ask and settle`, () => {
  interface Call {
    call_id: string
    hold_id: string
    settled: boolean
    settleSent: boolean
  }
  const calls: Call[] = []
  const random = seededRandom(4)
  let userId: string

  const settle = (call_id: string, timestamp: string) =>
    gate.settle(userId, 70, { event_id: `of ${call_id}`, call_id, timestamp })

  /** Until the server is gone; half of the calls are settled at once. A broken connection says nothing. */
  async function clientUntilDead(round: number, index: number, timestamp: string): Promise<void> {
    for (let n = 0; ; n++) {
      const call_id = `kill-${round}-${index}-${n}`
      const answer = await gate.authorize({ call_id, user_id: userId }).catch(() => null)
      if (answer === null) return
      expect(answer.body).toMatchObject({ allowed: true })
      const call: Call = { call_id, hold_id: answer.body.hold_id, settled: false, settleSent: n % 2 === 0 }
      calls.push(call)
      if (!call.settleSent) continue
      call.settled = (await settle(call_id, timestamp).catch(() => null)) !== null
      if (!call.settled) return
    }
  }

  it("every hold that was granted is there, every call is settled once, and the sums are exact", async () => {
    userId = (await gate.createUser({ budget_included: 100 })).id
    const timestamp = new Date().toISOString()
    for (let round = 0; round < KILLS; round++) {
      const before = calls.length
      const clients = Array.from({ length: 8 }, (_, index) => clientUntilDead(round, index, timestamp))
      while (calls.length < before + 8) await sleep(1)
      await sleep(Math.floor(random() * 150))
      await gate.platform.kill()
      await Promise.all(clients)
      await gate.platform.restart()
      const stored = new Map(gate.holds().map((row) => [row.call_id, row]))
      for (const call of calls) {
        expect(stored.get(call.call_id)).toMatchObject({ id: call.hold_id })
        if (call.settled) expect(stored.get(call.call_id)?.state).toBe("settled")
        if (!call.settleSent) expect(stored.get(call.call_id)?.state).toBe("open")
      }
    }
    for (const call of calls) await settle(call.call_id, timestamp)
    const holds = gate.holds().filter((row) => row.user_id === userId)
    expect(
      holds.filter((row) => calls.some((call) => call.call_id === row.call_id && row.settled_by !== `of ${call.call_id}`)),
    ).toEqual([])
    expect(gate.budget("user", userId).used_nano).toBe(calls.length * 70 * NANO_PER_TOKEN)
  })

  it("holds whose answer was lost run out like any other", async () => {
    await gate.platform.restart({ clock: inMs(11 * 60_000) })
    await runCron(gate.platform, "expire-holds")
    await waitUntil("no hold is open", () => gate.holds().every((row) => row.state !== "open"))
  })
})

it("the books are sound", () => expectSoundBooks(gate.platform))
