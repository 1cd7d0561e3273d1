import { describe, expect, it } from "vitest"
import { budget, call, EUR, facts, KEY, NOW, PRICE, PRODUCT } from "./call-facts.examples"
import { refuseBudget, refuseIdentity, refuseModel, refuseRate, refuseUnknown, refuseUnpriced, tightestBudget } from "./refusal"

const who = (refusal: { code: string; scope: string; canFix: string[] } | null) =>
  refusal === null ? null : `${refusal.code} ${refusal.scope} ${refusal.canFix.join()}`
const ACTIVE = { status: "active", product: PRODUCT }
const SUSPENDED = { status: "suspended", product: PRODUCT }
const OFF = { id: "t", status: "suspended" }
const ADMINS = "tenant_admin,operator"

describe("who may not call at all", () => {
  it.each<[string, Parameters<typeof facts>[0], string | null]>([
    ["everybody active", {}, null],
    ["everybody active, with a key", { key: KEY }, null],
    ["no such user", { user: null }, `unknown_identity user ${ADMINS}`],
    [
      "no such user of a suspended tenant: nothing is said about the tenant",
      { user: null, tenant: OFF },
      `unknown_identity user ${ADMINS}`,
    ],
    ["tenant suspended", { tenant: OFF }, `tenant_suspended tenant ${ADMINS}`],
    ["tenant and user suspended: the wider one is named", { tenant: OFF, user: SUSPENDED }, `tenant_suspended tenant ${ADMINS}`],
    ["tenant pending", { tenant: { id: "t", status: "pending" } }, `tenant_suspended tenant ${ADMINS}`],
    ["user suspended", { user: SUSPENDED }, `user_suspended user ${ADMINS}`],
    ["user pending", { user: { ...ACTIVE, status: "pending" } }, `user_suspended user ${ADMINS}`],
    ["no such key", { key: null }, "unknown_identity api_key user"],
    ["key revoked", { key: { ...KEY, status: "revoked" } }, "key_revoked api_key user,tenant_admin"],
    ["key revoked and expired", { key: { ...KEY, status: "revoked", expiresAtMs: 1 } }, "key_revoked api_key user,tenant_admin"],
    ["key expires now", { key: { ...KEY, expiresAtMs: NOW } }, "key_expired api_key user,tenant_admin"],
    ["key expires in a millisecond", { key: { ...KEY, expiresAtMs: NOW + 1 } }, null],
  ])("%s", (_name, changes, expected) => expect(who(refuseIdentity(facts(changes)))).toBe(expected))
})

describe("which model may not be used", () => {
  const product = (models: unknown) => ({ user: { ...ACTIVE, product: { ...PRODUCT, models } } })
  it.each<[string, Parameters<typeof facts>[0], string | null]>([
    ["all allowed", {}, null],
    ["named by the product", product(["gpt-4o"]), null],
    ["named by the product with its provider", product(["openai/gpt-4o"]), `model_not_allowed user ${ADMINS}`],
    ["not in the product", product(["o3"]), `model_not_allowed user ${ADMINS}`],
    ["a product without a list", product(null), `model_not_allowed user ${ADMINS}`],
    ["a user without a product", { user: { ...ACTIVE, product: null } }, `model_not_allowed user ${ADMINS}`],
    ["no user", { user: null }, `model_not_allowed user ${ADMINS}`],
    ["not in the key's list", { key: { ...KEY, models: ["o3"] } }, "model_not_allowed api_key user,tenant_admin"],
    ["a key without a list", { key: { ...KEY, models: null } }, "model_not_allowed api_key user,tenant_admin"],
    ["in both lists", { ...product(["gpt-4*"]), key: { ...KEY, models: ["gpt-4o"] } }, null],
    ["blocked", { blocked: "no rate for audio" }, "model_unpriced model operator"],
    ["without a price", { prices: [] }, "model_unpriced model operator"],
    ["another model's price", { prices: [{ ...PRICE, model: "o3" }] }, "model_unpriced model operator"],
  ])("%s", (_name, changes, expected) => expect(who(refuseModel(call(), facts(changes)))).toBe(expected))

  it("says what blocks it, and which model it is about", () => {
    expect(refuseModel(call(), facts({ blocked: "no rate for audio" }))?.message).toContain(
      "gpt-4o is blocked until its price is known: no rate for audio.",
    )
    expect(refuseModel(call(), facts({ prices: [] }))?.message).toContain("gpt-4o has no price")
  })
  it("knows a model with its provider in front, in lists and in the book", () => {
    const asked = call({ model: "openai/gpt-4o" })
    expect(refuseModel(asked, facts(product(["gpt-4o"])))).toBeNull()
    expect(refuseModel(asked, facts(product(["openai/*"])))).toBeNull()
    expect(who(refuseModel(asked, facts(product(["gpt-4o-mini"]))))).toContain("model_not_allowed")
  })
  it("takes a name that begins with a slash as it is", () => {
    expect(who(refuseModel(call({ model: "/gpt-4o" }), facts()))).toBe("model_unpriced model operator")
  })
})

