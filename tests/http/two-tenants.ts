/** The scene of most tests: two customers with a tenant admin and members each, a small price book, and what was booked. */
import { randomUUID } from "node:crypto"
import { type Answer, type Platform, type PlatformOptions, startPlatform, type Tenant } from "../support/platform"

export interface Person {
  id: string
  email: string
  password: string
  token: string
}

export interface Customer extends Tenant {
  admin: Person
  member: Person
  colleague: Person
}

export interface TwoTenants {
  platform: Platform
  product: { id: string }
  a: Customer
  b: Customer
}

/** USD per million tokens as OpenAI publishes them. */
export const PRICES = [
  { model: "gpt-4o", provider: "openai", kind: "chat", usd: { input: "2.50", cache_read: "1.25", output: "10.00" } },
  { model: "gpt-4o-mini", provider: "openai", kind: "chat", usd: { input: "0.15", cache_read: "0.075", output: "0.60" } },
  { model: "tts-1", provider: "openai", kind: "speech", usd: { mchar: "15.00" } },
]

/** 1,000 tokens in at 2.76 EUR and 50 out at 11.04 EUR per million (USD × 0.92 × 1.2). */
export const EVENT_COST_NANO = 3_312_000
export const EVENT_COST = "0.003312000"

export async function startTwoTenants(options: PlatformOptions = {}): Promise<TwoTenants> {
  const platform = await startPlatform(options)
  await platform.publishPrices(PRICES)
  const product = await platform.createProduct({ budget_included: 50 })
  const a = await createCustomer(platform, "alpha", product.id)
  const b = await createCustomer(platform, "beta", product.id)
  return { platform, product, a, b }
}

async function createCustomer(platform: Platform, slug: string, productId: string): Promise<Customer> {
  const tenant = await platform.createTenant({ slug })
  const person = (name: string, role: string) =>
    createPerson(platform, { email: `${name}@${slug}.example.com`, role, tenant_id: tenant.id, product_id: productId })
  const admin = await person("admin", "tenant_admin")
  const member = await person("member", "member")
  const colleague = await person("colleague", "member")
  return { ...tenant, admin, member, colleague }
}

export async function createPerson(platform: Platform, data: Record<string, unknown>): Promise<Person> {
  const user = await platform.createUser(data)
  return { ...user, token: await platform.tokenOf(user) }
}

/** A good event of EVENT_COST; `null` in the changes is sent as null, `undefined` leaves the field out. */
export function usageEvent(changes: Record<string, unknown> = {}): Record<string, unknown> & { event_id: string } {
  return {
    event_id: `e-${randomUUID()}`,
    model: "gpt-4o",
    provider: "openai",
    tokens_input: 1_000,
    tokens_output: 50,
    status: "success",
    timestamp: new Date().toISOString(),
    ...changes,
  } as Record<string, unknown> & { event_id: string }
}

export function minutesFromNow(minutes: number): string {
  return new Date(Date.now() + minutes * 60_000).toISOString()
}

/** Everything that an ingest request could have moved; two equal answers mean that nothing was written in between. */
export function books(platform: Platform): unknown {
  return platform.sql(
    `SELECT (SELECT json_group_array(json_array(id, cost_nano, event_id)) FROM (SELECT * FROM usage_logs ORDER BY id)) AS usage,
      (SELECT json_group_array(json_array(id, total_nano, used_nano)) FROM (SELECT * FROM budgets ORDER BY id)) AS budgets,
      (SELECT json_group_array(json_array(id, amount_nano)) FROM (SELECT * FROM ledger_entries ORDER BY id)) AS ledger,
      (SELECT json_group_array(json_array(tenant_id, model)) FROM (SELECT * FROM model_blocks ORDER BY id)) AS blocks,
      (SELECT json_group_array(json_array(tenant_id, source, next_seq)) FROM (SELECT * FROM ingest_cursors ORDER BY id)) AS cursors`,
  )[0]
}

export function usageRow(platform: Platform, eventId: string): Record<string, string | number> | undefined {
  return platform.sql<Record<string, string | number>>("SELECT * FROM usage_logs WHERE event_id = ?", [eventId])[0]
}

export function usedNano(platform: Platform, scope: "tenant" | "user", ownerId: string): number {
  const column = scope === "tenant" ? "tenant_id" : "user_id"
  const rows = platform.sql<{ used_nano: number }>(`SELECT used_nano FROM budgets WHERE scope = ? AND ${column} = ?`, [
    scope,
    ownerId,
  ])
  return rows[0]?.used_nano ?? 0
}

export function budgetId(platform: Platform, scope: "tenant" | "user", ownerId: string): string {
  const column = scope === "tenant" ? "tenant_id" : "user_id"
  const row = platform.sql<{ id: string }>(`SELECT id FROM budgets WHERE scope = ? AND ${column} = ?`, [scope, ownerId])[0]
  if (!row) throw new Error(`${ownerId} has no ${scope} budget`)
  return row.id
}

/** What is wrong with a refusal's shape: nothing, for `{code, message, data, requestId}` with the header's request id. */
export function shapeProblems(answer: Answer): string[] {
  const { body, headers } = answer
  const problems: string[] = []
  if (
    Object.keys(body ?? {})
      .sort()
      .join() !== "code,data,message,requestId"
  )
    problems.push(`keys: ${JSON.stringify(body)}`)
  if (typeof body?.code !== "string" || !/^[a-z_]+$/.test(body.code)) problems.push("code")
  if (typeof body?.message !== "string" || body.message === "") problems.push("message")
  if (typeof body?.data !== "object" || body.data === null) problems.push("data")
  if (headers.get("x-request-id") === null || body?.requestId !== headers.get("x-request-id")) problems.push("requestId")
  return problems
}

/** The one line of a request with one event. */
export async function verdictOf(platform: Platform, tenant: Tenant, event: unknown): Promise<Record<string, string>> {
  const answer = await platform.ingest(tenant.ingestKey, { events: [event] })
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body.results[0]
}
