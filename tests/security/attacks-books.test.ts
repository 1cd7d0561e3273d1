/** N8, N10, N20 of the attack list: money through the side door, tokens of suspended users, and rows that must stay. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  books,
  budgetId,
  createPerson,
  type Person,
  startTwoTenants,
  type TwoTenants,
  usageEvent,
  verdictOf,
} from "../http/two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
  for (const tenant of [scene.a, scene.b])
    await verdictOf(scene.platform, tenant, usageEvent({ user_id: tenant.member.id, event_id: `of-${tenant.slug}` }))
})
afterAll(() => scene?.platform.stop())

const api = (method: string, route: string, token: string, body?: unknown) =>
  scene.platform.request(method, `/api/collections/${route}`, { token, body })
const uA = () => scene.a.member.token
const aA = () => scene.a.admin.token
const userRow = (id: string) => scene.platform.sql("SELECT * FROM users WHERE id = ?", [id])[0]

describe("N8: money through the side door", () => {
  const targets = [
    "usage_logs",
    "ledger_entries",
    "budgets",
    "credit_lots",
    "holds",
    "refusals",
    "audit_log",
    "ingest_keys",
    "ingest_cursors",
    "model_prices",
  ]
  it.each(targets)("/api/batch writes no %s, and rolls back what was with it", async (collection) => {
    const url = `/api/collections/${collection}/records`
    const settings = await scene.platform.asSuperuser("PATCH", "/api/settings", {
      batch: { enabled: true, maxRequests: 50, timeout: 3 },
    })
    expect(settings.status).toBe(200)
    const before = [books(scene.platform), userRow(scene.a.member.id)]
    const id = collection === "budgets" ? budgetId(scene.platform, "user", scene.a.member.id) : "some-id"
    for (const request of [
      { method: "POST", url, body: { tenant_id: scene.a.id, amount_nano: 1 } },
      { method: "PATCH", url: `${url}/${id}`, body: { total_nano: 1e12 } },
      { method: "DELETE", url: `${url}/${id}` },
    ]) {
      const rename = {
        method: "PATCH",
        url: `/api/collections/users/records/${scene.a.member.id}`,
        body: { name: "Rolled back" },
      }
      for (const token of [uA(), aA()]) {
        const answer = await scene.platform.request("POST", "/api/batch", {
          token,
          body: { requests: token === uA() ? [rename, request] : [request] },
        })
        expect([400, 403]).toContain(answer.status)
      }
    }
    expect([books(scene.platform), userRow(scene.a.member.id)]).toEqual(before)
  })
})

describe("N10: a suspended user's old token", () => {
  let gone: Person
  beforeAll(async () => {
    gone = await createPerson(scene.platform, {
      email: "gone@alpha.example.com",
      tenant_id: scene.a.id,
      product_id: scene.product.id,
    })
    await verdictOf(scene.platform, scene.a, usageEvent({ user_id: gone.id }))
    expect((await api("GET", "usage_logs/records", gone.token)).body.totalItems).toBe(1)
    expect((await api("PATCH", `users/records/${gone.id}`, aA(), { status: "suspended" })).status).toBe(200)
  })

  it.each(["usage_logs", "budgets", "ledger_entries", "users", "tenants", "model_prices", "api_keys"])(
    "lists no %s",
    async (collection) => {
      const answer = await api("GET", `${collection}/records`, gone.token)
      expect([answer.status, answer.body.totalItems]).toEqual([200, 0])
    },
  )

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
      for (const row of [
        `tenants/records/${scene.a.id}`,
        `users/records/${scene.a.member.id}`,
        `tenants/records/${scene.b.id}`,
      ]) {
        expect((await api("DELETE", row, token)).status).toBeGreaterThanOrEqual(400)
      }
    }
    expect(userRow(scene.a.member.id)).toBeDefined()
    expect(books(scene.platform)).toEqual(before)
  })
})
