/**
 * `npm run bench`: ours against the ceiling of its database, against the five-service design and against itself with a
 * million rows, all in one run of a few minutes. A missed target is printed, it does not fail the command.
 *
 * `--quick` takes one short round: to try the bench, not to quote from.
 */
import { execFile } from "node:child_process"
import { cp, mkdtemp, rm } from "node:fs/promises"
import os from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ensurePocketBase, pinnedVersion } from "../scripts/fetch-pocketbase.mjs"
import { measure, summarize } from "./load.mjs"
import { render, save } from "./report.mjs"
import { peakMemoryMb, root, startBillingApi, startOurs, startStock, stopAll } from "./servers.mjs"
import { eventBodies, prepareOurs, prepareStock } from "./setup.mjs"

/**
 * @typedef {import('./load.mjs').Target} Target
 * @typedef {import('./load.mjs').Sample} Sample
 * @typedef {{name: string, run: () => Promise<Sample>}} Cell
 */

const quick = process.argv.includes("--quick")
const rounds = quick ? 1 : 3
const window = quick ? { seconds: 1.5, warmup: 0.5 } : { seconds: 2.5, warmup: 0.6 }
const started = performance.now()

/** No further round begins after these many seconds, so that a slow or busy machine still ends within five minutes. */
const lastStart = { ingest: 140, growth: 265 }
const elapsed = () => (performance.now() - started) / 1000

/** @param {string} line */
const say = (line) => console.log(`[${elapsed().toFixed(0).padStart(3)} s] ${line}`)

async function main() {
  const work = await mkdtemp(join(process.env.BENCH_DIR ?? os.tmpdir(), "cf-bench-"))
  process.once("SIGINT", () => void stopAll().then(() => process.exit(130)))
  try {
    const markdown = render(await runAll(work))
    console.log(`\n${markdown}`)
    if (!quick) await save(markdown)
  } finally {
    await stopAll()
    await rm(work, { recursive: true, force: true })
  }
}

/** @param {string} work a folder for everything that the run writes */
async function runAll(work) {
  const binary = await ensurePocketBase()
  const ours = await prepareTemplate(binary, work)
  /** @type {Map<string, Sample[]>} */
  const samples = new Map()

  const { cells, pid, stop } = await ingestCells(binary, work, ours)
  for (let round = 1; round <= rounds; round += 1) {
    if (round > 1 && elapsed() > lastStart.ingest) break
    for (const cell of cells) await runCell(cell, round, samples)
  }
  const memoryMb = peakMemoryMb(pid)
  await stop()
  const books = await python("books.py", join(work, "ours", "data.db"), join(work, "stock", "data.db"))

  const growth = await growthCells(binary, work, ours)
  for (let round = 1; round <= rounds; round += 1) {
    if (round > 1 && elapsed() > lastStart.growth) break
    for (const cell of growth) await runCell(cell, round, samples)
  }
  return {
    cells: new Map([...samples].map(([name, list]) => [name, summarize(list)])),
    sqlite: await python("-c", "import json, sqlite3; print(json.dumps(sqlite3.sqlite_version))"),
    memoryMb,
    books,
    pocketbase: await pinnedVersion(),
    minutes: elapsed() / 60,
  }
}

/**
 * A migrated data folder with tenant, users, prices, key and some booked events, that the other folders are copied from.
 * @param {string} binary
 * @param {string} work
 */
async function prepareTemplate(binary, work) {
  say("preparing ours")
  const server = await startOurs(binary, join(work, "template"), "NORMAL")
  const ours = await prepareOurs(server.port)
  const sample = await measure(ourTarget(server, ours), { connections: 4, size: 50, seconds: 1, warmup: 0 })
  if (sample.events === 0) throw new Error(`ours does not book events: ${sample.firstFailure}`)
  await server.stop()
  return ours
}

/**
 * The cells of part one: ours with NORMAL and FULL, and the five-service design, in an order that alternates them.
 * @param {string} binary
 * @param {string} work
 * @param {import('./setup.mjs').Ours} ours
 */
