/**
 * The spool's disk is full: a call whose row cannot be written does not happen, because nobody could bill it. A limit on the
 * size of the process's files stands in for the disk; it can be lifted again while the process runs.
 */
import { execFileSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import type { GatedLitellm } from "../../support/gated-litellm"
import { type Call, Stage } from "./stage"

/** The soft limit alone, so that it can be raised again. -1: none. */
const LIMIT = `import resource,sys
pid,size=int(sys.argv[1]),int(sys.argv[2])
hard=resource.prlimit(pid,resource.RLIMIT_FSIZE)[1]
resource.prlimit(pid,resource.RLIMIT_FSIZE,(size,hard))`
/** Less than one page of the database. */
const FULL = 4_000

let stage: Stage
let litellm: GatedLitellm
beforeAll(async () => {
  stage = await Stage.set()
  litellm = await stage.startLitellm()
})
afterAll(() => stage?.clear(litellm))

function limitFiles(bytes: number): void {
  for (const pid of litellm.workerPids()) execFileSync("python3", ["-c", LIMIT, String(pid), String(bytes)])
}

async function expectServed(): Promise<void> {
  await waitUntil("calls are served", async () => (await stage.call(litellm)).status === 200)
}

function expectRefused(calls: Call[]): void {
  expect(calls.map((call) => [call.status, call.code, call.retryAfter])).toEqual(calls.map(() => [503, "spool_unavailable", "5"]))
}

beforeEach(expectServed)
afterEach(() => limitFiles(-1))

it("refuses with 503 and Retry-After before the provider is reached, holds no money, and serves again when there is room", async () => {
  await litellm.delivered()
  const [reached, booked] = [stage.reached().length, stage.booked().length]
  limitFiles(FULL)
  expectRefused(await stage.callMany(litellm, 20))
  await sleep(1_000)
  expectRefused(await stage.callMany(litellm, 6, 2))
  expect([stage.reached().length, stage.booked().length]).toEqual([reached, booked])
  limitFiles(-1)
  await expectServed()
  await litellm.delivered()
  expect(stage.openHolds()).toEqual([])
  stage.expectAllBookedOnce()
})

it("keeps the usage of calls that were under way until it can be written; nobody else is served meanwhile", async () => {
  await stage.provider.become({ kind: "slow", ms: 1_500 })
  const reached = stage.reached().length
  const underWay = Array.from({ length: 6 }, (_, n) => stage.call(litellm, { stream: n % 2 === 0 }))
  await waitUntil("they are at the provider", () => stage.reached().length === reached + 6)
  await stage.provider.become({ kind: "pass" })
  limitFiles(FULL)
  for (const call of await Promise.all(underWay)) expect(call).toMatchObject({ status: 200, complete: true })
  expectRefused(await stage.callMany(litellm, 10))
  expect(stage.reached().length).toBe(reached + 6)
  limitFiles(-1)
  await expectServed()
  await litellm.delivered()
  stage.expectAllBookedOnce()
})

it("killed before there is room again: they are booked by estimate after the restart", async () => {
  await stage.provider.become({ kind: "slow", ms: 1_500 })
  const reached = stage.reached().length
  const underWay = Array.from({ length: 4 }, () => stage.call(litellm))
  await waitUntil("they are at the provider", () => stage.reached().length === reached + 4)
  limitFiles(FULL)
  const answered = await Promise.all(underWay)
  for (const call of answered) expect(call).toMatchObject({ status: 200 })
  await stage.provider.become({ kind: "pass" })
  await litellm.kill("SIGKILL")
  await litellm.restart()
  await litellm.delivered()
  stage.expectAllBookedOnce(new Set(answered.map((call) => call.id)))
  await stage.expectNoGaps(litellm)
  expect(stage.openHolds()).toEqual([])
  await stage.expectSoundBooks()
})
