/**
 * What the two sides need before load can be sent: superuser, tenant, users, prices, keys.
 */
import { randomUUID } from "node:crypto"
import { readFile } from "node:fs/promises"
import { admin } from "./servers.mjs"

const userCount = 20

/** @typedef {{key: string, users: string[], model: string}} Ours */

/**
 * @param {number} port
 * @param {Record<string, unknown>} terms what the product says that the default does not
 * @returns {Promise<Ours>}
 */
export async function prepareOurs(port, terms = {}) {
  const send = await signIn(port)
  const entries = await seedPrices()
  const product = await send("/api/collections/products/records", {
    name: "Bench",
    price: 50,
    currency: "EUR",
    budget_included: 50,
    models: ["all"],
    rate_limit: 120,
    active: true,
    ...terms,
  })
  const tenant = await send("/api/collections/tenants/records", {
    name: "Bench",
    slug: "bench",
    domain: "bench.example.com",
    type: "customer",
    status: "active",
    timezone: "Europe/Berlin",
    anchor_day: 1,
  })
  const users = await createUsers(send, userCount, {
    tenant_id: tenant.id,
    product_id: product.id,
    role: "member",
    status: "active",
    verified: true,
  })
  await send("/api/prices/publish", { entries, source: "bench" })
  const { key } = await send(`/api/tenants/${tenant.id}/ingest-keys`, { name: "bench" })
  const models = entries.map((/** @type {{model: string}} */ entry) => entry.model)
  return { key, users, model: models.includes("gpt-4o") ? "gpt-4o" : models[0] }
}

/**
 * Users for single events and others for batches: the single-event design loses deductions under concurrency, and the
 * books shall show whose they were.
 * @param {number} port
 */
export async function prepareStock(port) {
  const send = await signIn(port)
  const tenant = await send("/api/collections/tenants/records", { name: "Bench", slug: "bench", status: "active" })
  const owned = { tenant_id: tenant.id, status: "active", budget_total: 1e6, budget_used: 0, budget_remaining: 1e6 }
  const users = await createUsers(send, 2 * userCount, owned)
  const token = send.token
  return { token, tenant: tenant.id, singles: users.slice(0, userCount), batches: users.slice(userCount) }
}

/**
 * Bodies of POST /api/usage/events with events that nobody sent before.
 * @param {string[]} users
 * @param {string} model
 * @returns {(size: number) => string}
 */
export function eventBodies(users, model) {
  let next = 0
  return (size) => {
    const timestamp = new Date().toISOString()
    const events = Array.from({ length: size }, () => ({
      event_id: randomUUID(),
      call_id: randomUUID(),
      user_id: users[next++ % users.length],
      model,
      kind: "chat",
      tokens_input: 1000 + (next % 500),
      tokens_cache_read: 200,
      tokens_cache_write: 0,
      tokens_output: 50 + (next % 300),
      tokens_reasoning: 0,
      status: "success",
      aborted: false,
      usage_estimated: false,
      cache_hit: false,
      reported_cost_usd: "0.004230000",
      timestamp,
      duration_ms: 840,
    }))
    return JSON.stringify({ events })
  }
}

async function seedPrices() {
  const seed = JSON.parse(await readFile(new URL("../scripts/prices/seed.json", import.meta.url), "utf8"))
  return Array.isArray(seed) ? seed : seed.entries
}

/**
 * @param {Sender} send
 * @param {number} count
 * @param {Record<string, unknown>} fields
 * @returns {Promise<string[]>} ids
 */
async function createUsers(send, count, fields) {
  const ids = []
  for (let number = 1; number <= count; number += 1) {
    const password = randomUUID()
    const login = { email: `user${number}@bench.example.com`, password, passwordConfirm: password }
    ids.push((await send("/api/collections/users/records", { ...login, ...fields })).id)
  }
  return ids
}

/** @typedef {((path: string, body: unknown) => Promise<any>) & {token: string}} Sender */

/**
 * @param {number} port
 * @returns {Promise<Sender>} posts as superuser
 */
async function signIn(port) {
  const credentials = { identity: admin.email, password: admin.password }
  const { token } = await post(port, "/api/collections/_superusers/auth-with-password", credentials, "")
  return Object.assign((/** @type {string} */ path, /** @type {unknown} */ body) => post(port, path, body, token), { token })
}

/**
 * @param {number} port
 * @param {string} path
 * @param {unknown} body
 * @param {string} token
 */
async function post(port, path, body, token) {
  const headers = { "content-type": "application/json", authorization: token }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body: JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${text.slice(0, 500)}`)
  return JSON.parse(text)
}
