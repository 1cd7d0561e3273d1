/** The guarantee: whoever signs in sees the budgets that limit them, as the database has them, and nobody else's. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { budgetId, createPerson, EVENT_COST, startTwoTenants, type TwoTenants, usageEvent, verdictOf } from "./two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
  await verdictOf(scene.platform, scene.a, usageEvent({ user_id: scene.a.member.id }))
  await verdictOf(scene.platform, scene.a, usageEvent({ user_id: scene.a.colleague.id }))
})
afterAll(() => scene?.platform.stop())

const ask = (token: string) => scene.platform.request("GET", "/api/budget", { token })

describe("GET /api/budget", () => {
  it("shows a member the tenant's money and the own limit, to the nano", async () => {
    const { status, body } = await ask(scene.a.member.token)
    expect(status).toBe(200)
    const common = { held: "0.000000000", period_key: expect.stringMatching(/^\d{4}-\d{2}-01$/), forecast: expect.anything() }
    expect(body.budgets).toHaveLength(2)
    expect(body.budgets.find((b: { scope: string }) => b.scope === "tenant")).toMatchObject({
      ...{ id: budgetId(scene.platform, "tenant", scene.a.id), used: "0.006624000", ...common },
    })
    expect(body.budgets.find((b: { scope: string }) => b.scope === "user")).toMatchObject({
      ...{ id: budgetId(scene.platform, "user", scene.a.member.id), used: EVENT_COST, ...common },
    })
    for (const budget of body.budgets) {
      const nano = (text: string) => BigInt(text.replace(".", ""))
      expect(nano(budget.remaining)).toBe(nano(budget.total) - nano(budget.used))
      expect(Date.parse(budget.resets_at)).toBeGreaterThan(Date.parse(budget.period_start))
    }
  })

  it("is the owner's projection on users, too", async () => {
    const [user] = scene.platform.sql(
      "SELECT budget_used, budget_total - budget_used - budget_remaining AS rest FROM users WHERE id = ?",
      [scene.a.member.id],
    )
    expect(user).toEqual({ budget_used: 0.003312, rest: expect.closeTo(0, 9) })
  })

  it.each([
    ["a guest", () => "", 401, "not_signed_in"],
    ["an ingest key", () => `Bearer ${scene.a.ingestKey}`, 401, "not_signed_in"],
    ["a broken token", () => `${scene.a.member.token}x`, 401, "not_signed_in"],
    ["a superuser, who has no tenant", () => scene.platform.superuser.authStore.token, 403, "forbidden"],
  ])("refuses %s", async (_name, token, status, code) => {
    const answer = await ask(token())
    expect([answer.status, answer.body.code]).toEqual([status, code])
  })

  it.each(["operator", "sales"])("tells %s, who belongs to no tenant, that there is nothing to show", async (role) => {
    const person = await createPerson(scene.platform, { email: `${role}@example.com`, role })
    expect((await ask(person.token)).status).toBe(403)
  })
})

describe("a superuser's dashboard edit of users.budget_*", () => {
  it("is put right by the projection, in the database and in the next answer", async () => {
    const fields = "budget_total, budget_used, budget_remaining, budget_reset_date"
    const read = () => scene.platform.sql(`SELECT ${fields} FROM users WHERE id = ?`, [scene.a.member.id])[0]
    const before = read()
    const route = `/api/collections/users/records/${scene.a.member.id}`
    const patch = await scene.platform.asSuperuser("PATCH", route, {
      ...{
        budget_total: 9_999,
        budget_used: 0,
        budget_remaining: 9_999,
        budget_reset_date: "2030-01-01 00:00:00.000Z",
        name: "Renamed",
      },
    })
    expect(patch.status).toBe(200)
    expect(read()).toEqual(before)
    const { body } = await scene.platform.asSuperuser("GET", route)
    expect(body).toMatchObject({ name: "Renamed", budget_used: 0.003312 })
    expect(body.budget_total).not.toBe(9_999)
    await scene.platform.asSuperuser("PATCH", route, { "budget_used-": 5 })
    expect(read()).toEqual(before)
  })
})
