/** The guarantee: a refused call is told who refuses, with the numbers, who can lift it and when it resets; the same is stored. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { EUR, eur, Gate, inMs, MODEL, NANO_PER_TOKEN } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const ADMINS = ["tenant_admin", "operator"]
const verdict = (body: Record<string, unknown>) => (body.allowed ? "allowed" : `${body.code} ${body.scope}`)

/** What is on disk under refusal_id is what was answered. */
function expectStored(body: Record<string, unknown>, more: Record<string, unknown>): void {
  expect(gate.refusal(body.refusal_id as string)).toMatchObject({
    ...{ code: body.code, scope: body.scope, message: body.message, resets_at: body.resets_at ?? "", times: 1 },
    ...more,
  })
}

describe("no money", () => {
  const need = 116 * NANO_PER_TOKEN

  it.each<["tenant" | "user" | "api_key", string[], string]>([
    ["tenant", ADMINS, "Your company's budget"],
    ["user", ADMINS, "Your personal limit"],
    ["api_key", ["user", ...ADMINS], "The limit of this API key"],
  ])("in the %s's budget: the numbers of that moment", async (scope, can_fix, owner) => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    const key = await own.createKey(user, { limit: scope === "api_key" ? "0.5" : "30" })
    if (scope === "tenant") await own.adjust("user", user.id, "5")
    else await own.createUser()
    const total = scope === "api_key" ? EUR / 2 : EUR
    const spent = (scope === "api_key" ? 300_000 : 600_000) * NANO_PER_TOKEN
    await own.settle(user.id, spent / NANO_PER_TOKEN, { api_key_id: key.id })
    const held = await own.grant({ user_id: user.id, api_key_id: key.id, max_tokens: 1_000_000 })
    const body = await own.ask({ call_id: "too much", user_id: user.id, api_key_id: key.id })
    const heldNano = (held.max_tokens + 100) * NANO_PER_TOKEN
    const row = own.budget(scope, user.id)
    expect(row).toMatchObject({ total_nano: total, used_nano: spent })
    expect(body).toEqual({
      ...{ allowed: false, code: "budget_exhausted", scope, limit: eur(total), used: eur(spent), held: eur(heldNano), can_fix },
      ...{ resets_at: row.resets_at.replace(" ", "T"), message: expect.stringContaining(owner), refusal_id: expect.any(String) },
    })
    expectStored(body, {
      ...{ tenant_id: own.tenant.id, user_id: user.id, api_key_id: key.id, call_id: "too much", model: MODEL },
      ...{ limit_value: total, used_value: spent, held_value: heldNano, needed_nano: need },
    })
    expect(own.holds()).toHaveLength(1)
  })

  it("the widest of equally tight scopes is named: raising a narrower one would not help", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    await own.settle(user.id, 1_000_000)
    expect(await own.ask({ user_id: user.id })).toMatchObject({
      scope: "tenant",
      limit: eur(EUR),
      used: eur(1_000_000 * NANO_PER_TOKEN),
    })
  })

  it("after a raise the next call runs, and a user without a product has nothing to spend", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    await own.createUser()
    await own.settle(user.id, 906_000)
    expect(verdict(await own.ask({ user_id: user.id }))).toBe("budget_exhausted user")
    await own.adjust("user", user.id, "0.01")
    expect(verdict(await own.ask({ user_id: user.id }))).toBe("allowed")
    const nobody = await own.createUser({}, { product_id: "" })
    expect(verdict(await own.ask({ user_id: nobody.id }))).toBe("model_not_allowed user")
  })

  it("is told by the local date of the reset, in the tenant's zone", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    await own.settle(user.id, 1_000_000)
    const { message, resets_at } = await own.ask({ user_id: user.id })
    const at = new Date(Date.parse(resets_at))
    const [year, month, day] = at.toLocaleDateString("sv-SE", { timeZone: "Europe/Berlin" }).split("-")
    expect(message).toContain(`Am ${day}.${month}.${year} wird es zurückgesetzt.`)
    const key = await own.createKey(user)
    const english = await own.ask({ user_id: user.id, api_key_id: key.id })
    expect(english.message).toContain(`It resets on ${year}-${month}-${day}.`)
  })
})

describe("who may not call", () => {
  it("a user who is suspended between two calls, and may again afterwards", async () => {
    const user = await gate.createUser()
    const users = gate.platform.superuser.collection("users")
    expect(verdict(await gate.ask({ user_id: user.id }))).toBe("allowed")
    await users.update(user.id, { status: "suspended" })
    const body = await gate.ask({ user_id: user.id })
    expect(body).toMatchObject({ allowed: false, code: "user_suspended", scope: "user", can_fix: ADMINS })
    for (const field of ["limit", "used", "held", "resets_at"]) expect(body).not.toHaveProperty(field)
    expectStored(body, { user_id: user.id, limit_value: 0, needed_nano: 0 })
    await users.update(user.id, { status: "active" })
    expect(verdict(await gate.ask({ user_id: user.id }))).toBe("allowed")
  })

  it("everybody of a tenant that is suspended between two calls, open calls included", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    const tenants = own.platform.superuser.collection("tenants")
    await own.grant({ call_id: "running", user_id: user.id })
    await tenants.update(own.tenant.id, { status: "suspended" })
    expect(verdict(await own.ask({ user_id: user.id }))).toBe("tenant_suspended tenant")
    expect(verdict(await own.ask({ call_id: "running", user_id: user.id }))).toBe("tenant_suspended tenant")
    await tenants.update(own.tenant.id, { status: "active" })
    expect(verdict(await own.ask({ call_id: "running", user_id: user.id }))).toBe("allowed")
  })

  it("somebody unknown, or of another tenant: nothing tells the two apart", async () => {
    const foreigner = await (await gate.ofAnotherTenant()).createUser()
    const answers = []
    for (const user_id of ["nobody", foreigner.id]) answers.push(await gate.ask({ user_id }))
    for (const body of answers) expect(body).toMatchObject({ code: "unknown_identity", scope: "user", can_fix: ADMINS })
    expect(answers[0].message).toBe(answers[1].message)
    expect(gate.refusal(answers[1].refusal_id)).toMatchObject({ tenant_id: gate.tenant.id, user_id: "" })
  })
})

