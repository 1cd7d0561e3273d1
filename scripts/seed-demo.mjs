// Demo data, made through the real routes: the ledger of a demo is as true as any other. The server runs three times, at
// the beginning of last month, at its end, and now, so that there is a closed period with expiry and reset to look at.
import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import { demoTenants, demoUsage, PRODUCTS } from "./demo/cast.mjs"
import { root } from "./project.mjs"

const HOUR_MS = 3_600_000
const PARALLEL = 4

/**
 * @param {{ serverAt: (ms: number) => Promise<object>, stop: (server: object) => Promise<void>, url: string,
 *   nowMs: number, beforeLastStop: () => Promise<void>,
 *   credentials: { url: string, superuser: { email: string, password: string }, users: object[], tenants: object[] } }} demo
 */
export async function seedDemo({ serverAt, stop, credentials, url, nowMs, beforeLastStop }) {
  const now = new Date(nowMs)
  const thisMonth = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
  const lastMonth = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)

  let server = await serverAt(lastMonth + 6 * HOUR_MS)
  let api = await signIn(url, credentials.superuser)
  const cast = await createCast(api, credentials)
  await stop(server)

  server = await serverAt(thisMonth - 3 * HOUR_MS)
  api = await signIn(url, credentials.superuser)
  for (const member of cast) await postUsage(api, member, lastMonth + 12 * HOUR_MS, thisMonth - 4 * HOUR_MS, "last")
  await stop(server)

  server = await serverAt(nowMs)
  api = await signIn(url, credentials.superuser)
  for (const member of cast) await postUsage(api, member, Math.min(thisMonth + HOUR_MS, nowMs), nowMs, "current")
  await beforeLastStop()
  await stop(server)
}

/** @returns {Promise<(method: string, route: string, body?: unknown, key?: string) => Promise<any>>} */
async function signIn(url, superuser) {
  const call = (token) => async (method, route, body, key) => {
    const headers = { Authorization: key ? `Bearer ${key}` : token, "Content-Type": "application/json" }
    const response = await fetch(url + route, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
    const answer = await response.json()
    if (!response.ok) throw new Error(`seeding: ${method} ${route} answered ${response.status}: ${JSON.stringify(answer)}`)
    return answer
  }
  const { token } = await call("")("POST", "/api/collections/_superusers/auth-with-password", {
    identity: superuser.email,
    password: superuser.password,
  })
  return call(token)
}

async function createCast(api, credentials) {
  const seed = JSON.parse(readFileSync(path.join(root, "scripts/prices/seed.json"), "utf8"))
  await api("POST", "/api/prices/publish", { entries: seed.entries, source: `${seed.source}, ${seed.source_date}` })
  const products = {}
  for (const product of PRODUCTS) products[product.name] = (await api("POST", "/api/collections/products/records", product)).id
  await createUser(api, credentials, { email: "sales@cloudfreedom.example", role: "sales" }, null)
  const cast = []
  const waiting = demoTenants()
  const worker = async () => {
    for (let tenant = waiting.shift(); tenant; tenant = waiting.shift())
      cast.push(await createTenant(api, credentials, products, tenant))
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  cast.sort((a, b) => a.order - b.order)
  const order = new Map(cast.map((member, i) => [member.slug, i]))
  credentials.tenants.sort((a, b) => order.get(a.slug) - order.get(b.slug))
  credentials.users.sort((a, b) => (order.get(a.tenant_slug) ?? -1) - (order.get(b.tenant_slug) ?? -1))
  return cast
}

async function createTenant(api, credentials, products, { users, usage, order, ...data }) {
  const tenant = await api("POST", "/api/collections/tenants/records", data)
  const { key } = await api("POST", `/api/tenants/${tenant.id}/ingest-keys`, { name: "LiteLLM" })
  credentials.tenants.push({ id: tenant.id, slug: tenant.slug, ingest_key: key })
  const members = []
  for (const user of users) {
    const product = products[user.product]
    members.push(await createUser(api, credentials, { ...user, tenant_id: tenant.id, product_id: product }, tenant.slug))
  }
  return { slug: tenant.slug, id: tenant.id, key, members, usage, order }
}

async function createUser(api, credentials, { product, ...user }, slug) {
  const password = randomBytes(12).toString("base64url")
  const record = await api("POST", "/api/collections/users/records", {
    status: "active",
    verified: true,
    ...user,
    password,
    passwordConfirm: password,
  })
  const login = { id: record.id, email: user.email, password, role: user.role, tenant_slug: slug ?? "" }
  // Those of the first customers can be tried out as programs, too.
  if (user.role === "member" && ["alpha", "beta"].includes(slug)) {
    const { key } = await api("POST", "/api/keys", { name: "Demo", user_id: record.id })
    credentials.users.push({ ...login, api_key: key })
  } else credentials.users.push(login)
  return record.id
}

async function postUsage(api, member, fromMs, toMs, period) {
  const events = demoUsage(member, fromMs, toMs, period)
  for (let i = 0; i < events.length; i += 500) {
    const answer = await api("POST", "/api/usage/events", { events: events.slice(i, i + 500) }, member.key)
    const refused = answer.results.find((result) => result.verdict === "rejected")
    if (refused) throw new Error(`seeding: ${refused.message}`)
  }
}
