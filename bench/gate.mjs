/**
 * What asking before each call costs the centre (a part of `npm run bench:gate`). Whole calls (authorize with its hold, then the usage
 * event that settles it) against single events without a hold, at 64 connections, side by side in one run.
 */
import { randomUUID } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import os from "node:os"
import { join } from "node:path"
import { ensurePocketBase } from "../scripts/fetch-pocketbase.mjs"
import { measure, post, summarize, whyNotAccepted } from "./load.mjs"
import { startOurs, stopAll } from "./servers.mjs"
import { eventBodies, prepareOurs } from "./setup.mjs"

/** @typedef {import('./load.mjs').Target} Target */

const ROUNDS = 6
const WINDOW = { connections: 64, seconds: 2.5, warmup: 0.6 }
/** A tenant's gate delivers what has happened since its last batch: about this many calls when it is busy. */
const BATCH = 50

/**
 * Rates of events and of calls, and their ratio round by round.
 * @param {"NORMAL" | "FULL"} synchronous
 */
export async function benchGate(synchronous) {
  const work = await mkdtemp(join(process.env.BENCH_DIR ?? os.tmpdir(), "cf-bench-gate-"))
  try {
    const server = await startOurs(await ensurePocketBase(), join(work, "data"), synchronous)
    const ours = await prepareOurs(server.port, { rate_limit: 0, budget_included: 100_000 })
    const common = { port: server.port, headers: { authorization: `Bearer ${ours.key}` }, pids: [server.pid] }
    const cells = {
      events: { ...common, path: "/api/usage/events", body: eventBodies(ours.users, ours.model) },
      calls: callTarget(common, ours, 1),
      batched: callTarget(common, ours, BATCH),
    }
    /** @type {Record<string, import('./load.mjs').Sample[]>} */
    const samples = { events: [], calls: [], batched: [] }
    for (const target of Object.values(cells)) await measure(target, { ...WINDOW, size: 1, seconds: 1 })
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, target] of Object.entries(cells)) samples[name].push(await measure(target, { ...WINDOW, size: 1 }))
    }
    return Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, summarize(list)]))
  } finally {
    await stopAll()
    await rm(work, { recursive: true, force: true })
  }
}

/**
 * A call as a tenant's gate makes it. With `batch` > 1 its events wait for one another, as they do in the gate's spool.
 * @param {Pick<Target, "port" | "headers" | "pids">} common
 * @param {import('./setup.mjs').Ours} ours
 * @param {number} batch
 * @returns {Target}
 */
function callTarget(common, ours, batch) {
  const event = eventBodies(ours.users, ours.model)
  let next = 0
  /** @type {unknown[]} */
  let waiting = []
  const send = async (/** @type {import('node:http').Agent} */ agent) => {
    const call = { call_id: randomUUID(), user_id: ours.users[next++ % ours.users.length], model: ours.model }
    const question = JSON.stringify({ ...call, tokens_input_estimate: 1_500, max_tokens: 400 })
    const { text } = await post(agent, common, "/api/usage/authorize", question)
    const verdict = JSON.parse(text)
    if (verdict.allowed !== true) return text.slice(0, 300)
    waiting.push({ ...JSON.parse(event(1)).events[0], ...call, hold_id: verdict.hold_id })
    if (waiting.length < batch) return undefined
    const events = waiting
    waiting = []
    const answer = await post(agent, common, "/api/usage/events", JSON.stringify({ events }))
    return whyNotAccepted(answer.status, answer.text, events.length)
  }
  return { ...common, path: "/api/usage/authorize", body: () => "", send }
}
