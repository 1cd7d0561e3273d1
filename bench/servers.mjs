/**
 * Starts and stops the processes of a bench run: ours, the stock PocketBase of the five-service design and its
 * billing API. Everything listens on 127.0.0.1; only processes started here are ever stopped.
 */
import { execFile, spawn } from "node:child_process"
import { mkdirSync, readFileSync } from "node:fs"
import net from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** @typedef {{port: number, pid: number, stop: () => Promise<void>}} Server */

export const root = fileURLToPath(new URL("..", import.meta.url))
export const admin = { email: "admin@example.com", password: "bench-password-only-local" }

/** @type {Set<Server>} */
const running = new Set()
const clockTicksPerSecond = 100

/** Stops whatever this run started; also when it ends by an error or Ctrl-C. */
export async function stopAll() {
  await Promise.all([...running].map((server) => server.stop()))
}

/**
 * Our platform on a data folder.
 * @param {string} binary
 * @param {string} dir
 * @param {'NORMAL' | 'FULL'} synchronous
 */
export function startOurs(binary, dir, synchronous) {
  const folders = ["--hooksDir", "pb_hooks", "--migrationsDir", "pb_migrations", "--publicDir", "pb_public"]
  return startPocketBase(binary, dir, [...folders, "--hooksPool=160"], {
    NODE_ENV: "development",
    POCKETBASE_ADMIN_EMAIL: admin.email,
    POCKETBASE_ADMIN_PASSWORD: admin.password,
    CF_SQLITE_SYNCHRONOUS: synchronous,
  })
}

/**
 * A stock PocketBase with the owner's plain collections and no hooks.
 * @param {string} binary
 * @param {string} dir
 */
export async function startStock(binary, dir) {
  const empty = join(dir, "..", "empty")
  mkdirSync(empty, { recursive: true })
  const migrations = ["--migrationsDir", "bench/baseline/pb_migrations"]
  const upsert = ["superuser", "upsert", admin.email, admin.password, "--dir", dir, "--hooksDir", empty, "--dev=false"]
  await promisify(execFile)(binary, [...upsert, ...migrations], { cwd: root })
  return startPocketBase(binary, dir, ["--hooksDir", empty, "--publicDir", empty, ...migrations], {})
}

/**
 * The billing API of the five-service design.
 * @param {{pocketbase: number, token: string, tenant: string}} options port and superuser token of the stock PocketBase, tenant of the caller
 */
export async function startBillingApi({ pocketbase, token, tenant }) {
  const port = await freePort()
  const env = {
    NODE_ENV: "production",
    PORT: String(port),
    POCKETBASE_URL: `http://127.0.0.1:${pocketbase}`,
    POCKETBASE_ADMIN_TOKEN: token,
    TENANT_ID: tenant,
  }
  return startServer(process.execPath, ["bench/baseline/billing-api.mjs"], env, port)
}

/**
 * @param {string} binary
 * @param {string} dir
 * @param {string[]} flags
 * @param {Record<string, string>} env
 */
async function startPocketBase(binary, dir, flags, env) {
  const port = await freePort()
  const fixed = ["--dev=false", "--hooksWatch=false", "--automigrate=false", "--indexFallback=false"]
  const args = ["serve", "--dir", dir, ...flags, ...fixed, "--http", `127.0.0.1:${port}`]
  return startServer(binary, args, env, port)
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} env
 * @param {number} port
 * @returns {Promise<Server>}
 */
async function startServer(command, args, env, port) {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  const remember = (/** @type {Buffer} */ chunk) => {
    output = (output + chunk).slice(-4000)
  }
  child.stdout.on("data", remember)
  child.stderr.on("data", remember)
  const exited = new Promise((resolve) => child.once("exit", resolve))
  child.once("error", remember)

  /** @type {Server} */
  const server = { port, pid: child.pid ?? 0, stop: () => stopChild(child, exited).then(() => void running.delete(server)) }
  running.add(server)
  const deadline = Date.now() + 30_000
  while (!(await healthy(port))) {
    if (child.exitCode !== null || child.pid === undefined || Date.now() > deadline) {
      await server.stop()
      throw new Error(`a server of the bench did not start:\n${output}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return server
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {Promise<unknown>} exited
 */
async function stopChild(child, exited) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  child.kill("SIGTERM")
  const force = setTimeout(() => child.kill("SIGKILL"), 10_000)
  await exited
  clearTimeout(force)
}

/** @param {number} port */
async function healthy(port) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/api/health`)
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {net.AddressInfo} */ (probe.address())
      probe.close(() => resolve(port))
    })
  })
}

/**
 * CPU time that processes have used so far.
 * @param {number[]} pids
 * @returns {number} seconds; NaN where /proc is missing
 */
export function cpuSeconds(pids) {
  try {
    return pids.reduce((sum, pid) => {
      const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
      return sum + (Number(afterName[11]) + Number(afterName[12])) / clockTicksPerSecond
    }, 0)
  } catch {
    return Number.NaN
  }
}

/**
 * Peak resident memory of a process.
 * @param {number} pid
 * @returns {number | undefined} MB; undefined where /proc is missing
 */
export function peakMemoryMb(pid) {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}
