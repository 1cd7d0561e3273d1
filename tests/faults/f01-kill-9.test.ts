/** F1: kill -9 at random moments under load. What was acknowledged is there, once; what was not can be sent again. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetOf, costOf, expectSoundBooks, MODEL, PRICE, seededRandom, send, usageEvent, type WireEvent } from "./books"

const KILLS = 20
const BATCH_SIZES = [1, 1, 7, 40]

let platform: Platform
let tenant: Tenant
let users: string[]
const folder = mkdtempSync(path.join(tmpdir(), "cf-acked-"))
const random = seededRandom(20261123)
const sent: WireEvent[] = []
const acknowledged = new Set<string>()

beforeAll(async () => {
  platform = await startPlatform({ env: { CF_SQLITE_SYNCHRONOUS: "FULL" } })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  const product = await platform.createProduct()
  const make = async () => (await platform.createUser({ tenant_id: tenant.id, product_id: product.id })).id
  users = [await make(), await make(), await make()]
})
afterAll(async () => {
  await platform.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Sends batches until the server is gone; an answer acknowledges, a broken connection says nothing. */
async function sendUntilDead(round: number, client: number, size: number): Promise<void> {
  for (let n = 0; ; n++) {
    const events: WireEvent[] = []
    for (let i = 0; i < size; i++) {
      const user = users[Math.floor(random() * users.length)] as string
      events.push(usageEvent(`kill-${round}-${client}-${n}-${i}`, user, 1 + Math.floor(random() * 5_000), Date.now()))
    }
    sent.push(...events)
    const answer = await platform.ingest(tenant.ingestKey, { events }).catch(() => null)
    if (answer === null) return
    expect(answer.status).toBe(200)
    for (const result of answer.body.results) {
      expect(result.verdict).toBe("accepted")
      acknowledged.add(result.event_id)
    }
  }
}

function booked(): Map<string, number> {
  const rows = platform.sql<{ event_id: string; n: number }>(
    "SELECT event_id, count(*) AS n FROM usage_logs GROUP BY tenant_id, event_id",
  )
  return new Map(rows.map((row) => [row.event_id, row.n]))
}

test(`after each of ${KILLS} kills every acknowledged event is booked exactly once`, async () => {
  for (let round = 0; round < KILLS; round++) {
    const before = acknowledged.size
    const clients = BATCH_SIZES.map((size, client) => sendUntilDead(round, client, size))
    while (acknowledged.size === before) await sleep(1)
    await sleep(Math.floor(random() * 200))
    await platform.kill()
    await Promise.all(clients)
    await platform.restart()
    const rows = booked()
    expect([...acknowledged].filter((id) => rows.get(id) !== 1)).toEqual([])
    expect([...rows].filter(([, n]) => n !== 1)).toEqual([])
  }
})

test("sending everything again, acknowledged or not, makes the sums exact", async () => {
  for (let i = 0; i < sent.length; i += 500) {
    for (const result of await send(platform, tenant, sent.slice(i, i + 500))) {
      const expected = acknowledged.has(result.event_id) ? ["duplicate"] : ["accepted", "duplicate"]
      expect(expected, result.event_id).toContain(result.verdict)
    }
  }
  const [row] = platform.sql<{ n: number; cost: number }>(
    "SELECT count(*) AS n, sum(cost_nano) AS cost FROM usage_logs WHERE model = ?",
    [MODEL],
  )
  expect(row).toEqual({ n: sent.length, cost: costOf(sent) })
  expect(budgetOf(platform, tenant.id).used_nano).toBe(costOf(sent))
  for (const user of users)
    expect(budgetOf(platform, tenant.id, user).used_nano).toBe(costOf(sent.filter((event) => event.user_id === user)))
})

test("the doctor finds every acknowledged event and no fault in the books", async () => {
  const file = path.join(folder, "acked.txt")
  writeFileSync(file, [...acknowledged].join("\n"))
  await expectSoundBooks(platform, ["--acked", file])
})