describe("how many calls", () => {
  const limits = (rateLimit: number, maxParallel: number) => ({
    user: { ...ACTIVE, product: { ...PRODUCT, rateLimit, maxParallel } },
  })
  const minute = (count: number) => ({ lastMinute: { count, oldestMs: NOW - 20_000 } })
  const running = (user: number, key: number) => ({ parallel: { user, key } })
  it.each<[string, Parameters<typeof facts>[0], string | null]>([
    ["no limit", { ...limits(0, 0), ...minute(1_000), ...running(1_000, 1_000) }, null],
    ["one below the rate", { ...limits(20, 0), ...minute(19) }, null],
    ["at the rate", { ...limits(20, 0), ...minute(20) }, "rate_limited user user"],
    ["above a rate that was lowered", { ...limits(20, 0), ...minute(50) }, "rate_limited user user"],
    ["rate and parallel: the rate is named", { ...limits(20, 1), ...minute(20), ...running(1, 0) }, "rate_limited user user"],
    ["one below the parallel calls", { ...limits(0, 3), ...running(2, 0) }, null],
    ["at the parallel calls", { ...limits(0, 3), ...running(3, 0) }, "too_many_parallel user user"],
    ["at the key's", { ...limits(0, 3), key: { ...KEY, maxParallel: 1 }, ...running(1, 1) }, "too_many_parallel api_key user"],
    ["at another key's", { ...limits(0, 3), key: { ...KEY, maxParallel: 1 }, ...running(1, 0) }, null],
    ["no user", { user: null, ...minute(1_000) }, null],
  ])("%s", (_name, changes, expected) => expect(who(refuseRate(facts(changes)))).toBe(expected))

  it("numbers and the moment when the oldest call leaves the minute", () => {
    expect(refuseRate(facts({ ...limits(20, 0), ...minute(21) }))).toMatchObject({
      ...{ limit: 20, used: 21, held: null, resetsAt: "2026-11-23T10:00:40.000Z" },
      message: "Calls within the last minute: 21; your product allows 20. Please try again in 40 s.",
    })
    expect(refuseRate(facts({ key: { ...KEY, maxParallel: 2 }, ...running(5, 2) }))).toMatchObject({
      ...{ limit: 2, used: 2, resetsAt: "" },
      message: "Calls running: 2; this API key allows 2 at a time. Please wait until one of them has ended.",
    })
    expect(refuseRate(facts({ ...limits(0, 4), ...running(4, 0) }))?.message).toContain("your product allows 4 at a time")
  })
  it.each([
    [59_999, 1],
    [59_001, 1],
    [58_999, 2],
    [60_000, 1],
    [0, 60],
  ])("a call that began %d ms ago is waited for in whole seconds: %d", (ago, seconds) => {
    const lastMinute = { count: 20, oldestMs: NOW - ago }
    expect(refuseRate(facts({ ...limits(20, 0), lastMinute }))?.message).toContain(`in ${seconds} s.`)
  })
})

describe("the tightest budget", () => {
  const left = (scope: "tenant" | "user" | "api_key", eur: number, heldEur = 0) =>
    budget(scope, { totalNano: eur * EUR, usedNano: 0, heldNano: heldEur * EUR })
  it.each([
    ["the least left", [left("tenant", 5), left("user", 3), left("api_key", 4)], "user"],
    ["what is held counts", [left("tenant", 5), left("user", 6, 2), left("api_key", 9)], "user"],
    ["the widest of equals", [left("api_key", 3), left("user", 3), left("tenant", 3)], "tenant"],
    ["the wider of two equals", [left("api_key", 3), left("user", 3), left("tenant", 9)], "user"],
    ["a debt", [left("tenant", -1), left("user", 0)], "tenant"],
  ])("%s", (_name, budgets, scope) => expect(tightestBudget(budgets).scope).toBe(scope))

  it("of none is a mistake of the caller", () => expect(() => tightestBudget([])).toThrow(/without any budget/))
})

