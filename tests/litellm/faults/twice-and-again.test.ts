/** F7: the same usage comes from two spools, or has to come a second time because the platform has lost it. It counts once. */
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import { Stage } from "./stage"

const EVENTS = "/api/usage/events"
const CURSOR = "/api/usage/cursor"
const isDelivery = (at: string) => at === EVENTS
/** A heartbeat is sent every half minute, and at the start. */
const HEARTBEAT_MS = 45_000

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  litellm = await stage.startLitellm()
})
afterAll(() => stage?.clear(litellm))

const requests = (at: string) => stage.center.seen.filter((request) => request.path === at).length

async function expectSteady(): Promise<void> {
  stage.expectAllBookedOnce()
  expect(stage.openHolds()).toEqual([])
  await stage.expectSoundBooks()
}

describe("an old backup of the platform is restored", () => {
  const backup = mkdtempSync(path.join(tmpdir(), "cf-backup-"))
  const copy = (from: string, to: string) => {
    rmSync(to, { recursive: true, force: true })
    cpSync(from, to, { recursive: true })
  }
  afterAll(() => rmSync(backup, { recursive: true, force: true }))

  it("the usage since then is sent again, and counts once", async () => {
    await stage.callMany(litellm, 20)
    await litellm.delivered()
    const before = stage.booked().length
    await stage.platform.kill()
    copy(stage.platform.dataDir, backup)
    await stage.platform.restart()
    for (let round = 0; round < 4; round++) {
      await stage.callMany(litellm, 10)
      await litellm.delivered(90_000)
    }
    const all = stage.booked()
    await stage.platform.kill()
    copy(backup, stage.platform.dataDir)
    await stage.platform.restart()
    expect(stage.booked()).toHaveLength(before)
    // More usage goes on meanwhile, with numbers that the platform does not expect yet.
    const isBack = () => {
      const ids = new Set(stage.booked().map((row) => row.event_id))
      return all.every((row) => ids.has(row.event_id))
    }
    const deadline = performance.now() + HEARTBEAT_MS
    while (!isBack() && performance.now() < deadline) {
      await stage.call(litellm)
      await sleep(1_000)
    }
    await litellm.delivered()
    const cost = new Map(stage.booked().map((row) => [row.event_id, row.cost_nano]))
    for (const row of all) expect(cost.get(row.event_id)).toBe(row.cost_nano)
    await stage.expectNoGaps(litellm)
    await expectSteady()
  })
})

describe("a copy of the spool comes to life beside the original", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "cf-spool-"))
  let copy: GatedLitellm | undefined
  afterAll(async () => {
    await copy?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it("both deliver the same events, frozen batches among them, and each counts once", async () => {
    await stage.center.become({ kind: "cut after commit" }, isDelivery)
    await stage.callMany(litellm, 30)
    await waitUntil("a batch is frozen", async () => {
      return (await litellm.spoolRows()).events.some((event) => event.state === "batched")
    })
    await stage.center.become({ kind: "status", status: 503, retryAfter: 1 }, isDelivery)
    await stage.callMany(litellm, 30)
    await waitUntil("all of it is logged", async () => (await litellm.spoolRows()).calls.length === 0)
    await litellm.kill("SIGKILL")
    cpSync(litellm.spoolDir, folder, { recursive: true, filter: (name) => !path.basename(name).includes(".worker-") })
    const starting = stage.startLitellm({ spoolDir: folder })
    await litellm.restart()
    copy = await starting
    await stage.center.become({ kind: "pass" })
    await Promise.all([litellm.delivered(90_000), copy.delivered(90_000)])
    await expectSteady()
  })

  it("both go on with the same numbers for different calls, and nothing is lost or taken twice", async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all([stage.callMany(litellm, 10), stage.callMany(copy as GatedLitellm, 10)])
      await Promise.all([litellm.delivered(), (copy as GatedLitellm).delivered()])
    }
    await expectSteady()
  })

  it("a copy that fell behind takes a name of its own, and then neither sends again what has arrived", async () => {
    const original = litellm
    const behind = copy as GatedLitellm
    for (let round = 0; round < 4; round++) {
      await stage.callMany(original, 3)
      await original.delivered()
    }
    await behind.restart() // its heartbeat comes with the start
    await waitUntil("the copy knows itself", () => behind.output().includes("the spool is an old copy"))
    await stage.callMany(behind, 5)
    await behind.delivered()
    const [quiet, asked] = [requests(EVENTS), requests(CURSOR)]
    await behind.restart()
    await original.restart()
    await waitUntil("both have asked", () => requests(CURSOR) >= asked + 2)
    await sleep(2_000)
    expect(requests(EVENTS)).toBe(quiet)
    await expectSteady()
  })
})
