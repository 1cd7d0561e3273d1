/**
 * A tenant's real LiteLLM proxy as the tenant's compose file runs it: the template's config, the gate on PYTHONPATH, the
 * compose file's environment. Only the addresses differ: providers are the fake upstream, the platform is the test's.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { KNOWN_PROVIDERS, type OfferedModel, renderLitellmConfig } from "../../hooks-src/domain/litellm-config"
import { ensureLitellm } from "../../scripts/setup-litellm.mjs"
import { filledVariables, loadCompose } from "../template/compose-file"
import { freePort, root } from "./platform"

export interface GatedLitellmOptions {
  /** Read at each start, so a platform that was restarted elsewhere is found after restart(). */
  platform: { readonly url: string }
  tenant: { slug: string; ingestKey: string }
  /** Stands in for OpenAI and Anthropic; `url` ends in /v1. */
  upstream: { readonly url: string }
  /** Default 1. */
  workers?: number
  /** On top of the compose file's, e.g. CF_OUTAGE_POLICY. */
  env?: Record<string, string>
  /** Default: a new folder that stop() removes. A given one is kept. */
  spoolDir?: string
  /** Renders a config for these instead of taking the committed one. */
  models?: OfferedModel[]
}

export interface SpoolCall {
  call_id: string
  worker: string
  state: "held" | "sent" | "release"
  hold_id: string
  user_id: string
  model: string
  max_tokens: number
  output_so_far: number
}

export interface SpoolEvent {
  event_id: string
  call_id: string
  origin: "logged" | "recovered"
  state: "queued" | "batched" | "acked" | "dead"
  epoch: string
  seq: number
  reason: string
  body: string
}

export interface GatedLitellm {
  /** Without /v1; stays the same over restarts. */
  readonly url: string
  readonly pid: number
  readonly spoolDir: string
  readonly secrets: { masterKey: string; owuiKey: string; owuiJwtSecret: string }
  /** Everything it printed so far, over all starts. */
  output(): string
  /** The processes that serve calls: LiteLLM itself with one worker, its children with several. */
  workerPids(): number[]
  spoolRows(): Promise<{ calls: SpoolCall[]; events: SpoolEvent[] }>
  /** Waits until no call is open and no event waits. A dead letter is an error: it would wait for people. */
  delivered(timeoutMs?: number): Promise<void>
  /** Ends LiteLLM: SIGKILL takes all its processes at once, as a container's end does; others go to the main process. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Ends it if it runs, and starts it again on the same spool and port; `env` is laid over the former. */
  restart(env?: Record<string, string>): Promise<void>
  stop(): Promise<void>
}

const TEMPLATE = path.join(root, "tenant-template/litellm")
/** What each worker prints when it has read its config. */
const CONFIGURED = "Proxy initialized with Config"
const START_TIMEOUT_MS = 300_000
const STOP_TIMEOUT_MS = 30_000
const run = promisify(execFile)

/** Python's sqlite3 is a second engine, and `mode=ro` cannot disturb the gate. */
const SQL = `import json,sqlite3,sys
c=sqlite3.connect("file:"+sys.argv[1]+"?mode=ro",uri=True,timeout=20); c.row_factory=sqlite3.Row
c.execute("BEGIN")
print(json.dumps([[dict(r) for r in c.execute(q)] for q in json.loads(sys.argv[2])]))`
const ROWS = [
  "SELECT call_id, worker, state, hold_id, user_id, model, max_tokens, output_so_far FROM calls ORDER BY started_at, call_id",
  "SELECT event_id, call_id, origin, state, epoch, seq, reason, body FROM events ORDER BY created_at, event_id",
]
const WAITING = [
  "SELECT state, count(*) AS n FROM calls GROUP BY state",
  "SELECT state, count(*) AS n FROM events WHERE state != 'acked' GROUP BY state",
  "SELECT event_id, reason FROM events WHERE state = 'dead'",
]

/** Installs LiteLLM if need be (its progress goes to stderr), starts it and waits until every worker serves. */
export async function startGatedLitellm(options: GatedLitellmOptions): Promise<GatedLitellm> {
  const proxy = new GatedProxy(options, await ensureLitellm(), await freePort())
  try {
    await proxy.start()
  } catch (error) {
    await proxy.stop()
    throw error
  }
  return proxy
}

class GatedProxy implements GatedLitellm {
  readonly url: string
  readonly spoolDir: string
  readonly secrets = {
    masterKey: `sk-master-${secret()}`,
    owuiKey: `sk-owui-${secret()}`,
    owuiJwtSecret: secret(),
  }
  private readonly folder = mkdtempSync(path.join(tmpdir(), "gated-litellm-"))
  private readonly config: string
  private readonly workers: number
  private env: Record<string, string>
  private child: ChildProcess | undefined
  private printed = ""

  constructor(
    private readonly options: GatedLitellmOptions,
    private readonly executable: string,
    private readonly port: number,
  ) {
    this.url = `http://127.0.0.1:${port}`
    this.spoolDir = options.spoolDir ?? this.folder
    this.workers = options.workers ?? 1
    this.env = options.env ?? {}
    this.config = path.join(TEMPLATE, "config.yaml")
    if (options.models) {
      this.config = path.join(this.folder, "config.yaml")
      writeFileSync(this.config, renderLitellmConfig({ models: options.models, providers: KNOWN_PROVIDERS }))
    }
  }

