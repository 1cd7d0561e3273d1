/** N1–N8, N10, N20 of the attack list: what people who are signed in, or nobody, try on the record API. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { books, budgetId, createPerson, type Person, startTwoTenants, type TwoTenants, usageEvent, verdictOf } from "../http/two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
  for (const tenant of [scene.a, scene.b]) await verdictOf(scene.platform, tenant, usageEvent({ user_id: tenant.member.id, event_id: `of-${tenant.slug}` }))
})
afterAll(() => scene?.platform.stop())

const api = (method: string, route: string, token: string, body?: unknown) => scene.platform.request(method, `/api/collections/${route}`, { token, body })
const uA = () => scene.a.member.token
const aA = () => scene.a.admin.token
const userRow = (id: string) => scene.platform.sql("SELECT * FROM users WHERE id = ?", [id])[0]

describe("N3: a member reaches for the other tenant's rows by the query", () => {
  const B = () => scene.b.id
  const queries: [string, () => string][] = [
    ["usage_logs", () => `filter=(tenant_id='${B()}')`],
    ["usage_logs", () => `filter=(tenant_id='${B()}'||1=1)`],
    ["usage_logs", () => `filter=(id!='')||(tenant_id!='')`],
    ["usage_logs", () => "filter=(tenant_id.name='Tenant 2')"],
    ["usage_logs", () => "expand=tenant_id,user_id,user_id.tenant_id&sort=-cost_nano&perPage=500"],
    ["budgets", () => "expand=user_id,tenant_id,credit_lots_via_budget_id,ledger_entries_via_budget_id"],
    ["tenants", () => "expand=users_via_tenant_id,usage_logs_via_tenant_id,budgets_via_tenant_id,ingest_keys_via_tenant_id"],
    ["tenants", () => `filter=(users_via_tenant_id.id?='${scene.b.member.id}')`],
    ["users", () => `filter=(tenant_id='${B()}'||tenant_id.users_via_tenant_id.email?~'beta')`],
    ["users", () => "fields=*,tokenKey,password,expand.tenant_id.*&expand=tenant_id,product_id,usage_logs_via_user_id"],
    ["model_prices", () => "expand=model_costs_via_price_id"],
    ["products", () => "expand=users_via_product_id,product_versions_via_product_id"],
  ]
  it.each(queries)("%s: nothing of it comes, and no secret", async (collection, query) => {
    const answer = await api("GET", `${collection}/records?${encodeURI(query())}`, uA())
    expect([200, 400]).toContain(answer.status)
    const text = JSON.stringify(answer.body)
    for (const secret of [scene.b.id, scene.b.member.id, scene.b.admin.id, scene.b.member.email, "of-beta", scene.a.admin.email, "usd_eur_micro", "tokenKey"]) {
      expect(text).not.toContain(secret)
    }
  })
})

describe("N3, N4: hidden values cannot be guessed by filter or sort", () => {
  it.each([
    ["users", "filter=(tokenKey~'a')"],
    ["users", "filter=(password~'$2')"],
    ["users", "sort=tokenKey"],
    ["ingest_keys", "filter=(key_hash~'a')"],
    ["ingest_keys", "sort=key_hash"],
    ["api_keys", "filter=(key_hash~'a')"],
    ["usage_logs", "filter=(user_id.tokenKey~'a')"],
    ["usage_logs", "filter=(tenant_id.ingest_keys_via_tenant_id.key_hash?~'a')"],
    ["usage_logs", "filter=(@collection.users.email?~'beta')"],
    ["products", "filter=(@collection.ledger_entries.amount_nano?>0)"],
    ["usage_logs", "filter=(@request.auth.tokenKey~'a')"],
  ])("%s?%s → 400 or 403", async (collection, query) => {
    for (const token of [uA(), aA()]) expect([400, 403]).toContain((await api("GET", `${collection}/records?${encodeURI(query)}`, token)).status)
  })

  const OTHERS = (): [string, string][] => [
    ["products", "users_via_product_id.email?~'beta'"],
    ["products", "users_via_product_id.tenant_id.slug?='beta'"],
    ["tenants", "usage_logs_via_tenant_id.user_id.product_id.users_via_product_id.email?~'beta'"],
    ["model_prices", "model_costs_via_price_id.markup_bp>0"],
  ]
  it("a relation that leads into rows one may not read is no oracle: a hit looks like a miss", async () => {
    for (const [collection, filter] of OTHERS()) {
      const hit = await api("GET", `${collection}/records?filter=${encodeURIComponent(`(${filter})`)}`, uA())
      const miss = await api("GET", `${collection}/records?filter=${encodeURIComponent(`(${filter.replace("beta", "zzzz").replace(">0", "<0")})`)}`, uA())
      expect([collection, filter, hit.status, hit.body.totalItems]).toEqual([collection, filter, miss.status, miss.body.totalItems])
    }
  })
})

describe("N5: a guest signs up", () => {
  const account = { email: "new@example.com", password: "a-long-password", passwordConfirm: "a-long-password" }
  const extras: Record<string, unknown>[] = [
    {},
    { role: "operator" },
    { role: "member", status: "active", tenant_id: "A" },
    { role: "member", status: "active", product_id: "P", budget_total: 1_000, verified: true },
  ]
  it.each(extras)("with %j: refused", async (extra) => {
    const body = JSON.parse(JSON.stringify({ ...account, ...extra }).replace('"A"', `"${scene.a.id}"`).replace('"P"', `"${scene.product.id}"`))
    for (const token of ["", uA(), aA()]) expect((await api("POST", "users/records", token, body)).status).toBe(400)
    expect(scene.platform.sql("SELECT id FROM users WHERE email = 'new@example.com'")).toEqual([])
  })
})

describe("N6: somebody raises themselves", () => {
  const changes: Record<string, unknown>[] = [
    ...[{ role: "operator" }, { role: "tenant_admin" }, { status: "suspended" }, { tenant_id: "B" }, { tenant_id: "" }, { product_id: "" }],
    ...[{ product_version_id: "" }, { budget_total: 1e6 }, { budget_used: 0 }, { "budget_used-": 1 }, { "budget_total+": 100 }],
    ...[{ budget_remaining: 1e6 }, { budget_reset_date: "2030-01-01 00:00:00.000Z" }, { verified: false }, { email: "x@example.com" }],
    { role: "operator", name: "harmless" },
  ]
  it.each(changes)("PATCH %j: refused, nothing changed in the database", async (change) => {
    for (const who of [scene.a.member, scene.a.admin]) {
      if (who === scene.a.admin && (change.role === "tenant_admin" || "status" in change)) continue
      const before = userRow(who.id)
      const body = change.tenant_id === "B" ? { tenant_id: scene.b.id } : change
      expect((await api("PATCH", `users/records/${who.id}`, who.token, body)).status).toBeGreaterThanOrEqual(400)
      expect(userRow(who.id)).toEqual(before)
    }
  })

  it("tokenKey in the body is ignored: the database keeps its own", async () => {
    const before = userRow(scene.a.member.id) as { tokenKey: string }
    await api("PATCH", `users/records/${scene.a.member.id}`, uA(), { tokenKey: "k".repeat(50) })
    expect((userRow(scene.a.member.id) as { tokenKey: string }).tokenKey).toBe(before.tokenKey)
  })

  it("the own name is the own business", async () => {
    expect((await api("PATCH", `users/records/${scene.a.member.id}`, uA(), { name: "Ada" })).status).toBe(200)
  })
})

describe("N7: somebody changes others", () => {
  const cases: [string, () => string, string, () => string, Record<string, unknown> | null][] = [
    ["member", uA, "a colleague's name", () => scene.a.colleague.id, { name: "x" }],
    ["member", uA, "another tenant's user", () => scene.b.member.id, { name: "x" }],
    ["member", uA, "the own admin's status", () => scene.a.admin.id, { status: "suspended" }],
    ["member", uA, "a colleague away", () => scene.a.colleague.id, null],
    ["member", uA, "itself away", () => scene.a.member.id, null],
    ["tenant admin", aA, "another tenant's user", () => scene.b.member.id, { status: "suspended" }],
    ["tenant admin", aA, "another tenant's user away", () => scene.b.member.id, null],
    ["tenant admin", aA, "a member's role to operator", () => scene.a.member.id, { role: "operator" }],
    ["tenant admin", aA, "a member's role to tenant_admin", () => scene.a.member.id, { role: "tenant_admin" }],
    ["tenant admin", aA, "a member into another tenant", () => scene.a.member.id, { tenant_id: "B" }],
    ["tenant admin", aA, "a member's budget", () => scene.a.member.id, { budget_total: 1e6 }],
    ["tenant admin", aA, "a member's product", () => scene.a.member.id, { product_id: "" }],
    ["tenant admin", aA, "the own role", () => scene.a.admin.id, { role: "operator" }],
    ["tenant admin", aA, "a member's password", () => scene.a.member.id, { password: "another-password", passwordConfirm: "another-password" }],
    ["tenant admin", aA, "a member's e-mail", () => scene.a.member.id, { email: "stolen@example.com" }],
    ["tenant admin", aA, "a member away", () => scene.a.member.id, null],
  ]
  it.each(cases)("%s%s → %s: refused", async (...[, token, , id, change]) => {
    const before = userRow(id())
    const body = change?.tenant_id === "B" ? { tenant_id: scene.b.id } : (change ?? undefined)
    const answer = await api(change ? "PATCH" : "DELETE", `users/records/${id()}`, token(), body)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(userRow(id())).toEqual(before)
  })
})

describe("N8: money through the side door", () => {
  const targets = ["usage_logs", "ledger_entries", "budgets", "credit_lots", "audit_log", "ingest_keys", "ingest_cursors", "model_prices"]
  it.each(targets)("/api/batch writes no %s, and rolls back what was with it", async (collection) => {
    const url = `/api/collections/${collection}/records`
    const settings = await scene.platform.asSuperuser("PATCH", "/api/settings", { batch: { enabled: true, maxRequests: 50, timeout: 3 } })
    expect(settings.status).toBe(200)
    const before = [books(scene.platform), userRow(scene.a.member.id)]
    const id = collection === "budgets" ? budgetId(scene.platform, "user", scene.a.member.id) : "some-id"
    for (const request of [{ method: "POST", url, body: { tenant_id: scene.a.id, amount_nano: 1 } }, { method: "PATCH", url: `${url}/${id}`, body: { total_nano: 1e12 } }, { method: "DELETE", url: `${url}/${id}` }]) {
      const rename = { method: "PATCH", url: `/api/collections/users/records/${scene.a.member.id}`, body: { name: "Rolled back" } }
      for (const token of [uA(), aA()]) {
        const answer = await scene.platform.request("POST", "/api/batch", { token, body: { requests: token === uA() ? [rename, request] : [request] } })
        expect([400, 403]).toContain(answer.status)
      }
    }
    expect([books(scene.platform), userRow(scene.a.member.id)]).toEqual(before)
  })
})

describe("N10: a suspended user's old token", () => {
  let gone: Person
  beforeAll(async () => {
    gone = await createPerson(scene.platform, { email: "gone@alpha.example.com", tenant_id: scene.a.id, product_id: scene.product.id })
    await verdictOf(scene.platform, scene.a, usageEvent({ user_id: gone.id }))
    expect((await api("GET", "usage_logs/records", gone.token)).body.totalItems).toBe(1)
    expect((await api("PATCH", `users/records/${gone.id}`, aA(), { status: "suspended" })).status).toBe(200)
  })

  it.each(["usage_logs", "budgets", "ledger_entries", "users", "tenants", "model_prices", "api_keys"])("lists no %s", async (collection) => {
    const answer = await api("GET", `${collection}/records`, gone.token)
    expect([answer.status, answer.body.totalItems]).toEqual([200, 0])
  })

  it.each([
    ["GET", "/api/budget"],
    ["GET", "/api/usage/summary"],
    ["POST", "/api/collections/users/auth-refresh"],
    ["POST", "/api/files/token"],
    ["POST", "/api/prices/publish"],
  ])("is refused by %s %s", async (method, route) => {
    const answer = await scene.platform.request(method, route, { token: gone.token, ...(method === "POST" ? { body: {} } : {}) })
    expect([401, 403]).toContain(answer.status)
  })

  it("opens no login either", async () => {
    const answer = await api("POST", "users/auth-with-password", "", { identity: gone.email, password: gone.password })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.body).not.toHaveProperty("token")
  })
})

describe("N20: rows that have books are kept", () => {
  it("neither a tenant admin, nor an operator, nor a superuser deletes a tenant or a user with ledger rows", async () => {
    const operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
    const before = books(scene.platform)
    for (const token of [aA(), operator.token, scene.platform.superuser.authStore.token]) {
      for (const row of [`tenants/records/${scene.a.id}`, `users/records/${scene.a.member.id}`, `tenants/records/${scene.b.id}`]) {
        expect((await api("DELETE", row, token)).status).toBeGreaterThanOrEqual(400)
      }
    }
    expect(userRow(scene.a.member.id)).toBeDefined()
    expect(books(scene.platform)).toEqual(before)
  })
})
