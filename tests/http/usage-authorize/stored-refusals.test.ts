/** The guarantee: "why was I blocked?" is answered to those concerned, with one row a minute however often a client tries. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, inMs, MODEL } from "../gate"
import { createPerson, type Person } from "../two-tenants"

let gate: Gate
let other: Gate
const people: Record<string, Person> = {}
let refusalId: string

beforeAll(async () => {
  gate = await Gate.start()
  other = await gate.ofAnotherTenant()
  const product_id = (await gate.platform.createProduct({ models: ["embed"] })).id
  const person = (name: string, data: Record<string, unknown>) =>
    createPerson(gate.platform, { email: `${name}@people.example.com`, role: "member", product_id, ...data })
  people.member = await person("member", { tenant_id: gate.tenant.id })
  people.colleague = await person("colleague", { tenant_id: gate.tenant.id })
  people.admin = await person("admin", { tenant_id: gate.tenant.id, role: "tenant_admin" })
  people.foreigner = await person("foreigner", { tenant_id: other.tenant.id })
  people["foreign admin"] = await person("foreign-admin", { tenant_id: other.tenant.id, role: "tenant_admin" })
  people.sales = await person("sales", { role: "sales", product_id: "" })
  people.operator = await person("operator", { role: "operator", product_id: "" })
  refusalId = (await gate.ask({ user_id: people.member.id })).refusal_id
})
afterAll(() => gate?.platform.stop())

describe("a refusal", () => {
  it.each([
    ["member", true],
    ["admin", true],
    ["operator", true],
    ["colleague", false],
    ["foreigner", false],
    ["foreign admin", false],
    ["sales", false],
  ])("can be read by %s: %s", async (name, may) => {
    const route = "/api/collections/refusals/records"
    const token = people[name]?.token as string
    const view = await gate.platform.request("GET", `${route}/${refusalId}`, { token })
    expect(view.status).toBe(may ? 200 : 404)
    if (may)
      expect(view.body).toMatchObject({ code: "model_not_allowed", scope: "user", model: MODEL, user_id: people.member?.id })
    const list = await gate.platform.request("GET", `${route}?perPage=500`, { token })
    expect(list.body.items.some((row: { id: string }) => row.id === refusalId)).toBe(may)
  })

  it("holds nothing but who, what and the numbers: no prompt, no address", () => {
    expect(Object.keys(gate.refusal(refusalId) ?? {}).toSorted()).toEqual(
      [
        ...[
          "api_key_id",
          "call_id",
          "code",
          "created",
          "held_value",
          "id",
          "limit_value",
          "message",
          "minute",
          "model",
          "needed_nano",
        ],
        ...["resets_at", "scope", "tenant_id", "times", "updated", "used_value", "user_id"],
      ].toSorted(),
    )
  })
})

describe("a client that tries in a loop", () => {
  const rows = (userId: string) =>
    gate.platform.sql<{ id: string; times: number; call_id: string; model: string; minute: string }>(
      "SELECT * FROM refusals WHERE user_id = ? ORDER BY created",
      [userId],
    )

  it("makes one row a minute, which counts, names the newest call and keeps its id", async () => {
    const clock = "2027-01-10T10:00:05Z"
    await gate.platform.restart({ clock })
    const user = await gate.createUser({ models: ["embed"] })
    const ids = new Set<string>()
    for (let i = 0; i < 12; i++) ids.add((await gate.ask({ call_id: `loop-${i}`, user_id: user.id })).refusal_id)
    expect(rows(user.id)).toHaveLength(1)
    expect(rows(user.id)[0]).toMatchObject({ id: [...ids][0], times: 12, call_id: "loop-11", minute: "2027-01-10 10:00" })
    await gate.platform.restart({ clock: "2027-01-10T10:01:05Z" })
    await gate.ask({ user_id: user.id })
    expect(rows(user.id).map((row) => row.times)).toEqual([12, 1])
    await gate.platform.restart({ clock: inMs(0) })
  })

  it("makes a row of its own for another model, reason or key", async () => {
    const user = await gate.createUser({ models: [MODEL] })
    const key = await gate.createKey(user, { models: ["embed"] })
    await gate.ask({ user_id: user.id, model: "embed" })
    await gate.ask({ user_id: user.id, model: "voice" })
    await gate.ask({ user_id: user.id, api_key_id: key.id })
    await gate.platform.superuser.collection("users").update(user.id, { status: "suspended" })
    await gate.ask({ user_id: user.id, model: "embed" })
    expect(rows(user.id)).toHaveLength(4)
  })

  it("that invents models shares one row, under whatever provider it puts in front", async () => {
    const user = await gate.createUser({ models: ["embed"] })
    for (let i = 0; i < 5; i++) await gate.ask({ user_id: user.id, model: `invented-${i}` })
    for (let i = 0; i < 5; i++) await gate.ask({ user_id: user.id, model: `provider-${i}/${MODEL}` })
    expect(rows(user.id).map((row) => [row.model, row.times])).toEqual([
      ["", 5],
      [MODEL, 5],
    ])
  })

  it("that invents users shares one row as well", async () => {
    for (let i = 0; i < 5; i++) await other.ask({ user_id: `invented-${i}` })
    const found = gate.platform.sql("SELECT times FROM refusals WHERE tenant_id = ? AND code = 'unknown_identity'", [
      other.tenant.id,
    ])
    expect(found).toEqual([{ times: 5 }])
  })
})

it("refusals older than 90 days and closed holds older than 100 are let go; an open call is not", async () => {
  const user = await gate.createUser()
  await gate.grant({ call_id: "closed", user_id: user.id })
  await gate.release({ call_id: "closed" })
  await gate.platform.restart({ clock: inMs(91 * 86_400_000) })
  const swept = async (what: () => unknown, expected: unknown) => {
    await gate.platform.asSuperuser("POST", "/api/crons/expire-holds")
    await expect.poll(what, { timeout: 10_000 }).toEqual(expected)
  }
  await swept(() => gate.refusal(refusalId), undefined)
  expect(gate.hold("closed").state).toBe("released")
  await gate.platform.restart({ clock: inMs(101 * 86_400_000) })
  await gate.grant({ call_id: "open", user_id: user.id })
  await swept(() => gate.holds().map((row) => row.call_id), ["open"])
})
