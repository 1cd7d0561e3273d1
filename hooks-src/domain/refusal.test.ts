import { describe, expect, it } from "vitest"
import { budget, call, EUR, facts, KEY, NOW, PRICE, PRODUCT } from "./call-facts.examples"
import { refuseBudget, refuseIdentity, refuseModel, refuseRate, tightestBudget } from "./refusal"

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
      message: "You made 21 calls within a minute; your product allows 20. Try again shortly.",
    })
    expect(refuseRate(facts({ key: { ...KEY, maxParallel: 2 }, ...running(5, 2) }))).toMatchObject({
      ...{ limit: 2, used: 2, resetsAt: "" },
      message: "2 of your calls are running; this API key allows 2 at a time.",
    })
    expect(refuseRate(facts({ ...limits(0, 4), ...running(4, 0) }))?.message).toContain("your product allows 4 at a time")
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
    const refusal = refuseBudget(budget(scope, at), 4_160_000, (time) => `<${time}>`)
    expect(refusal).toEqual({
      ...{ allowed: false, code: "budget_exhausted", scope, limit: at.totalNano, used: at.usedNano, held: at.heldNano },
      ...{ neededNano: 4_160_000, resetsAt: "2026-11-30T23:00:00.000Z", canFix: [...canFix] },
      message:
        `${owner} cannot pay for this call: 9.1234 of 10.0000 EUR used, 0.8765 EUR reserved for calls that are running; ` +
        "the call needs at least 0.0041 EUR. It resets on <2026-11-30T23:00:00.000Z>.",
    })
  })
  it("says nothing of calls that are running if there are none", () => {
    expect(refuseBudget(budget("user"), 1, String).message).not.toContain("reserved")
  })
})
