/** The real Open WebUI, installed from its package, with the environment that the tenant's compose file gives its container. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ensureOpenWebui } from "../../scripts/setup-openwebui.mjs"

export interface OpenWebuiOptions {
  port: number
  /** As in the compose file, with addresses that exist on this machine. */
  environment: Record<string, string>
}

export interface OpenWebui {
  url: string
  /** everything the server printed so far */
  output(): string
  /** Read-only SQL on its database, by Python's sqlite3. */
  sql<T>(query: string): T[]
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 180_000
const STOP_TIMEOUT_MS = 15_000
const SQL = `import json,sqlite3,sys
c=sqlite3.connect("file:"+sys.argv[1]+"?mode=ro",uri=True,timeout=20); c.row_factory=sqlite3.Row
print(json.dumps([dict(r) for r in c.execute(sys.argv[2])]))`

/** Installs Open WebUI if need be (its progress goes to stderr), starts it with an empty database and waits until it answers. */
export async function startOpenWebui({ port, environment }: OpenWebuiOptions): Promise<OpenWebui> {
  const python = await ensureOpenWebui()
  const folder = await mkdtemp(path.join(tmpdir(), "open-webui-"))
  await mkdir(path.join(folder, "data"))
  const args = ["-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", String(port), "--workers", "1"]
  const env = { ...environment, ...surroundings(folder) }
  const child = spawn(python, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8")
    })
  }
  const database = path.join(folder, "data", "webui.db")
  const server: OpenWebui = {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    sql: (query) => JSON.parse(execFileSync(python, ["-c", SQL, database, query]).toString()),
    stop: async () => {
      await stopProcess(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await waitUntilHealthy(server, child)
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

/** What the image sets for itself; nothing else of the developer's shell reaches the server, and it looks for nothing outside. */
function surroundings(folder: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    DATA_DIR: path.join(folder, "data"),
    STATIC_DIR: path.join(folder, "static"),
    FROM_INIT_PY: "true",
    PYTHONUNBUFFERED: "1",
    OFFLINE_MODE: "true",
    HF_HUB_OFFLINE: "1",
    ANONYMIZED_TELEMETRY: "false",
  }
}

async function waitUntilHealthy(server: OpenWebui, child: ChildProcess): Promise<void> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += 250) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`Open WebUI ended while starting:\n${server.output().slice(-4_000)}`)
    }
    const healthy = await fetch(`${server.url}/health`)
      .then((r) => r.ok)
      .catch(() => false)
    if (healthy) return
    await sleep(250)
  }
  throw new Error(`Open WebUI did not come up in ${START_TIMEOUT_MS / 1_000} s:\n${server.output().slice(-4_000)}`)
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, "close")
  child.kill("SIGTERM")
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS)
  await closed
  clearTimeout(killer)
}
