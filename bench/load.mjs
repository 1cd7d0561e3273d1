/**
 * The load generator: N keep-alive connections, each sends the next request as soon as its last one is answered
 * (closed loop), for a fixed wall time after a warm-up. Only what was answered inside the window counts.
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
 *
 * @typedef {object} Sample
 * @property {number} events      acknowledged as accepted inside the window
 * @property {number} seconds     length of the window
 * @property {number[]} latencies milliseconds, one per request answered inside the window
 * @property {number} failed      requests not answered 200 with every verdict accepted
 * @property {string} [firstFailure]
 * @property {number} serverCpu   cores used by the target's processes, NaN where /proc is missing
 * @property {number} loadCpu     cores used by this process
 */

/**
 * @param {Target} target
 * @param {{connections: number, size: number, seconds: number, warmup?: number}} plan
 * @returns {Promise<Sample>}
 */
export async function measure(target, { connections, size, seconds, warmup = 1 }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  const start = performance.now() + warmup * 1000
  const end = start + seconds * 1000
  /** @type {Sample} */
  const sample = { events: 0, seconds, latencies: [], failed: 0, serverCpu: Number.NaN, loadCpu: Number.NaN }

  const connection = async () => {
    while (performance.now() < end) {
      const sent = performance.now()
      const failure = await sendOnce(agent, target, size)
      const answered = performance.now()
      if (failure) {
        sample.failed += 1
        sample.firstFailure ??= failure
        await sleep(50)
      } else if (answered >= start && answered < end) {
        sample.events += size
        sample.latencies.push(answered - sent)
      }
    }
  }
  const cpu = measureCpu(target.pids, warmup * 1000, seconds * 1000)
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  return Object.assign(sample, await cpu)
}

/**
 * Several windows of the same cell become one: rates from the sums, percentiles from all latencies.
 * @param {Sample[]} samples
 */
export function summarize(samples) {
  const sum = (/** @type {(s: Sample) => number} */ pick) => samples.reduce((total, s) => total + pick(s), 0)
  const rates = samples.map((s) => s.events / s.seconds)
  const latencies = samples.flatMap((s) => s.latencies).sort((a, b) => a - b)
  return {
    rate: sum((s) => s.events) / sum((s) => s.seconds),
    lowest: Math.min(...rates),
    highest: Math.max(...rates),
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
function sendOnce(agent, target, size) {
  const body = target.body(size)
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...target.headers,
  }
  return new Promise((resolve) => {
    const request = http.request(
      { agent, host: "127.0.0.1", port: target.port, path: target.path, method: "POST", headers },
      (response) => {
        const chunks = /** @type {Buffer[]} */ ([])
        response.on("data", (chunk) => chunks.push(chunk))
        response.on("error", (error) => resolve(String(error)))
        response.on("end", () => resolve(whyNotAccepted(response.statusCode, Buffer.concat(chunks).toString(), size)))
      },
    )
    request.on("error", (error) => resolve(String(error)))
    request.end(body)
  })
}

/**
 * @param {number | undefined} status
 * @param {string} text
 * @param {number} size
 * @returns {string | undefined}
 */
function whyNotAccepted(status, text, size) {
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
 * @param {number[]} pids
 * @param {number} delay  ms before the window
 * @param {number} length ms of the window
 */
async function measureCpu(pids, delay, length) {
  const read = () => ({ server: cpuSeconds(pids), load: process.cpuUsage(), at: performance.now() })
  await sleep(delay)
  const before = read()
  await sleep(length)
  const after = read()
  const wall = (after.at - before.at) / 1000
  const load = (after.load.user + after.load.system - before.load.user - before.load.system) / 1e6
  return { serverCpu: (after.server - before.server) / wall, loadCpu: load / wall }
}

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
