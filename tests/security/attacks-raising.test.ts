/** N5–N7 of the attack list: people who make themselves, raise themselves, or change others. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startTwoTenants, type TwoTenants, usageEvent, verdictOf } from "../http/two-tenants"

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

describe("N5: a guest signs up", () => {
  const account = { email: "new@example.com", password: "a-long-password", passwordConfirm: "a-long-password" }
  const extras: Record<string, unknown>[] = [
    {},
    { role: "operator" },
    { role: "member", status: "active", tenant_id: "A" },
    { role: "member", status: "active", product_id: "P", budget_total: 1_000, verified: true },
  ]
  it.each(extras)("with %j: refused", async (extra) => {
    const body = JSON.parse(
      JSON.stringify({ ...account, ...extra })
        .replace('"A"', `"${scene.a.id}"`)
        .replace('"P"', `"${scene.product.id}"`),
    )
    for (const token of ["", uA(), aA()]) expect((await api("POST", "users/records", token, body)).status).toBe(400)
    expect(scene.platform.sql("SELECT id FROM users WHERE email = 'new@example.com'")).toEqual([])
  })
})

describe("N6: somebody raises themselves", () => {
  const changes: Record<string, unknown>[] = [
    ...[
      { role: "operator" },
      { role: "tenant_admin" },
      { status: "suspended" },
      { tenant_id: "B" },
      { tenant_id: "" },
      { product_id: "" },
    ],
    ...[{ product_version_id: "" }, { budget_total: 1e6 }, { budget_used: -5 }, { "budget_used-": 1 }, { "budget_total+": 100 }],
    ...[
      { budget_remaining: 1e6 },
      { budget_reset_date: "2030-01-01 00:00:00.000Z" },
      { verified: false },
      { email: "x@example.com" },
    ],
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
    [
      "tenant admin",
      aA,
      "a member's password",
      () => scene.a.member.id,
      { password: "another-password", passwordConfirm: "another-password" },
    ],
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
