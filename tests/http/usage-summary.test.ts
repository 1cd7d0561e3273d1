/** The guarantee: rollups equal the sum of usage_logs to the nano, however they are grouped, and show nobody else's usage. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPerson, minutesFromNow, type Person, startTwoTenants, type TwoTenants, usageEvent } from "./two-tenants"

interface Row {
  day?: string
  model?: string
  user?: string
  events: number
  tokens_input: number
  tokens_output: number
  cost: string
}

let scene: TwoTenants
let operator: Person
let sales: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
  sales = await createPerson(scene.platform, { email: "sales@example.com", role: "sales" })
  for (const tenant of [scene.a, scene.b]) {
    const events = Array.from({ length: 120 }, (_, i) =>
      usageEvent({
        ...{ model: i % 3 === 0 ? "gpt-4o" : i % 3 === 1 ? "gpt-4o-mini" : "gpt-unknown", provider: "openai" },
        ...{ user_id: [tenant.member.id, tenant.colleague.id, undefined, "nobody"][i % 4] },
        ...{ tokens_input: 7 * i + 3, tokens_output: 13 * i, tokens_cache_read: i, timestamp: minutesFromNow(-(i % 5) * 1_440) },
      }),
    )
    const answer = await scene.platform.ingest(tenant.ingestKey, { events })
    expect(answer.status).toBe(200)
  }
  // Publishing the price books corrections: rows without tokens, with a signed cost.
  await scene.platform.publishPrices([
    { model: "gpt-unknown", provider: "openai", kind: "chat", usd: { input: "1.00", output: "3.00" } },
  ])
})
afterAll(() => scene?.platform.stop())

const ask = (token: string, query: string) => scene.platform.request("GET", `/api/usage/summary?${query}`, { token })
const WIDE = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
const COLUMN: Record<string, string> = { day: "substr(timestamp, 1, 10)", model: "model", user: "user_id" }

function expected(group: string, tenantId: string, where = "1 = 1"): string[] {
  const rows = scene.platform.sql<{ g: string; n: number; i: number; o: number; c: number }>(
    `SELECT ${COLUMN[group]} AS g, sum(corrects = '') AS n, sum(tokens_input) AS i, sum(tokens_output) AS o, sum(cost_nano) AS c
     FROM usage_logs WHERE tenant_id = ? AND ${where} GROUP BY 1 ORDER BY 1`,
    [tenantId],
  )
  return rows.map((row) => [row.g, row.n, row.i, row.o, row.c].join(" "))
}

const nano = (cost: string): number => Number(BigInt(cost.replace(".", "")))
const shown = (rows: Row[], group: string): string[] =>
  rows.map((row) => [row[group as "day"], row.events, row.tokens_input, row.tokens_output, nano(row.cost)].join(" "))

describe.each(["day", "model", "user"])("by %s", (group) => {
  it("an admin's rows equal the tenant's usage rows, corrections included", async () => {
    const { status, body } = await ask(scene.a.admin.token, `group=${group}&${WIDE}`)
    expect(status).toBe(200)
    expect(shown(body.rows, group)).toEqual(expected(group, scene.a.id))
    expect(nano(body.total.cost)).toBe(body.rows.reduce((sum: number, row: Row) => sum + nano(row.cost), 0))
    expect(body.total.events).toBe(120)
  })

  it("a member's rows are the own ones", async () => {
    const { body } = await ask(scene.a.member.token, `group=${group}&${WIDE}`)
    expect(shown(body.rows, group)).toEqual(expected(group, scene.a.id, `user_id = '${scene.a.member.id}'`))
    expect(body.total.events).toBe(30)
  })

  it("an operator names the tenant and sees the same as its admin", async () => {
    const [mine, theirs] = [
      await ask(operator.token, `group=${group}&${WIDE}&tenant_id=${scene.b.id}`),
      await ask(scene.b.admin.token, `group=${group}&${WIDE}`),
    ]
    expect(mine.body).toEqual(theirs.body)
  })

  it("of a period: what its rows say", async () => {
    for (const { period_key } of scene.platform.sql<{ period_key: string }>("SELECT DISTINCT period_key FROM usage_logs")) {
      const { body } = await ask(scene.a.admin.token, `group=${group}&period=${period_key}`)
      expect(shown(body.rows, group)).toEqual(expected(group, scene.a.id, `period_key = '${period_key}'`))
    }
  })
})

it("without a query it is the current period by day, and its total is what the tenant's budget has used", async () => {
  const { body } = await ask(scene.a.admin.token, "")
  expect(body.group).toBe("day")
  const [budget] = scene.platform.sql<{ used_nano: number; period_key: string }>(
    "SELECT used_nano, period_key FROM budgets WHERE scope = 'tenant' AND tenant_id = ?",
    [scene.a.id],
  )
  expect([body.period, nano(body.total.cost)]).toEqual([budget?.period_key, budget?.used_nano])
})

it("from is included, to is not", async () => {
  const [row] = scene.platform.sql<{ timestamp: string }>(
    "SELECT timestamp FROM usage_logs WHERE tenant_id = ? ORDER BY timestamp LIMIT 1",
    [scene.a.id],
  )
  const at = (row?.timestamp ?? "").replace(" ", "T")
  const total = async (query: string) => (await ask(scene.a.admin.token, query)).body.total.events
  expect(await total(`from=2020-01-01T00:00:00Z&to=${at}`)).toBe(0)
  expect(await total(`from=${at}`)).toBe(120)
})

describe("refusals", () => {
  it.each([
    ["a guest", () => "", WIDE, 401, "not_signed_in"],
    ["an ingest key", () => `Bearer ${scene.a.ingestKey}`, WIDE, 401, "not_signed_in"],
    ["sales", () => sales.token, WIDE, 403, "forbidden"],
    ["sales naming a tenant", () => sales.token, "tenant_id=A", 403, "forbidden"],
    ["an admin naming another tenant", () => scene.a.admin.token, "tenant_id=B", 403, "forbidden"],
    ["a member naming another tenant", () => scene.a.member.token, "tenant_id=B", 403, "forbidden"],
    ["an operator who names none", () => operator.token, WIDE, 400, "invalid_field"],
    ["an unknown group", () => scene.a.admin.token, "group=prompt", 400, "invalid_field"],
    ["SQL for a group", () => scene.a.admin.token, "group=model)%20FROM%20users--", 400, "invalid_field"],
    ["a from that is no time", () => scene.a.admin.token, "from=yesterday", 400, "invalid_field"],
  ])("%s", async (_name, token, query, status, code) => {
    const answer = await ask(token(), query.replace("id=A", `id=${scene.a.id}`).replace("id=B", `id=${scene.b.id}`))
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  it("an unknown or quoted period is an empty answer, not everything", async () => {
    for (const period of ["1999-01-01", "' OR 1=1 --"]) {
      const { status, body } = await ask(scene.a.admin.token, `period=${encodeURIComponent(period)}`)
      expect([status, body.rows, body.total.events]).toEqual([200, [], 0])
    }
  })
})