async function ingestCells(binary, work, ours) {
  const normalServer = await startCopy(binary, work, "ours", "NORMAL")
  const fullServer = await startCopy(binary, work, "full", "FULL")
  say("preparing the five-service design")
  const stockServer = await startStock(binary, join(work, "stock"))
  const stock = await prepareStock(stockServer.port)
  const api = await startBillingApi({ pocketbase: stockServer.port, token: stock.token, tenant: stock.tenant })

  const normal = ourTarget(normalServer, ours)
  const full = ourTarget(fullServer, ours)
  const fiveServices = (/** @type {string[]} */ users) => ({
    ...{ port: api.port, path: "/api/usage/events", headers: {} },
    ...{ body: eventBodies(users, ours.model), pids: [api.pid, stockServer.pid] },
  })
  const singles = fiveServices(stock.singles)
  const batches = fiveServices(stock.batches)
  const cells = [
    ...[16, 64].flatMap((connections) => [
      cell("ours", normal, 1, connections),
      cell("five services", singles, 1, connections),
      cell("ours with FULL", full, 1, connections),
    ]),
    cell("five services", batches, 100, 16),
    cell("ours", normal, 100, 16),
    ceilingCell(work, 100),
    cell("ours", normal, 100, 64),
    ...[16, 64].map((connections) => cell("ours with FULL", full, 100, connections)),
    ceilingCell(work, 500),
    ...[16, 64].map((connections) => cell("ours", normal, 500, connections)),
  ]
  say("warming up (every JavaScript VM loads the bundle once)")
  for (const target of [normal, full]) await measure(target, { connections: 64, size: 1, seconds: 1, warmup: 2 })
  const stop = () => Promise.all([normalServer, fullServer, api, stockServer].map((server) => server.stop()))
  return { cells, pid: normalServer.pid, stop }
}

/**
 * The cells of part two: the same server on few and on many rows.
 * @param {string} binary
 * @param {string} work
 * @param {import('./setup.mjs').Ours} ours
 */
async function growthCells(binary, work, ours) {
  /** @type {Cell[]} */
  const cells = []
  for (const rows of [10_000, 1_000_000]) {
    const name = `ours, ${rows.toLocaleString("en-US")} rows`
    const dir = join(work, `rows-${rows}`)
    await cp(join(work, "template"), dir, { recursive: true })
    say(`filling up to ${rows} rows`)
    await python("fill.py", "--db", join(dir, "data.db"), "--rows", String(rows))
    const target = ourTarget(await startOurs(binary, dir, "NORMAL"), ours)
    await measure(target, { connections: 16, size: 1, seconds: 0.5, warmup: 1 })
    cells.push({ name, run: () => measure(target, { size: 100, connections: 16, ...window }) })
  }
  return cells
}

/**
 * @param {string} binary
 * @param {string} work
 * @param {string} name
 * @param {'NORMAL' | 'FULL'} synchronous
 */
async function startCopy(binary, work, name, synchronous) {
  await cp(join(work, "template"), join(work, name), { recursive: true })
  return startOurs(binary, join(work, name), synchronous)
}

/**
 * @param {import('./servers.mjs').Server} server
 * @param {import('./setup.mjs').Ours} ours
 * @returns {Target}
 */
function ourTarget(server, { key, users, model }) {
  const headers = { authorization: `Bearer ${key}` }
  return { port: server.port, path: "/api/usage/events", headers, body: eventBodies(users, model), pids: [server.pid] }
}

/**
 * @param {string} who
 * @param {Target} target
 * @param {number} size
 * @param {number} connections
 * @returns {Cell}
 */
function cell(who, target, size, connections) {
  const name = `${who}, ${size} a request, ${connections} connections`
  return { name, run: () => measure(target, { size, connections, ...window }) }
}

/**
 * @param {Cell} cell
 * @param {number} round
 * @param {Map<string, Sample[]>} samples
 */
async function runCell({ name, run }, round, samples) {
  const sample = await run()
  samples.set(name, [...(samples.get(name) ?? []), sample])
  const failures = sample.failed > 0 ? `, ${sample.failed} failed: ${sample.firstFailure}` : ""
  say(`round ${round}: ${name}: ${Math.round(sample.events / sample.seconds)} events/s${failures}`)
}

/**
 * The same two statements in C SQLite, with nothing around them.
 * @param {string} work
 * @param {number} size
 * @returns {Cell}
 */
function ceilingCell(work, size) {
  const paths = ["--from", join(work, "template", "data.db"), "--to", join(work, `ceiling-${size}.db`)]
  const run = async () => {
    const { events, seconds } = await python("ceiling.py", ...paths, "--batch", String(size), "--seconds", String(window.seconds))
    return { events, seconds, latencies: [], failed: 0, serverCpu: Number.NaN, loadCpu: Number.NaN }
  }
  return { name: `C SQLite, batches of ${size}`, run }
}

/**
 * @param {string} script
 * @param {...string} args
 */
async function python(script, ...args) {
  const { stdout } = await promisify(execFile)("python3", [script, ...args], { cwd: join(root, "bench") })
  return JSON.parse(stdout)
}

await main()
