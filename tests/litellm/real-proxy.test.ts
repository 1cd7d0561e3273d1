/**
 * The guarantee: a tenant who runs LiteLLM as it comes, with only its stock `generic_api` logger pointed at us,
 * is billed exactly. A real proxy, a real platform; only the upstream is a fake.
 */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type FakeOpenai, startFakeOpenai } from "../support/fake-openai"
import { type LitellmProxy, startLitellm } from "../support/litellm-proxy"
import { type EventVerdict, type LitellmEvent, type Recorder, startRecorder } from "../support/litellm-recorder"
import { type Platform, startPlatform } from "../support/platform"
import { euros, nano, sum } from "./amounts"
import { type Caller, type ProxyCall, proxyCalls } from "./calls"
import { expectedCostNano, PRICES } from "./expected-cost"

interface UsageRow {
  event_id: string
  user_id: string
  model: string
  provider: string
  tokens_input: number
  tokens_output: number
  tokens_cache_read: number
  tokens_reasoning: number
  cost_nano: number
  price_status: string
  status: string
}

/** One call that was made: what the client saw, what LiteLLM posted, what the platform answered. */
interface Made {
  call: ProxyCall
  httpStatus: number
  event: LitellmEvent
  verdict: EventVerdict
}

const INSTALL_AND_START_MS = 900_000
const ALL_CALLS_MS = 180_000

let platform: Platform
let upstream: FakeOpenai
let recorder: Recorder
let proxy: LitellmProxy
let tenantId: string
let ingestKey: string
const userIds = new Map<Caller, string>()
const made = new Map<string, Made>()

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices(PRICES)
  ;({ id: tenantId, ingestKey } = await platform.createTenant())
  const product = await platform.createProduct({ budget_included: 50 })
  for (const name of ["ada", "ben"] as const) {
    userIds.set(name, (await platform.createUser({ tenant_id: tenantId, product_id: product.id })).id)
  }
  upstream = await startFakeOpenai()
  recorder = await startRecorder(`${platform.url}/api/usage/litellm`)
  proxy = await startLitellm({ upstream: upstream.url, loggerEndpoint: recorder.url, ingestKey })
}, INSTALL_AND_START_MS)

// One at a time, each after the last one's event: the stock logger empties its queue after a delivery and so loses
// what was queued during it. That is LiteLLM's to lose; here every event counts.
beforeAll(async () => {
  for (const call of proxyCalls(userIds.get("ben") ?? "")) {
    const before = recorder.events().length
    const httpStatus = await send(call)
    await recorder.waitForEvents(before + 1)
    const delivery = recorder.deliveries.at(-1)
    const [event] = delivery?.events ?? []
    const [verdict] = delivery === undefined ? [] : verdictsOf(delivery.answer)
    if (event === undefined || verdict === undefined) throw new Error(`${call.name}: answered ${delivery?.answer}`)
    made.set(call.name, { call, httpStatus, event, verdict })
  }
}, ALL_CALLS_MS)

afterAll(async () => {
  await proxy?.stop()
  await recorder?.stop()
  await upstream?.stop()
  await platform?.stop()
}, 60_000)

