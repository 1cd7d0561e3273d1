/**
 * kill -9 of one worker of two at random moments under load. What was answered to a client is billed once, whatever became of
 * the worker. LiteLLM's own supervisor starts a new worker each time, which takes it most of the time of this test: five kills
 * here, all twenty with `npm run test:kills`.
 */
import { readdirSync, readlinkSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, it } from "vitest"
import { seededRandom } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import { Stage } from "./stage"

const KILLS = process.env.CF_LONG ? 20 : 5
const CLIENTS = 4
const SEED = 20261123
const RESPAWN_MS = 120_000

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  litellm = await stage.startLitellm({ workers: 2 })
})
afterAll(() => stage?.clear(litellm))

const killed = new Set<number>()

/** Workers whose gate has opened the spool: the others are still starting and have no call to lose, or are about to be gone. */
function serving(): number[] {
  return litellm.workerPids().filter((pid) => {
    if (killed.has(pid)) return false
    try {
      const folder = `/proc/${pid}/fd`
      return readdirSync(folder).some((fd) => readlinkSync(`${folder}/${fd}`).includes("/spool.db.worker-"))
    } catch {
      return false // a file was closed or the worker ended while we looked
    }
  })
}

async function bothServe(): Promise<number[]> {
  const deadline = performance.now() + RESPAWN_MS
  while (performance.now() < deadline) {
    const pids = serving()
    if (pids.length === 2) return pids
    await sleep(100)
  }
  throw new Error(`the dead worker was not replaced:\n${litellm.output().slice(-4_000)}`)
}

it(
  `after ${KILLS} kills everything that was answered is booked exactly once`,
  async () => {
    const random = seededRandom(SEED)
    let ended = false
    const client = async (index: number) => {
      for (let n = 0; !ended; n++) {
        const call = await stage.call(litellm, { stream: (index + n) % 2 === 0 })
        // A worker that died takes its connections along, and nobody serves while the other one is new.
        if (call.status !== 200) await sleep(100)
      }
    }
    const clients = Array.from({ length: CLIENTS }, (_, index) => client(index))
    try {
      for (let round = 0; round < KILLS; round++) {
        const pids = await bothServe()
        const answered = stage.answered().length
        while (stage.answered().length < answered + 5) await sleep(20)
        await sleep(Math.floor(random() * 700))
        const pid = pids[Math.floor(random() * 2)] as number
        process.kill(pid, "SIGKILL")
        killed.add(pid)
      }
    } finally {
      ended = true
      await Promise.all(clients)
    }
    expect(killed.size).toBe(KILLS)
    await litellm.delivered(90_000)

    const { events } = await litellm.spoolRows()
    const recovered = events.filter((event) => event.origin === "recovered").map((event) => event.event_id)
    stage.expectAllBookedOnce(new Set(recovered))
    const holds = new Map(
      stage.platform
        .sql<{ call_id: string; amount_nano: number }>("SELECT call_id, amount_nano FROM holds")
        .map((hold) => [hold.call_id, hold.amount_nano]),
    )
    for (const row of stage.booked().filter(({ event_id }) => recovered.includes(event_id))) {
      expect(row.cost_nano).toBeLessThanOrEqual(holds.get(row.event_id) as number)
    }
    // The load was one: many calls were lost on the way, and most were answered.
    const broken = stage.calls.filter((call) => !call.complete).length
    expect(broken).toBeGreaterThanOrEqual(KILLS)
    expect(stage.answered().length).toBeGreaterThan(broken)
    await stage.expectNoGaps(litellm)
    expect(stage.calls.filter((call) => call.status !== 0 && call.status !== 200)).toEqual([])
  },
  KILLS * RESPAWN_MS,
)

it("no hold outlives its time, and the books are sound", async () => {
  await stage.expectNoHoldOutlivesItsTime()
  await stage.expectSoundBooks()
})
