/**
 * What runs while the platform is away is the tenant's choice. `closed`: nothing, and nobody's money moves. `stale`: a little,
 * for people whom this proxy knows, up to an amount and for a time.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import type { Fault } from "../../support/unreliable-center"
import { type Call, type Person, Stage } from "./stage"

const AWAY: [Fault, string][] = [
  [{ kind: "refuse" }, "5"],
  [{ kind: "black hole" }, "5"],
  [{ kind: "cut after commit" }, "5"],
  [{ kind: "status", status: 500 }, "5"],
  [{ kind: "status", status: 503, retryAfter: 7 }, "7"],
  [{ kind: "status", status: 429, retryAfter: 9 }, "9"],
]
/** What a call of this test is taken off the allowance with: 1,000 tokens out at 0.60 per million, and a few in. */
const CALL_EUR = 0.0006

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  litellm = await stage.startLitellm({ env: { CF_OUTAGE_POLICY: "closed" } })
})
afterAll(() => stage?.clear(litellm))

async function expectServed(key?: string): Promise<void> {
  await waitUntil("the platform's word counts again", async () => (await stage.call(litellm, { key })).status === 200)
}

function expectRefused(calls: Call[], retryAfter: string): void {
  const refusal = { status: 503, code: "center_unavailable", retryAfter }
  expect(calls.filter((call) => call.stream)).not.toEqual([])
  for (const call of calls) expect(call).toMatchObject(refusal)
}

describe("closed", () => {
  it.each(AWAY)(
    "%j: 503 with Retry-After %s, nothing reaches the provider, nothing is booked or held",
    async (fault, retryAfter) => {
      await expectServed()
      await litellm.delivered()
      const [reached, booked] = [stage.reached().length, stage.booked().length]
      await stage.center.become(fault)
      expectRefused(await stage.callMany(litellm, 12), retryAfter)
      expect([stage.reached().length, stage.booked().length]).toEqual([reached, booked])
      await stage.center.become({ kind: "pass" })
      // Of a hold whose answer was lost nobody here knows whether it was placed: it is given back.
      await litellm.delivered(90_000)
      expect([stage.reached().length, stage.booked().length]).toEqual([reached, booked])
      expect(stage.openHolds()).toEqual([])
    },
  )
})

describe("stale", () => {
  let known: Person
  let poor: Person
  beforeAll(async () => {
    const env = { CF_OUTAGE_POLICY: "stale", CF_STALE_ALLOWANCE_EUR: String(10 * CALL_EUR + CALL_EUR / 2) }
    await stage.center.become({ kind: "pass" })
    await litellm.restart(env)
    ;[known, poor] = [await stage.newPerson(), await stage.newPerson()]
    for (const person of [known, poor]) expect(await stage.call(litellm, { key: person.key })).toMatchObject({ status: 200 })
  })

  it("refuses people whom it does not know yet", async () => {
    await stage.center.become({ kind: "refuse" })
    const reached = stage.reached().length
    const stranger = await stage.newPerson()
    expectRefused(await stage.callMany(litellm, 3, 1, { key: stranger.key }), "5")
    expect(stage.reached().length).toBe(reached)
  })

  it("serves a known person until their allowance is used up, also by parallel calls, and others after that", async () => {
    const reached = stage.reached().length
    const calls = await stage.callMany(litellm, 30, 15, { key: poor.key })
    expect(calls.filter((call) => call.status === 200)).toHaveLength(10)
    expectRefused(
      calls.filter((call) => call.status !== 200),
      "5",
    )
    expect(stage.reached().length).toBe(reached + 10)
    expect(await stage.call(litellm, { key: known.key })).toMatchObject({ status: 200 })
  })

  it("gives a new allowance only after the platform has spoken", async () => {
    expect(await stage.call(litellm, { key: poor.key })).toMatchObject({ status: 503 })
    await stage.center.become({ kind: "pass" })
    await expectServed(poor.key)
    await stage.center.become({ kind: "refuse" })
    expect(await stage.call(litellm, { key: poor.key })).toMatchObject({ status: 200 })
  })

  it("ends when the time is over", async () => {
    await stage.center.become({ kind: "pass" })
    await litellm.delivered(90_000)
    await litellm.restart({ CF_STALE_MAX_SECONDS: "4", CF_STALE_ALLOWANCE_EUR: "50" })
    expect(await stage.call(litellm)).toMatchObject({ status: 200 })
    await stage.center.become({ kind: "refuse" })
    expect(await stage.call(litellm)).toMatchObject({ status: 200 })
    await sleep(5_000)
    const reached = stage.reached().length
    expectRefused(await stage.callMany(litellm, 3), "5")
    expect(stage.reached().length).toBe(reached)
  })

  it("books what it served, once", async () => {
    await stage.center.become({ kind: "pass" })
    await litellm.delivered(90_000)
    stage.expectAllBookedOnce()
    await stage.expectNoGaps(litellm)
    expect(stage.openHolds()).toEqual([])
    await stage.expectSoundBooks()
  })
})