describe("a call through a stock LiteLLM", () => {
  it.each(proxyCalls("").map(({ name }) => name))("%s", (name) => {
    const { call, httpStatus, event, verdict } = madeCall(name)
    const usage = call.usage(event)
    const cost = costOf(madeCall(name))

    expect(httpStatus).toBe(call.httpStatus)
    expect(verdict).toMatchObject({ event_id: eventIdOf(event), verdict: "accepted", cost: euros(cost) })
    const row = usageRow(verdict.event_id)
    expect(row).toMatchObject({
      user_id: userIds.get(call.by) ?? "",
      model: call.body.model,
      tokens_input: usage.prompt,
      tokens_output: usage.completion,
      tokens_cache_read: usage.cached,
      tokens_reasoning: usage.reasoning,
      status: call.status,
    })
    expect(BigInt(row.cost_nano)).toBe(cost)
    if (call.priceStatus !== undefined) expect(row).toMatchObject({ price_status: call.priceStatus, provider: "openai" })
    else expect(row.price_status).not.toBe("quarantined")
  })

  it("is one event and one row, whatever became of it", () => {
    const ids = usageRows().map((row) => row.event_id)
    expect(recorder.events()).toHaveLength(made.size)
    expect([...ids].sort()).toEqual([...made.values()].map(({ verdict }) => verdict.event_id).sort())
  })

  it("blocks no model when it failed before anything was counted", () => {
    expect(platform.sql("SELECT model FROM model_blocks WHERE tenant_id = ?", [tenantId])).toEqual([])
  })

  it("leaves none of its prompt and answer in any file", async () => {
    const sent = recorder.deliveries.map(({ body }) => body).join("")
    const entries = await readdir(platform.dataDir, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    expect(files).not.toEqual([])
    for (const words of ["sky blue", "quick brown fox"]) {
      expect(sent).toContain(words)
      for (const file of files) expect((await readFile(file)).includes(words), `"${words}" in ${file}`).toBe(false)
    }
  })
})

describe("the money behind the calls", () => {
  it("the tenant's budget has used the sum of all costs", () => {
    const total = sum([...made.values()].map(costOf))
    expect(total).toBeGreaterThan(0n)
    expect(usedNano("tenant")).toBe(total)
  })

  it.each(["ada", "ben"] as const)("%s's limit has used the sum of the own calls, shown in EUR on the user", (name) => {
    const used = sum([...made.values()].filter(({ call }) => call.by === name).map(costOf))
    expect(used).toBeGreaterThan(0n)
    expect(usedNano("user", userIds.get(name))).toBe(used)

    const [user] = platform.sql<{ budget_total: number; budget_used: number; budget_remaining: number }>(
      "SELECT budget_total, budget_used, budget_remaining FROM users WHERE id = ?",
      [userIds.get(name)],
    )
    expect(user?.budget_total).toBe(50)
    expect(nano(user?.budget_used)).toBe(used)
    expect(nano(user?.budget_remaining)).toBe(50_000_000_000n - used)
  })

  it("does not move when every delivery is sent again", async () => {
    const before = everyRow()
    for (const delivery of recorder.deliveries) {
      const again = await recorder.resend(delivery)
      const first = verdictsOf(delivery.answer)
      expect(again.status).toBe(200)
      expect(verdictsOf(again.answer)).toMatchObject(
        first.map(({ event_id, cost }) => ({ event_id, cost, verdict: "duplicate" })),
      )
    }
    expect(everyRow()).toEqual(before)
  })

  it("does not move when all events come once more in one delivery", async () => {
    const before = everyRow()
    const [first] = recorder.deliveries
    if (first === undefined) throw new Error("nothing was delivered")
    const body = `[${recorder.deliveries.map((delivery) => delivery.body.trim().slice(1, -1)).join(",")}]`
    const again = await recorder.resend({ ...first, body })
    expect(verdictsOf(again.answer).map(({ verdict }) => verdict)).toEqual(Array(made.size).fill("duplicate"))
    expect(everyRow()).toEqual(before)
  })

  it("adds up for the doctor", async () => {
    const { code, output } = await platform.doctor()
    expect(code, output).toBe(0)
  })
})

async function send(call: ProxyCall): Promise<number> {
  const key = call.by === "stranger" ? "sk-user-of-nobody" : `sk-user-${userIds.get(call.by)}`
  const response = await fetch(`${proxy.url}${call.path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(call.body),
  })
  await response.text()
  return response.status
}

function madeCall(name: string): Made {
  const found = made.get(name)
  if (found === undefined) throw new Error(`the call "${name}" was not made`)
  return found
}

function costOf({ call, event }: Made): bigint {
  const { prompt, cached, completion } = call.usage(event)
  if (prompt + completion === 0) return 0n
  return expectedCostNano(String(call.body.model), {
    uncached: prompt - cached,
    cacheRead: cached,
    output: completion, // reasoning is a part of it
  })
}

/** LiteLLM's own ids can be shared by calls or chosen by clients; only the three together tell events apart. */
function eventIdOf(event: LitellmEvent): string {
  return createHash("sha256").update(`${event.id}|${event.status}|${event.startTime}`).digest("hex")
}

function verdictsOf(answer: string): EventVerdict[] {
  return (JSON.parse(answer) as { results?: EventVerdict[] }).results ?? []
}

function usageRows(): UsageRow[] {
  return platform.sql<UsageRow>("SELECT * FROM usage_logs WHERE tenant_id = ? ORDER BY event_id", [tenantId])
}

function usageRow(eventId: string): UsageRow {
  const row = usageRows().find((candidate) => candidate.event_id === eventId)
  if (row === undefined) throw new Error(`no usage row ${eventId}`)
  return row
}

function usedNano(scope: string, userId = ""): bigint {
  const rows = platform.sql<{ used_nano: number }>(
    "SELECT used_nano FROM budgets WHERE scope = ? AND tenant_id = ? AND user_id = ?",
    [scope, tenantId, userId],
  )
  expect(rows).toHaveLength(1)
  return BigInt(rows[0]?.used_nano ?? -1)
}

/** Everything that a repeated delivery could change. */
function everyRow(): unknown {
  const tables = ["usage_logs", "budgets", "credit_lots", "ledger_entries"]
  const rows = tables.map((table) => platform.sql(`SELECT * FROM ${table} WHERE tenant_id = ? ORDER BY id`, [tenantId]))
  const users = "SELECT budget_total, budget_used, budget_remaining FROM users WHERE tenant_id = ? ORDER BY id"
  return [...rows, platform.sql(users, [tenantId])]
}