describe("keys", () => {
  it.each<[string, string]>([
    ["revoked", "key_revoked api_key"],
    ["expired", "key_expired api_key"],
    ["rotated without an overlap", "key_expired api_key"],
    ["rotated with an overlap", "allowed"],
    ["of a colleague", "unknown_identity api_key"],
    ["of another tenant", "unknown_identity api_key"],
    ["that does not exist", "unknown_identity api_key"],
  ])("a key %s: %s", async (which, expected) => {
    const user = await gate.createUser()
    const token = await gate.platform.tokenOf(user)
    let key = await gate.createKey(user, which === "expired" ? { expires_at: inMs(1_500) } : {})
    const act = (verb: string, body: unknown) => gate.platform.request("POST", `/api/keys/${key.id}/${verb}`, { token, body })
    const before = await gate.ask({ user_id: user.id, api_key_id: key.id })
    expect(verdict(before)).toBe("allowed")
    if (which === "revoked") await act("revoke", {})
    if (which === "expired") await gate.platform.restart({ clock: inMs(2_000) })
    if (which.startsWith("rotated")) await act("rotate", { overlap_hours: which.includes("without") ? 0 : 1 })
    if (which === "of a colleague") key = await gate.createKey(await gate.createUser())
    if (which === "of another tenant") {
      const own = await gate.ofAnotherTenant()
      key = await own.createKey(await own.createUser())
    }
    if (which === "that does not exist") key = { id: "nosuchkey", key: "" }
    const body = await gate.ask({ user_id: user.id, api_key_id: key.id })
    expect(verdict(body)).toBe(expected)
    if (!body.allowed) expectStored(body, { user_id: user.id, api_key_id: expected.startsWith("unknown") ? "" : key.id })
  })
})

describe("models", () => {
  it.each<[string, unknown, string[], string, string]>([
    ["in both lists", [MODEL], [MODEL], MODEL, "allowed"],
    ["by a wildcard of the product", ["counted-*"], ["*"], MODEL, "allowed"],
    ["by the provider's name in front", [MODEL], ["*"], `test/${MODEL}`, "allowed"],
    ["not in the product", ["embed"], ["*"], MODEL, "model_not_allowed user"],
    ["a product with an empty list", [], ["*"], MODEL, "model_not_allowed user"],
    ["not in the key's list", ["*"], ["embed"], MODEL, "model_not_allowed api_key"],
    ["in neither: the product is named", ["embed"], ["embed"], MODEL, "model_not_allowed user"],
  ])("%s", async (_name, models, keyModels, model, expected) => {
    const user = await gate.createUser({ models })
    const key = await gate.createKey(user, { models: keyModels })
    const body = await gate.ask({ user_id: user.id, api_key_id: key.id, model })
    expect(verdict(body)).toBe(expected)
    if (expected.endsWith("api_key")) expect(body.can_fix).toEqual(["user", "tenant_admin"])
    else if (!body.allowed) expect(body.can_fix).toEqual(ADMINS)
  })

  it.each<[string, Record<string, unknown>]>([
    ["the book does not have", { model: "unheard-of" }],
    ["has no rate for images", { model: "voice", units_estimate: { images: 1 }, tokens_input_estimate: 0, max_tokens: 0 }],
    ["has no rate for output", { model: "embed", max_tokens: 5 }],
    ["has no rate for input", { model: "voice", tokens_input_estimate: 1 }],
  ])("a model that %s is not run: only an operator can help", async (_name, question) => {
    const user = await gate.createUser()
    const body = await gate.ask({ user_id: user.id, ...question })
    expect(body).toMatchObject({ allowed: false, code: "model_unpriced", scope: "model", can_fix: ["operator"] })
  })

  it("one that was used without a price is blocked for the tenant until one is published", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    expect((await own.settle(user.id, 10, { model: "voice" })).verdict).toBe("quarantined")
    const speak = { model: "voice", tokens_input_estimate: 0, max_tokens: 0, units_estimate: { characters: 10 } }
    const key = await own.createKey(user)
    const blocked = await own.ask({ user_id: user.id, api_key_id: key.id, ...speak })
    expect(blocked).toMatchObject({
      code: "model_unpriced",
      scope: "model",
      message: expect.stringContaining("no rate for input"),
    })
    expect(verdict(await gate.ask({ user_id: (await gate.createUser()).id, ...speak }))).toBe("allowed")
    await own.platform.publishPrices([{ model: "voice", provider: "test", kind: "speech", usd: { mchar: "15", input: "1" } }])
    expect(verdict(await own.ask({ user_id: user.id, ...speak }))).toBe("allowed")
  })

  it("a price that is published makes it run at the next call", async () => {
    const user = await gate.createUser()
    const question = { user_id: user.id, model: "brand-new" }
    expect(verdict(await gate.ask(question))).toBe("model_unpriced model")
    await gate.platform.publishPrices([{ model: "brand-new", provider: "test", kind: "chat", usd: { input: "1", output: "1" } }])
    expect(verdict(await gate.ask(question))).toBe("allowed")
  })
})

it("the books are sound", async () => {
  const { code, output } = await gate.platform.doctor()
  expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
})
