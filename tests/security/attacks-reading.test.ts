/** N1–N4 of the attack list: who is signed in reaches for other rows and hidden values by filter, sort, expand and relation. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startTwoTenants, type TwoTenants, usageEvent, verdictOf } from "../http/two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
  for (const tenant of [scene.a, scene.b]) {
    await verdictOf(scene.platform, tenant, usageEvent({ user_id: tenant.member.id, event_id: `of-${tenant.slug}` }))
    for (const model of ["gpt-4o", "unheard-of"]) {
      const question = { call_id: `of-${tenant.slug}-${model}`, user_id: tenant.member.id, model, tokens_input_estimate: 1 }
      expect((await scene.platform.ingest(tenant.ingestKey, question, "/api/usage/authorize")).status).toBe(200)
    }
  }
})
afterAll(() => scene?.platform.stop())

const api = (method: string, route: string, token: string, body?: unknown) =>
  scene.platform.request(method, `/api/collections/${route}`, { token, body })
const uA = () => scene.a.member.token
const aA = () => scene.a.admin.token

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
    ["refusals", () => `filter=(tenant_id='${B()}'||1=1)`],
    ["refusals", () => "expand=tenant_id.refusals_via_tenant_id,user_id.holds_via_user_id"],
    ["tenants", () => "expand=refusals_via_tenant_id,holds_via_tenant_id"],
    ["model_prices", () => "expand=model_costs_via_price_id"],
    ["products", () => "expand=users_via_product_id,product_versions_via_product_id"],
  ]
  it.each(queries)("%s: nothing of it comes, and no secret", async (collection, query) => {
    const answer = await api("GET", `${collection}/records?${encodeURI(query())}`, uA())
    expect([200, 400]).toContain(answer.status)
    const text = JSON.stringify(answer.body)
    for (const secret of [
      scene.b.id,
      scene.b.member.id,
      scene.b.admin.id,
      scene.b.member.email,
      "of-beta",
      scene.a.admin.email,
      "usd_eur_micro",
      "tokenKey",
    ]) {
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
    for (const token of [uA(), aA()])
      expect([400, 403]).toContain((await api("GET", `${collection}/records?${encodeURI(query)}`, token)).status)
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
      const miss = await api(
        "GET",
        `${collection}/records?filter=${encodeURIComponent(`(${filter.replace("beta", "zzzz").replace(">0", "<0")})`)}`,
        uA(),
      )
      expect([collection, filter, hit.status, hit.body.totalItems]).toEqual([
        collection,
        filter,
        miss.status,
        miss.body.totalItems,
      ])
    }
  })
})
