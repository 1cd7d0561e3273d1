/** Tries the five verbs of the record API as one role, on real rows of two tenants, and says in one line what came of it. */

import { type Customer, type TwoTenants, usageEvent } from "../http/two-tenants"
import { createStack } from "../support/chat-stack"
import type { Answer, Platform } from "../support/platform"

export const ROLES = ["guest", "member", "tenant_admin", "sales", "operator", "superuser"] as const
export type Role = (typeof ROLES)[number]

/** Collections whose rows belong to nobody: there is no "other tenant's row" to look at. */
const SHARED = ["products", "product_versions", "model_prices", "model_costs", "platform_settings"]

let serial = 0

/** A row in every collection for both tenants, so that an empty list proves something. */
export async function fillCollections(scene: TwoTenants): Promise<void> {
  const { platform } = scene
  for (const tenant of [scene.a, scene.b]) {
    const events = [tenant.member, tenant.colleague, tenant.admin].flatMap(({ id }) => [
      usageEvent({ user_id: id }),
      usageEvent({ user_id: id, model: "gpt-new" }),
    ])
    await platform.ingest(tenant.ingestKey, { source: "s", epoch: "e", seq: 0, events })
    for (const { id } of [tenant.member, tenant.colleague]) {
      for (const model of ["gpt-4o", "unheard-of"]) {
        const question = { call_id: `${id} ${model}`, user_id: id, model, tokens_input_estimate: 1 }
        await platform.ingest(tenant.ingestKey, question, "/api/usage/authorize")
      }
    }
    for (const owner of [tenant.member, tenant.colleague]) {
      const made = await platform.request("POST", "/api/keys", { token: owner.token, body: { name: "cli" } })
      if (made.status !== 200) throw new Error(JSON.stringify(made.body))
    }
    await fillSignIn(platform, tenant)
    const [budget] = platform.sql<{ id: string }>("SELECT id FROM budgets WHERE scope = 'tenant' AND tenant_id = ?", [tenant.id])
    await platform.asSuperuser("POST", `/api/budgets/${budget?.id}/adjust`, { amount: "1", reason: "a reason" })
  }
}

async function fillSignIn(platform: Platform, tenant: Customer): Promise<void> {
  await createStack(platform, tenant)
  const owned = { tenant_id: tenant.id, user_id: tenant.member.id }
  const create = (collection: string, data: Record<string, unknown>) => platform.superuser.collection(collection).create(data)
  await create("oauth_codes", { ...owned, ...oauthCode(`filled-${tenant.slug}`) })
  await create("oauth_tokens", { ...owned, ...oauthToken(`filled-${tenant.slug}`) })
  await create("chat_accounts", { ...owned, chat_user_id: "filled", state: "active" })
  await create("outbox", { ...message(`filled-${tenant.slug}`), tenant_id: tenant.id })
}

const oauthCode = (ref: string) => ({
  code_hash: ref.padEnd(64, "x"),
  client_id: "chat",
  redirect_uri: "https://chat.example/",
  code_challenge: "c".repeat(43),
  expires_at: "2027-01-01 00:00:00.000Z",
})
const oauthToken = (ref: string) => ({
  token_hash: ref.padEnd(64, "x"),
  code_id: ref.slice(0, 15),
  expires_at: "2027-01-01 00:00:00.000Z",
})
const message = (ref: string) => ({ kind: "none", dedupe_key: ref, payload: {}, state: "delivered" })

/** What a role may look for: an id of tenant A (the member's own where rows have a user) and one of tenant B, per collection. */
export type Targets = Record<string, [own: string, other: string]>

/** `<whose rows a list holds> <view own row>/<view other tenant's row> <create> <update> <delete>`; "-" = there is no such row. */
export async function probe(scene: TwoTenants, targets: Targets, token: string, collection: string): Promise<string> {
  const path = `/api/collections/${collection}/records`
  const call = (method: string, id = "", body?: unknown) =>
    scene.platform.request(method, id === "" ? path : `${path}/${id}`, { token, body })
  const list = seen(scene, collection, token, await scene.platform.request("GET", `${path}?perPage=500`, { token }))
  const [own, other] = targets[collection] ?? ["", ""]
  if (own === "" || (other === "" && !SHARED.includes(collection))) throw new Error(`${collection} has no rows to look at`)
  const views = [(await call("GET", own)).status, other === "" ? "-" : (await call("GET", other)).status].join("/")
  const create = (await call("POST", "", bodyFor(scene, targets, collection))).status
  const update = (await call("PATCH", other || own, changeOf(collection))).status
  const remove = (await call("DELETE", other || own)).status
  return `${list} ${views} ${create} ${update} ${remove}`
}

function seen(scene: TwoTenants, collection: string, token: string, answer: Answer): string {
  if (answer.status !== 200) return String(answer.status)
  const items: Record<string, string>[] = answer.body.items
  if (items.length === 0) return "nothing"
  if (SHARED.includes(collection)) return "all"
  const ownerOf = (item: Record<string, string>) => (collection === "users" ? item.id : item.user_id)
  const self = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).id
  if (items.every((item) => ownerOf(item) === self)) return "own"
  const tenantOf = (item: Record<string, string>) =>
    ["tenants", "tenant_directory"].includes(collection) ? item.id : item.tenant_id
  return items.every((item) => tenantOf(item) === scene.a.id) ? "tenant" : "all"
}

