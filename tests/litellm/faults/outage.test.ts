/**
 * F7: the platform goes away in every way it can, the policy lets known people go on, and 500 calls are made meanwhile.
 * Afterwards every call that was answered is booked exactly once. In `npm test` the outage is as long as the calls take;
 * `npm run test:outage` spreads the same calls over five minutes.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import type { Fault } from "../../support/unreliable-center"
import { Stage } from "./stage"

const CALLS = 500
const LONG_MS = process.env.CF_LONG ? 5 * 60_000 : 0
/** The back-off between two deliveries grows to a minute. */
const DELIVERED_MS = 150_000

/** In this order, as an outage may go through them: a proxy in front that fails, a host that hangs, one that is gone. */
const AWAY: [Fault, number][] = [
  [{ kind: "status", status: 503, retryAfter: 1 }, 90],
  [{ kind: "black hole" }, 50],
  [{ kind: "refuse" }, 150],
  [{ kind: "cut after commit" }, 90],
  [{ kind: "status", status: 429, retryAfter: 1 }, 60],
  [{ kind: "status", status: 500 }, 60],
]

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  // A short patience with the platform only makes the calls of the black hole shorter.
  const env = { CF_OUTAGE_POLICY: "stale", CF_STALE_ALLOWANCE_EUR: "50", CF_CENTER_TIMEOUT_SECONDS: "1" }
  litellm = await stage.startLitellm({ env })
})
afterAll(() => stage?.clear(litellm))

describe(`the platform is away for ${CALLS} calls${LONG_MS > 0 ? " and five minutes" : ""}`, () => {
  const name = "serves people that it knows, with their calls under way when it begins"
  it(name, { timeout: LONG_MS + 300_000 }, async () => {
    expect(await stage.call(litellm)).toMatchObject({ status: 200 })
    // Holds are placed, the outage begins before they are settled.
    const underWay = stage.callMany(litellm, 12)
    for (const [fault, calls] of AWAY) {
      const began = performance.now()
      await stage.center.become(fault)
      const answers = await stage.callMany(litellm, calls)
      expect(answers.filter((call) => call.status !== 200 || !call.complete)).toEqual([])
      await sleep(Math.max(0, (LONG_MS * calls) / CALLS - (performance.now() - began)))
    }
    await underWay
  })

  it("keeps in the spool what it could not deliver", async () => {
    const { events } = await litellm.spoolRows()
    expect(events.filter((event) => event.state === "queued" || event.state === "batched").length).toBeGreaterThan(300)
  })

  it("books each answered call exactly once when the platform is back", async () => {
    await stage.center.become({ kind: "pass" })
    expect(await stage.call(litellm)).toMatchObject({ status: 200 })
    await litellm.delivered(DELIVERED_MS)
    expect(stage.answered().length).toBeGreaterThanOrEqual(CALLS)
    stage.expectAllBookedOnce()
    await stage.expectNoGaps(litellm)
  })

  it("leaves no hold open and the books sound", async () => {
    expect(stage.openHolds()).toEqual([])
    await stage.expectSoundBooks()
  })
})

describe("the platform books batches and its answers are lost", () => {
  it("sends the same batch until an answer arrives, and it counts once", async () => {
    const isDelivery = (path: string) => path === "/api/usage/events"
    for (let round = 1; round <= 3; round++) {
      await stage.center.become({ kind: "cut after commit" }, isDelivery)
      await stage.callMany(litellm, 20)
      const lost = () => stage.center.seen.filter(({ path, fault }) => isDelivery(path) && fault === "cut after commit").length
      await waitUntil("an answer was lost", () => lost() >= 2 * round)
      await stage.center.become({ kind: "pass" })
      await litellm.delivered(DELIVERED_MS)
    }
    stage.expectAllBookedOnce()
    await stage.expectNoGaps(litellm)
    await stage.expectSoundBooks()
  })
})
