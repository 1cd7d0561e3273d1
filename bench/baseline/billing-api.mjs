/**
 * The rejected five-service design, for comparison: a billing API (Hono on Node) beside PocketBase that books usage
 * through PocketBase's REST API with a superuser token. One event: GET user, create the usage row, PATCH the user.
 * Several events: its best variant, one /api/batch with a create per event and one PATCH per user.
 *
 * It has no idempotency, no holds, no rate card by token class and it loses deductions under concurrency (GET, add,
 * PATCH). It does less than ours for each event, which only makes it look better here.
 */
import { serve } from "@hono/node-server"
import { Hono } from "hono"

const url = process.env.POCKETBASE_URL
const headers = { authorization: process.env.POCKETBASE_ADMIN_TOKEN ?? "", "content-type": "application/json" }
const eurPerToken = { input: 2.5e-6, output: 1e-5 }

const app = new Hono()
app.get("/api/health", (context) => context.json({ ok: true }))
app.post("/api/usage/events", async (context) => {
  const { events } = await context.req.json()
  if (events.length === 1) await bookOne(events[0])
  else await bookBatch(events)
  return context.json({
    results: events.map((/** @type {UsageEvent} */ event) => ({
      event_id: event.event_id,
      verdict: "accepted",
      cost: costOf(event).toFixed(9),
    })),
  })
})
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) })

/** @typedef {{event_id: string, user_id: string, model: string, tokens_input: number, tokens_output: number, timestamp: string}} UsageEvent */

/** @param {UsageEvent} event */
async function bookOne(event) {
  const user = await pocketbase("GET", `/api/collections/users/records/${event.user_id}`)
  await pocketbase("POST", "/api/collections/usage_logs/records", usageRow(event, user.tenant_id))
  const used = user.budget_used + costOf(event)
  await pocketbase("PATCH", `/api/collections/users/records/${user.id}`, {
    budget_used: used,
    budget_remaining: user.budget_total - used,
  })
}

/** @param {UsageEvent[]} events */
async function bookBatch(events) {
  /** @type {Map<string, number>} */
  const costs = new Map()
  for (const event of events) costs.set(event.user_id, (costs.get(event.user_id) ?? 0) + costOf(event))
  const creates = events.map((event) => ({
    method: "POST",
    url: "/api/collections/usage_logs/records",
    body: usageRow(event, process.env.TENANT_ID ?? ""),
  }))
  const patches = [...costs].map(([user, cost]) => ({
    method: "PATCH",
    url: `/api/collections/users/records/${user}`,
    body: { "budget_used+": cost, "budget_remaining-": cost },
  }))
  await pocketbase("POST", "/api/batch", { requests: [...creates, ...patches] })
}

/**
 * @param {UsageEvent} event
 * @param {string} tenant
 */
function usageRow(event, tenant) {
  return {
    tenant_id: tenant,
    user_id: event.user_id,
    model: event.model,
    tokens_input: event.tokens_input,
    tokens_output: event.tokens_output,
    total_tokens: event.tokens_input + event.tokens_output,
    cost_total: costOf(event),
    timestamp: event.timestamp,
  }
}

/** @param {UsageEvent} event */
function costOf(event) {
  return event.tokens_input * eurPerToken.input + event.tokens_output * eurPerToken.output
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
async function pocketbase(method, path, body) {
  const answer = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}