/** In one statement, because every one starts a Python. */
export function findTargets(scene: TwoTenants, collections: string[]): Targets {
  const { platform, a, b } = scene
  const names = collections.map((name) => `'${name}'`).join()
  const found = platform.sql<{ name: string; owned: number }>(
    `SELECT m.name, (SELECT count(*) FROM pragma_table_info(m.name) WHERE name = 'user_id') AS owned FROM sqlite_master m WHERE m.name IN (${names})`,
  )
  const pairs = found.map(({ name, owned }) => {
    if (SHARED.includes(name)) return `'${name}', json_array((SELECT id FROM ${name} LIMIT 1), '')`
    if (["users", "tenants", "tenant_directory"].includes(name))
      return `'${name}', json_array('${name === "users" ? a.member.id : a.id}', '${name === "users" ? b.member.id : b.id}')`
    const where = owned > 0 ? `tenant_id = '${a.id}' AND user_id = '${a.member.id}'` : `tenant_id = '${a.id}'`
    return `'${name}', json_array((SELECT id FROM ${name} WHERE ${where} LIMIT 1), (SELECT id FROM ${name} WHERE tenant_id = '${b.id}' LIMIT 1))`
  })
  return JSON.parse(platform.sql<{ j: string }>(`SELECT json_object(${pairs.join()}) AS j`)[0]?.j ?? "{}")
}

/** Every value of the collections that the role could have changed: what a refusal must leave alone. */
export function contents(platform: Platform, collections: string[]): unknown {
  const columns = platform.sql<{ name: string; names: string }>(
    `SELECT m.name, (SELECT group_concat('"' || name || '"') FROM pragma_table_info(m.name) WHERE name != 'last_used') AS names
     FROM sqlite_master m WHERE m.name IN (${collections.map((name) => `'${name}'`).join()})`,
  )
  const dumps = columns.map(
    ({ name, names }) => `(SELECT json_group_array(json_array(${names})) FROM (SELECT * FROM ${name} ORDER BY id)) AS ${name}`,
  )
  return platform.sql(`SELECT ${dumps.join()}`)[0]
}

/** A body that passes validation, so that a refusal is a refusal. */
function bodyFor(scene: TwoTenants, targets: Targets, collection: string): Record<string, unknown> {
  const n = ++serial
  const ref = `probe-${n}`
  const owned = { tenant_id: scene.b.id, user_id: scene.b.member.id }
  const budget_id = targets.budgets?.[1]
  const price_id = targets.model_prices?.[0]
  const period = { period_key: "2026-01-01", period_start: "2026-01-01 00:00:00.000Z", resets_at: "2027-01-01 00:00:00.000Z" }
  const bodies: Record<string, Record<string, unknown>> = {
    tenants: { name: ref, slug: ref, type: "customer", status: "active" },
    users: {
      email: `${ref}@example.com`,
      password: "a-long-password",
      passwordConfirm: "a-long-password",
      role: "member",
      status: "active",
    },
    products: { name: ref, currency: "EUR", models: ["*"], active: true },
    product_versions: { product_id: scene.product.id, version: 100 + n },
    tenant_directory: { name: ref },
    model_prices: {
      model: ref,
      provider: "x",
      kind: "chat",
      version: 1,
      effective_from: "2026-01-01 00:00:00.000Z",
      rates: { input: 1 },
    },
    model_costs: { price_id, model: ref, usd: { input: "1" }, usd_eur_micro: 1, usd_eur_date: "2026-01-01" },
    model_blocks: { tenant_id: scene.b.id, model: ref },
    platform_settings: { name: ref, usd_eur_micro: 1, usd_eur_date: "2026-01-01" },
    api_keys: { ...owned, key_hash: ref.padEnd(64, "x"), status: "active" },
    budgets: { ...owned, ...period, scope: "user", policy: "limit", total_nano: 1e12 },
    credit_lots: { ...owned, budget_id, kind: "credit", source_ref: ref, amount_nano: 1e12, state: "open" },
    ledger_entries: { ...owned, budget_id, kind: "grant", ref, amount_nano: 1e12, period_key: "2026-01-01", actor: "me" },
    usage_logs: { ...owned, event_id: ref, cost_nano: -1e12 },
    holds: { ...owned, call_id: ref, state: "released", amount_nano: -1e12, expires_at: "2027-01-01 00:00:00.000Z" },
    refusals: { ...owned, code: "budget_exhausted", scope: "user", message: ref },
    ingest_keys: { tenant_id: scene.b.id, name: ref, key_hash: ref.padEnd(64, "y"), status: "active", route: "any" },
    ingest_cursors: { tenant_id: scene.b.id, source: ref },
    tenant_stacks: { tenant_id: scene.b.id, chat_url: ref, oauth_client_id: ref, oauth_redirect_uri: ref },
    oauth_codes: { ...owned, ...oauthCode(ref) },
    oauth_tokens: { ...owned, ...oauthToken(ref) },
    chat_accounts: { ...owned, user_id: scene.b.colleague.id, chat_user_id: ref, state: "active" },
    outbox: { ...message(ref), tenant_id: scene.b.id },
    audit_log: { tenant_id: scene.b.id, actor: "me", action: "probe" },
  }
  return bodies[collection] ?? {}
}

function changeOf(collection: string): Record<string, unknown> {
  if (["budgets", "credit_lots", "ledger_entries"].includes(collection)) return { total_nano: 1e12, amount_nano: 1e12 }
  if (["audit_log", "usage_logs"].includes(collection)) return { actor: "nobody", cost_nano: 0 }
  if (collection === "ingest_cursors") return { next_seq: 0 }
  if (collection === "holds") return { state: "released", amount_nano: 0 }
  if (collection === "refusals") return { message: "changed" }
  return { name: "changed", reason: "changed", version: 77, usd_eur_micro: 5 }
}
