/** The guarantee: while the database cannot be written, senders are told to come again (503), and nothing is half-written. */
import { type ChildProcess, spawn } from "node:child_process"
import { statSync } from "node:fs"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Answer, Platform } from "../support/platform"
import { EVENT_COST_NANO, shapeProblems, startTwoTenants, type TwoTenants, usageEvent, usedNano, verdictOf } from "./two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
  await verdictOf(scene.platform, scene.a, usageEvent())
})
afterAll(() => scene?.platform.stop())

function expectTryAgain(answer: Answer): void {
  expect([answer.status, answer.body.code]).toEqual([503, "unavailable"])
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0)
  expect(shapeProblems(answer)).toEqual([])
}

function storedEvents(platform: Platform): Set<string> {
  return new Set(platform.sql<{ event_id: string }>("SELECT event_id FROM usage_logs").map((row) => row.event_id))
}

describe("a full disk", () => {
  it("answers 503 to events that it cannot store, keeps what it acknowledged, and forgets the rest", async () => {
    const { platform, a } = scene
    await platform.restart()
    const kilobytes = Math.ceil(statSync(path.join(platform.dataDir, "data.db")).size / 1_024) + 256
    await platform.restart({ shell: (command) => `ulimit -f ${kilobytes}; ${command}` })
    const acknowledged: string[] = []
    const refused: string[][] = []
    for (let i = 0; i < 40 && refused.length < 3; i++) {
      const events = Array.from({ length: 200 }, () => usageEvent({ user_id: a.member.id, call_id: "c".repeat(128) }))
      const answer = await platform.ingest(a.ingestKey, { events })
      if (answer.status === 200) acknowledged.push(...events.map((event) => event.event_id))
      else {
        expectTryAgain(answer)
        refused.push(events.map((event) => event.event_id))
      }
    }
    expect(refused).toHaveLength(3)
    // Its write is smaller than a batch: it may still fit a few times.
    let ready = await platform.request("GET", "/api/ready")
    for (let i = 0; i < 500 && ready.status === 200; i++) ready = await platform.request("GET", "/api/ready")
    expectTryAgain(ready)
    expect((await platform.request("GET", "/api/health")).status).toBe(200)

    await platform.restart({ shell: (command) => command })
    const stored = storedEvents(platform)
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
    for (const ids of refused) expect([0, ids.length]).toContain(ids.filter((id) => stored.has(id)).length)
    expect(usedNano(platform, "tenant", a.id)).toBe(stored.size * EVENT_COST_NANO)
    expect((await platform.doctor()).code).toBe(0)
    expect((await platform.request("GET", "/api/ready")).status).toBe(200)
    expect((await verdictOf(platform, a, usageEvent())).verdict).toBe("accepted")
  })
})

describe("a database that another process has locked", () => {
  const lock = async (): Promise<ChildProcess> => {
    const script = `import sqlite3,sys
c=sqlite3.connect(sys.argv[1],isolation_level=None); c.execute("BEGIN EXCLUSIVE"); print("locked",flush=True); sys.stdin.read()`
    const child = spawn("python3", ["-c", script, path.join(scene.platform.dataDir, "data.db")], {
      stdio: ["pipe", "pipe", "inherit"],
    })
    await new Promise((resolve) => child.stdout?.once("data", resolve))
    return child
  }
  const unlock = (child: ChildProcess) =>
    new Promise((resolve) => {
      child.once("close", resolve)
      child.stdin?.end()
    })

  it("answers 503 on every route that writes, books nothing, and goes on as soon as the lock is gone", async () => {
    const { platform, a } = scene
    const event = usageEvent({ user_id: a.member.id })
    const before = storedEvents(platform)
    const locker = await lock()
    const answers = await Promise.all([
      platform.ingest(a.ingestKey, { events: [event] }),
      platform.request("GET", "/api/ready"),
      platform.asSuperuser("POST", `/api/tenants/${a.id}/ingest-keys`, { name: "x" }),
    ])
    await unlock(locker)
    for (const answer of answers) expectTryAgain(answer)
    expect(storedEvents(platform)).toEqual(before)
    expect((await platform.request("GET", "/api/ready")).status).toBe(200)
    expect((await verdictOf(platform, a, event)).verdict).toBe("accepted")
  })

  it("lets a request wait for a lock that is short", async () => {
    const locker = await lock()
    const pending = verdictOf(scene.platform, scene.a, usageEvent())
    await new Promise((resolve) => setTimeout(resolve, 300))
    await unlock(locker)
    expect((await pending).verdict).toBe("accepted")
  })
})
