/** F8: LiteLLM ends, by SIGKILL or politely, with calls under way and usage undelivered. What was answered is billed all the same. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import { type Booked, type Call, Stage } from "./stage"

const AUTHORIZE = "/api/usage/authorize"

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  // Patient, so that calls can be caught while they wait for the platform's word.
  litellm = await stage.startLitellm({ workers: 2, env: { CF_CENTER_TIMEOUT_SECONDS: "60" } })
})
afterAll(() => stage?.clear(litellm))

describe("SIGKILL of all its processes", () => {
  let undelivered: Call[]
  let underWay: Promise<Call[]>
  const idsOf = async (state: string) =>
    (await litellm.spoolRows()).calls.filter((call) => call.state === state).map((call) => call.call_id)
  let sent: string[]
  let held: string[]
  let holds: Map<string, number>

  beforeAll(async () => {
    await stage.center.become({ kind: "status", status: 503, retryAfter: 1 }, (path) => path === "/api/usage/events")
    undelivered = await stage.callMany(litellm, 30)
    await waitUntil("all of it is logged", async () => (await litellm.spoolRows()).events.length === 30)
    // Six that the provider answers into nothing, four streams of which a part has come.
    await stage.provider.become({ kind: "mute after commit" })
    const plain = Array.from({ length: 6 }, () => stage.call(litellm))
    await waitUntil("they have reached the provider", () => stage.reached().length === 36)
    await stage.provider.become({ kind: "trickle", ms: 400 })
    const streams = Array.from({ length: 4 }, () => stage.call(litellm, { stream: true }))
    await waitUntil("something of each stream is written down", async () => {
      return (await litellm.spoolRows()).calls.filter((call) => call.output_so_far > 0).length === 4
    })
    // Five whose hold is placed, but its answer never comes.
    await stage.center.become({ kind: "mute after commit" }, (path) => path === AUTHORIZE)
    const asking = Array.from({ length: 5 }, () => stage.call(litellm))
    await waitUntil("their holds are placed", async () => (await idsOf("held")).length === 5 && stage.openHolds().length >= 15)
    ;[sent, held] = [await idsOf("sent"), await idsOf("held")]
    holds = new Map(stage.openHolds().map((hold) => [hold.call_id, hold.amount_nano]))
    underWay = Promise.all([...plain, ...streams, ...asking])
    await litellm.kill("SIGKILL")
    await underWay
    await stage.provider.become({ kind: "pass" })
    await stage.center.become({ kind: "pass" })
    await litellm.restart()
    await litellm.delivered(60_000)
  })

  it("delivers after the restart what was answered and logged, with the provider's counts", async () => {
    expect(undelivered.filter((call) => call.status !== 200)).toEqual([])
    stage.expectAllBookedOnce(new Set(sent))
    await stage.expectNoGaps(litellm)
  })

  it("books each call that had gone to the provider once, by estimate, at most what was held for it", () => {
    expect(sent).toHaveLength(10)
    const rows = sent.map((id) => stage.booked().filter((row) => row.event_id === id))
    for (const found of rows) {
      expect(found).toHaveLength(1)
      const [row] = found as [Booked]
      expect(row).toMatchObject({ price_status: "estimated", user_id: stage.person.id })
      expect(row.cost_nano).toBeGreaterThan(0)
      expect(row.cost_nano).toBeLessThanOrEqual(holds.get(row.event_id) as number)
    }
    expect(rows.filter(([row]) => (row as Booked).tokens_output > 0)).toHaveLength(4)
  })

  it("gives back the holds of calls that never went there, and books nothing for them", () => {
    expect(held).toHaveLength(5)
    expect(stage.booked().filter((row) => held.includes(row.event_id))).toEqual([])
    expect(stage.openHolds()).toEqual([])
    expect(stage.booked()).toHaveLength(40)
  })

  it("leaves the books sound", () => stage.expectSoundBooks())
})

describe("SIGTERM with streams under way", () => {
  it("clients get their streams to the end, and each is booked with the provider's counts", async () => {
    await stage.provider.become({ kind: "trickle", ms: 150 })
    const reached = stage.reached().length
    const streams = Array.from({ length: 8 }, () => stage.call(litellm, { stream: true }))
    await waitUntil("the streams run", () => stage.reached().length === reached + 8)
    await litellm.kill("SIGTERM")
    for (const call of await Promise.all(streams)) expect(call).toMatchObject({ status: 200, complete: true })
    // It did not leave before the last of them was written down.
    expect((await litellm.spoolRows()).calls).toEqual([])
    await stage.provider.become({ kind: "pass" })
    await litellm.restart()
    await litellm.delivered(60_000)
    const ids = (await Promise.all(streams)).map((call) => call.id)
    expect(stage.booked().filter((row) => ids.includes(row.event_id) && row.price_status === "priced")).toHaveLength(8)
    await stage.expectNoGaps(litellm)
    expect(stage.openHolds()).toEqual([])
    await stage.expectSoundBooks()
  })
})
