/**
 * The load generator: N keep-alive connections, each sends the next request as soon as its last one is answered (closed
 * loop), for a fixed time. The clock stops at the last answer, so a slow server gets no credit for what it still owes.
 */
import http from "node:http"
import { cpuSeconds } from "./servers.mjs"

/**
 * @typedef {object} Target
 * @property {number} port     on 127.0.0.1
 * @property {string} path
 * @property {Record<string, string>} headers
 * @property {(size: number) => string} body   a fresh request body with `size` events that were never sent before
 * @property {number[]} pids   processes whose CPU time belongs to this target
 * @property {(agent: http.Agent, size: number) => Promise<string | undefined>} [send]   instead of one POST of `body`: answers why
 *                             it does not count, or undefined
 *
 * @typedef {object} Sample
 * @property {number} events      acknowledged as accepted
 * @property {number} seconds     from the first request to the last answer
 * @property {number[]} latencies milliseconds, one per request
 * @property {number} failed      requests not answered 200 with every verdict accepted
 * @property {string} [firstFailure]
 * @property {number} serverCpu   cores used by the target's processes, NaN where /proc is missing
 * @property {number} loadCpu     cores used by this process
 */

/** The warm-up opens the connections and touches the VMs; its batches are small so that it ends on time. */
const warmupSize = 10

/**
 * @param {Target} target
 * @param {{connections: number, size: number, seconds: number, warmup?: number}} plan
 * @returns {Promise<Sample>}
 */
export async function measure(target, { connections, size, seconds, warmup = 1 }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  const load = { agent, target, connections }
  await sendFor(load, Math.min(size, warmupSize), warmup)
  const before = clocks(target.pids)
  const sent = await sendFor(load, size, seconds)
  const after = clocks(target.pids)
  agent.destroy()
  const elapsed = after.wall - before.wall
  const cpu = { serverCpu: (after.server - before.server) / elapsed, loadCpu: (after.load - before.load) / elapsed }
  return { ...sent, seconds: elapsed, ...cpu }
}

/**
 * @param {{agent: http.Agent, target: Target, connections: number}} load
 * @param {number} size
 * @param {number} seconds
 */
async function sendFor({ agent, target, connections }, size, seconds) {
  const end = performance.now() + seconds * 1000
  const sent = {
    events: 0,
    failed: 0,
    latencies: /** @type {number[]} */ ([]),
    firstFailure: /** @type {string | undefined} */ (undefined),
  }
  const connection = async () => {
    while (performance.now() < end) {
      const began = performance.now()
      const failure = await (target.send ? target.send(agent, size) : sendOnce(agent, target, size))
      if (failure) {
        sent.failed += 1
        sent.firstFailure ??= failure
        await new Promise((resolve) => setTimeout(resolve, 50))
      } else {
        sent.events += size
        sent.latencies.push(performance.now() - began)
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return sent
}

/**
 * The rounds of a cell: the rate of each (ratios are taken round by round, so a busy minute hits both sides), the total
 * rate, and percentiles of all latencies.
 * @param {Sample[]} samples one per round
 */
export function summarize(samples) {
  const sum = (/** @type {(s: Sample) => number} */ pick) => samples.reduce((total, s) => total + pick(s), 0)
  const latencies = samples.flatMap((s) => s.latencies).sort((a, b) => a - b)
  return {
    rates: samples.map((s) => s.events / s.seconds),
    rate: sum((s) => s.events) / sum((s) => s.seconds),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    failed: sum((s) => s.failed),
    firstFailure: samples.find((s) => s.firstFailure)?.firstFailure,
    serverCpu: sum((s) => s.serverCpu) / samples.length,
    loadCpu: sum((s) => s.loadCpu) / samples.length,
  }
}

/**
 * @param {number[]} sorted
 * @param {number} fraction
 */
function percentile(sorted, fraction) {
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]
}

/**
 * One request.
 * @param {http.Agent} agent
 * @param {Target} target
 * @param {number} size
 * @returns {Promise<string | undefined>} why it does not count, or undefined
 */
async function sendOnce(agent, target, size) {
  try {
    const { status, text } = await post(agent, target, target.path, target.body(size))
    return whyNotAccepted(status, text, size)
  } catch (error) {
    return String(error)
  }
}

/**
 * One POST over a kept connection.
 * @param {http.Agent} agent
 * @param {Pick<Target, "port" | "headers">} target
 * @param {string} path
 * @param {string} body
 * @returns {Promise<{status: number | undefined, text: string}>}
 */
export function post(agent, target, path, body) {
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...target.headers,
  }
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, host: "127.0.0.1", port: target.port, path, method: "POST", headers }, (response) => {
      const chunks = /** @type {Buffer[]} */ ([])
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }))
    })
    request.on("error", reject)
    request.end(body)
  })
}

/**
 * @param {number | undefined} status
 * @param {string} text
 * @param {number} size
 * @returns {string | undefined}
 */
export function whyNotAccepted(status, text, size) {
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`
  try {
    const { results } = JSON.parse(text)
    if (results.length !== size) return `${results.length} verdicts for ${size} events`
    const other = results.find((/** @type {{verdict: string}} */ result) => result.verdict !== "accepted")
    return other && JSON.stringify(other)
  } catch {
    return `not the expected answer: ${text.slice(0, 300)}`
  }
}

/**
 * Wall time and CPU time so far, in seconds.
 * @param {number[]} pids
 */
function clocks(pids) {
  const { user, system } = process.cpuUsage()
  return { wall: performance.now() / 1000, server: cpuSeconds(pids), load: (user + system) / 1e6 }
}
