/** The guarantee: a budget changes with a reason, in ledger, lots and audit at once, once per idempotency key, by who may. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { books, budgetId, createPerson, type Person, shapeProblems, startTwoTenants, type TwoTenants } from "./two-tenants"

let scene: TwoTenants
let operator: Person
let sales: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
  sales = await createPerson(scene.platform, { email: "sales@example.com", role: "sales" })
})
afterAll(() => scene?.platform.stop())

const adjust = (id: string, body: unknown, token = operator.token, headers: Record<string, string> = {}) =>
  scene.platform.request("POST", `/api/budgets/${id}/adjust`, { token, body, headers })
const ofTenant = () => budgetId(scene.platform, "tenant", scene.a.id)
const ofMember = () => budgetId(scene.platform, "user", scene.a.member.id)
const row = (id: string) =>
  scene.platform.sql<{ total_nano: number; used_nano: number }>("SELECT total_nano, used_nano FROM budgets WHERE id = ?", [id])[0]
const total = (id: string) => row(id)?.total_nano ?? Number.NaN
const GOOD = { amount: "10.50", reason: "a good reason" }

describe("an adjustment", () => {
  it.each([
    ["the tenant's money", () => ofTenant()],
    ["a user's limit", () => ofMember()],
  ])("of %s raises it, in the answer, the row, the ledger and the audit log", async (_name, id) => {
    const budget = id()
    const before = total(budget)
    const { status, body } = await adjust(budget, GOOD)
    expect(status).toBe(200)
    expect(total(budget) - before).toBe(10_500_000_000)
    expect(body).toEqual({
      ...{ budget_id: budget, amount: "10.500000000", used: "0.000000000" },
      ...{
        total: `${(before + 10_500_000_000) / 1e9}.000000000`.replace(/(\.\d+)\.0+$/, (_m, d) => d.padEnd(10, "0")),
        remaining: body.total,
      },
    })
    const entry = {
      kind: "adjustment",
      amount_nano: 10_500_000_000,
      balance_after: before + 10_500_000_000,
      actor: `user:${operator.id}`,
      reason: GOOD.reason,
    }
    expect(scene.platform.sql("SELECT * FROM ledger_entries WHERE budget_id = ? AND kind = 'adjustment'", [budget])).toEqual([
      expect.objectContaining(entry),
    ])
    expect(
      scene.platform.sql("SELECT actor, reason, tenant_id FROM audit_log WHERE action = 'budget.adjust' AND target = ?", [
        budget,
      ]),
    ).toEqual([{ actor: `user:${operator.id}`, reason: GOOD.reason, tenant_id: scene.a.id }])
  })

  it("downwards takes, and shows on users at once", async () => {
    const before = total(ofMember())
    expect((await adjust(ofMember(), { amount: "-3.000000001", reason: "too much" })).status).toBe(200)
    expect(total(ofMember())).toBe(before - 3_000_000_001)
    expect(scene.platform.sql("SELECT budget_total FROM users WHERE id = ?", [scene.a.member.id])).toEqual([
      { budget_total: (before - 3_000_000_001) / 1e9 },
    ])
  })
})

describe("an idempotency key", () => {
  it.each([
    ["in the body", (key: string) => ({ body: { ...GOOD, idempotency_key: key }, headers: {} })],
    ["in the header", (key: string) => ({ body: GOOD, headers: { "Idempotency-Key": key } })],
  ])(
    "%s: the same again is the first answer, another amount or reason is 409, and the money moves once",
    async (where, build) => {
      const before = total(ofTenant())
      const { body, headers } = build(`key ${where}`)
      const first = await adjust(ofTenant(), body, operator.token, headers)
      const again = await adjust(ofTenant(), body, operator.token, headers)
      expect([again.status, again.body]).toEqual([200, first.body])
      for (const other of [{ amount: "10.51" }, { reason: "another reason" }]) {
        const answer = await adjust(ofTenant(), { ...body, ...other }, operator.token, headers)
        expect([answer.status, answer.body.code]).toEqual([409, "conflict"])
        expect(shapeProblems(answer)).toEqual([])
      }
      expect(total(ofTenant()) - before).toBe(10_500_000_000)
    },
  )

  it("repeats the first answer word for word after other adjustments, too", async () => {
    const body = { ...GOOD, idempotency_key: "first-answer" }
    const first = await adjust(ofTenant(), body)
    await adjust(ofTenant(), { amount: "1", reason: "in between" })
    expect((await adjust(ofTenant(), body)).body).toEqual(first.body)
  })

  it("sent ten times at once moves the money once", async () => {
    const before = total(ofTenant())
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => adjust(ofTenant(), { ...GOOD, idempotency_key: "at-once" })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array(10).fill(200))
    expect(total(ofTenant()) - before).toBe(10_500_000_000)
  })
})

describe("who may", () => {
  const A_TENANT = () => budgetId(scene.platform, "tenant", scene.a.id)
  const A_MEMBER = () => budgetId(scene.platform, "user", scene.a.member.id)
  const B_TENANT = () => budgetId(scene.platform, "tenant", scene.b.id)
  const B_MEMBER = () => budgetId(scene.platform, "user", scene.b.member.id)
  const cases: [string, () => string, string, () => string, number][] = [
    ["operator", () => operator.token, "a tenant's money", A_TENANT, 200],
    ["operator", () => operator.token, "a user's limit", B_MEMBER, 200],
    ["superuser", () => scene.platform.superuser.authStore.token, "a tenant's money", A_TENANT, 200],
    ["tenant admin", () => scene.a.admin.token, "an own user's limit", A_MEMBER, 200],
    ["tenant admin", () => scene.a.admin.token, "the own tenant's money", A_TENANT, 403],
    ["tenant admin", () => scene.a.admin.token, "another tenant's user", B_MEMBER, 404],
    ["tenant admin", () => scene.a.admin.token, "another tenant's money", B_TENANT, 404],
    ["member", () => scene.a.member.token, "the own limit", A_MEMBER, 404],
    ["member", () => scene.a.member.token, "the tenant's money", A_TENANT, 404],
    ["sales", () => sales.token, "a tenant's money", A_TENANT, 404],
    ["ingest key", () => `Bearer ${scene.a.ingestKey}`, "a tenant's money", A_TENANT, 401],
    ["guest", () => "", "a tenant's money", A_TENANT, 401],
  ]
  it.each(cases)("%s%s adjusts %s%s → %d", async (...[, token, , id, status]) => {
    const before = books(scene.platform)
    expect((await adjust(id(), GOOD, token())).status).toBe(status)
    if (status !== 200) expect(books(scene.platform)).toEqual(before)
  })
})

describe("what is refused, with nothing changed", () => {
  it.each([
    ["no amount", { amount: undefined }, 400, "amount"],
    ["an amount that is a number", { amount: 5 }, 400, "amount"],
    ["an amount of 0", { amount: "0.000" }, 400, "amount"],
    ["ten places", { amount: "0.0000000001" }, 400, "amount"],
    ["1e3", { amount: "1e3" }, 400, "amount"],
    ["a comma", { amount: "1,5" }, 400, "amount"],
    ["ten million", { amount: "10000000" }, 400, "amount"],
    ["no reason", { reason: undefined }, 400, "reason"],
    ["a blank reason", { reason: "     " }, 400, "reason"],
    ["expires in the past", { expires: "2020-01-01T00:00:00Z" }, 400, "expires"],
    ["expires sometime", { expires: "sometime" }, 400, "expires"],
  ])("%s", async (_name, changes, status, path) => {
    const before = books(scene.platform)
    const answer = await adjust(ofTenant(), { ...GOOD, ...changes })
    expect([answer.status, answer.body.data.path]).toEqual([status, path])
    expect(shapeProblems(answer)).toEqual([])
    expect(books(scene.platform)).toEqual(before)
  })

  it("a budget that does not exist", async () => {
    expect((await adjust("nope", GOOD)).status).toBe(404)
  })
})