describe("a refusal for lack of money", () => {
  const at = { totalNano: 10 * EUR, usedNano: 9_123_456_789, heldNano: 876_543_210 }
  it.each([
    ["tenant", "Your company's budget", ["tenant_admin", "operator"]],
    ["user", "Your personal limit", ["tenant_admin", "operator"]],
    ["api_key", "The limit of this API key", ["user", "tenant_admin", "operator"]],
  ] as const)("of the %s names numbers, who can lift it and when it resets", (scope, owner, canFix) => {
    const help = scope === "api_key" ? "You or your administrator" : "Your administrator"
    const refusal = refuseBudget(budget(scope, at), 4_160_000, facts())
    expect(refusal).toEqual({
      ...{ allowed: false, code: "budget_exhausted", scope, limit: at.totalNano, used: at.usedNano, held: at.heldNano },
      ...{ neededNano: 4_160_000, resetsAt: "2026-11-30T23:00:00.000Z", canFix: [...canFix] },
      message:
        `${owner} cannot pay for this call: 9.1234 of 10.00 EUR used, 0.8766 EUR reserved for calls that are running; ` +
        `the call needs at least 0.0042 EUR. ${help} can raise it. It resets on local date of 2026-11-30T23:00:00.000Z.`,
    })
  })
  it("says nothing of calls that are running if there are none", () => {
    expect(refuseBudget(budget("user"), 1, facts()).message).not.toContain("reserved")
  })
})

describe("every refusal is said in the language of the facts", () => {
  const suspended = { user: { ...ACTIVE, status: "suspended" } }
  const terms = (product: Partial<typeof PRODUCT>) => ({ user: { ...ACTIVE, product: { ...PRODUCT, ...product } } })
  type Refuse = (changed: ReturnType<typeof facts>) => { message: string } | null
  const model: Refuse = (changed) => refuseModel(call(), changed)
  it.each<[string, Refuse, Parameters<typeof facts>[0], string, string]>([
    ["nobody", refuseIdentity, { user: null }, "Dieses Konto", "This user"],
    ["tenant", refuseIdentity, { tenant: OFF }, "Der Zugang Ihrer Firma", "Your company's access"],
    ["user", refuseIdentity, suspended, "Ihr Konto ist nicht aktiv", "Your account is not active"],
    ["no such key", refuseIdentity, { key: null }, "nicht bekannt", "not known"],
    ["key revoked", refuseIdentity, { key: { ...KEY, status: "revoked" } }, "widerrufen", "revoked"],
    ["key expired", refuseIdentity, { key: { ...KEY, expiresAtMs: NOW } }, "abgelaufen", "expired"],
    ["no product", model, { user: { ...ACTIVE, product: null } }, "noch kein Produkt", "no product yet"],
    ["product's list", model, terms({ models: [] }), "gehört nicht zu Ihrem Produkt", "not part of your product"],
    ["key's list", model, { key: { ...KEY, models: [] } }, "Dieser API-Schlüssel darf", "This API key may not"],
    ["blocked", model, { blocked: "no rate" }, "gesperrt, bis sein Preis", "blocked until its price is known: no rate."],
    ["no price", model, { prices: [] }, "hier keinen Preis", "no price here"],
    ["no rate", (f) => refuseUnpriced("kind", call(), f), {}, "diese Art von Aufruf", "this kind of call"],
    ["no output rate", (f) => refuseUnpriced("output", call(), f), {}, "für Antworten", "for output"],
    ["too fast", refuseRate, { ...terms({ rateLimit: 1 }), lastMinute: { count: 1, oldestMs: NOW } }, "Minute: 1;", "minute: 1;"],
    ["parallel", refuseRate, { ...terms({ maxParallel: 1 }), parallel: { user: 1, key: 0 } }, "Ihr Produkt", "your product"],
    [
      ...(["parallel with a key", refuseRate, { key: { ...KEY, maxParallel: 1 }, parallel: { user: 1, key: 1 } }] as const),
      ...(["dieser API-Schlüssel", "this API key"] as const),
    ],
    ["tenant's money", (f) => refuseBudget(budget("tenant"), 1, f), {}, "Das Budget Ihrer Firma", "Your company's budget"],
    ["user's money", (f) => refuseBudget(budget("user"), 1, f), {}, "Ihr persönliches Limit", "Your personal limit"],
    ["key's money", (f) => refuseBudget(budget("api_key"), 1, f), {}, "Das Limit dieses API", "The limit of this API key"],
  ])("%s", (_name, refuse, changes, german, english) => {
    expect(refuse(facts({ ...changes, language: "de" }))?.message).toContain(german)
    expect(refuse(facts({ ...changes, language: "en" }))?.message).toContain(english)
  })
})

it("whom nobody knows is told by what they were looked for, and who can help", () => {
  expect(who(refuseUnknown("user", "en"))).toBe(`unknown_identity user ${ADMINS}`)
  expect(who(refuseUnknown("api_key", "en"))).toBe("unknown_identity api_key user")
  expect(refuseUnknown("user", "de").message).toContain("Dieses Konto")
  expect(refuseUnknown("api_key", "de").message).toContain("Dieser API-Schlüssel")
})