  get pid(): number {
    return this.child?.pid ?? -1
  }

  output(): string {
    return this.printed
  }

  async start(): Promise<void> {
    const before = { files: this.workerFiles(), printed: this.printed.length }
    const args = ["--config", this.config, "--host", "127.0.0.1", "--port", String(this.port)]
    const child = spawn(this.executable, [...args, "--num_workers", String(this.workers)], {
      cwd: this.folder,
      env: this.environment(),
      stdio: ["ignore", "pipe", "pipe"],
      // A process group of its own, so that SIGKILL can take the workers along: they would survive their parent.
      detached: true,
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.printed += chunk.toString("utf8")
      })
    }
    this.child = child
    process.once("exit", this.killGroup)
    await this.waitUntilServing(child, before)
  }

  /** The compose file's word, with this machine's folders and addresses; nothing of the developer's shell. */
  private environment(): Record<string, string> {
    const service = loadCompose({
      ...filledVariables(),
      ...{ TENANT_SLUG: this.options.tenant.slug, CF_INGEST_KEY: this.options.tenant.ingestKey },
      ...{ POCKETBASE_URL: this.options.platform.url, BILLING_API_URL: this.options.platform.url },
      ...{ LITELLM_MASTER_KEY: this.secrets.masterKey, CF_OWUI_KEY: this.secrets.owuiKey },
      ...{ CF_OWUI_JWT_SECRET: this.secrets.owuiJwtSecret, LITELLM_WORKERS: String(this.workers) },
    }).services.litellm
    if (service === undefined) throw new Error("the compose file has no service litellm")
    return {
      ...service.environment,
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      PYTHONPATH: TEMPLATE,
      CF_SPOOL_PATH: this.spoolPath,
      // LiteLLM looks here where a deployment names no address, as the template's do not.
      OPENAI_API_BASE: this.options.upstream.url,
      ANTHROPIC_API_BASE: this.options.upstream.url.replace(/\/v1$/, ""),
      ...this.env,
    }
  }

  private get spoolPath(): string {
    return path.join(this.spoolDir, "spool.db")
  }

  /** The gate of each worker keeps a locked file beside the spool. */
  private workerFiles(): string[] {
    return readdirSync(this.spoolDir).filter((name) => name.startsWith("spool.db.worker-"))
  }

  private async waitUntilServing(child: ChildProcess, before: { files: string[]; printed: number }): Promise<void> {
    for (let waited = 0; waited < START_TIMEOUT_MS; waited += 200) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`LiteLLM ended while starting:\n${this.printed.slice(-6_000)}`)
      }
      const gates = this.workerFiles().filter((name) => !before.files.includes(name)).length
      // Until a worker has said so, another one answers for it.
      const ready = Math.min(gates, this.printed.slice(before.printed).split(CONFIGURED).length - 1)
      if (ready >= this.workers && (await fetch(`${this.url}/health/liveliness`).catch(() => undefined))?.ok) return
      await sleep(200)
    }
    throw new Error(`LiteLLM did not come up in ${START_TIMEOUT_MS / 1_000} s:\n${this.printed.slice(-6_000)}`)
  }

  workerPids(): number[] {
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return []
    if (this.workers === 1) return [this.pid]
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8").trim().split(" ").filter(Boolean)
    // multiprocessing also starts a process that only watches semaphores.
    return children.map(Number).filter((pid) => commandOf(pid).includes("spawn_main"))
  }

  async spoolRows(): Promise<{ calls: SpoolCall[]; events: SpoolEvent[] }> {
    const [calls, events] = await this.sql(ROWS)
    return { calls: calls as SpoolCall[], events: events as SpoolEvent[] }
  }

  async delivered(timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const [calls = [], events = [], dead = []] = await this.sql(WAITING)
      if (dead.length > 0) throw new Error(`dead letters: ${JSON.stringify(dead)}`)
      if (calls.length === 0 && events.length === 0) return
      if (performance.now() > deadline) {
        const rest = JSON.stringify({ calls, events })
        throw new Error(`not delivered in ${timeoutMs} ms: ${rest}\n${this.printed.slice(-4_000)}`)
      }
      await sleep(150)
    }
  }

  private async sql(queries: string[]): Promise<unknown[][]> {
    const args = ["-c", SQL, this.spoolPath, JSON.stringify(queries)]
    const { stdout } = await run("python3", args, { maxBuffer: 1 << 28 })
    return JSON.parse(stdout) as unknown[][]
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child } = this
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    // "close" comes when no process holds its output any more: the workers are gone too.
    const closed = once(child, "close")
    if (signal === "SIGKILL") this.killGroup()
    else child.kill(signal)
    const killer = setTimeout(this.killGroup, STOP_TIMEOUT_MS)
    await closed
    clearTimeout(killer)
    process.removeListener("exit", this.killGroup)
  }

  private readonly killGroup = (): void => {
    try {
      if (this.pid > 0) process.kill(-this.pid, "SIGKILL")
    } catch (error) {
      // Nobody is left in the group: that is what was asked for.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    }
  }

  async restart(env: Record<string, string> = {}): Promise<void> {
    await this.kill("SIGTERM")
    this.env = { ...this.env, ...env }
    await this.start()
  }

  async stop(): Promise<void> {
    await this.kill("SIGTERM")
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    return "" // it ended in the meantime
  }
}

function secret(): string {
  return randomBytes(24).toString("hex")
}
