/** A real PocketBase with our hooks and migrations, on a free port with a data folder of its own. Boots in a fraction of a second. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import PocketBase from "pocketbase"
import { ensurePocketBase } from "../../scripts/fetch-pocketbase.mjs"

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..")
export const ADMIN = { email: "admin@example.com", password: "correct-horse-battery" }
const run = promisify(execFile)

export interface PlatformOptions {
  /** The server's clock starts here and ticks. */
  clock?: string
  env?: Record<string, string>
  dataDir?: string
  hooksDir?: string
  /** Wraps the command, e.g. to limit the file size. */
  shell?: (command: string) => string
}

export interface Tenant {
  id: string
  slug: string
  ingestKey: string
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any answer
  body: any
}

export interface Server {
  url: string
  child: ChildProcess
  output: () => string
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

function environment(options: PlatformOptions): NodeJS.ProcessEnv {
  const offset = options.clock === undefined ? {} : { CF_CLOCK_OFFSET_MS: String(Date.parse(options.clock) - Date.now()) }
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    NODE_ENV: "development",
    POCKETBASE_ADMIN_EMAIL: ADMIN.email,
    POCKETBASE_ADMIN_PASSWORD: ADMIN.password,
    CF_SQLITE_SYNCHRONOUS: "NORMAL",
    ...offset,
    ...options.env,
  }
}

/** Starts the server and waits until it is healthy; a server that exits first is an error with its output. */
export async function startServer(dataDir: string, options: PlatformOptions = {}): Promise<Server> {
  const binary = await ensurePocketBase(() => undefined)
  const url = `http://127.0.0.1:${await freePort()}`
  const args = [
    ...["serve", "--http", url.slice(7), "--dir", dataDir, "--hooksDir", options.hooksDir ?? path.join(root, "pb_hooks")],
    ...["--migrationsDir", path.join(root, "pb_migrations"), "--publicDir", path.join(root, "pb_public")],
    ...["--dev=false", "--hooksWatch=false", "--automigrate=false", "--indexFallback=false", "--hooksPool=40"],
  ]
  const spawnOptions = { env: environment(options), stdio: ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"] }
  const child = options.shell
    ? spawn("bash", ["-c", options.shell(`exec ${[binary, ...args].map((a) => `'${a}'`).join(" ")}`)], spawnOptions)
    : spawn(binary, args, spawnOptions)
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk))
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`PocketBase exited with ${child.exitCode}:\n${output}`)
    const healthy = await fetch(`${url}/api/health`)
      .then((r) => r.ok)
      .catch(() => false)
    if (healthy) return { url, child, output: () => output }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill("SIGKILL")
  throw new Error(`PocketBase did not become healthy:\n${output}`)
}

export async function stopServer(server: Server, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (server.child.exitCode !== null || server.child.signalCode !== null) return
  const closed = new Promise((resolve) => server.child.once("close", resolve))
  server.child.kill(signal)
  await closed
}

/** Read-only SQL by Python's sqlite3: a second engine, so that a test never believes the server's own word. */
export function querySql<T>(dataDir: string, query: string, params: unknown[] = []): T[] {
  const script = `import json,sqlite3,sys
c=sqlite3.connect("file:"+sys.argv[1]+"?mode=ro",uri=True,timeout=20); c.row_factory=sqlite3.Row
print(json.dumps([dict(r) for r in c.execute(sys.argv[2], json.loads(sys.argv[3]))]))`
  const args = ["-c", script, path.join(dataDir, "data.db"), query, JSON.stringify(params)]
  return JSON.parse(execFileSync("python3", args, { maxBuffer: 1 << 28 }).toString()) as T[]
}

export async function runDoctor(dataDir: string, args: string[] = []): Promise<{ code: number; output: string }> {
  const child = run(process.execPath, [path.join(root, "scripts/doctor.mjs"), dataDir, ...args], { maxBuffer: 1 << 26 })
  return child.then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error) => ({ code: error.code as number, output: `${error.stdout}${error.stderr}` }),
  )
}

export class Platform {
  superuser!: PocketBase
  private serial = 0

  private constructor(
    private server: Server,
    readonly dataDir: string,
    private options: PlatformOptions,
    private readonly ownsDir: boolean,
  ) {}

  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), "cf-test-"))
    const platform = new Platform(await startServer(dataDir, options), dataDir, options, options.dataDir === undefined)
    await platform.signIn()
    return platform
  }

  get url(): string {
    return this.server.url
  }

  get pid(): number {
    return this.server.child.pid as number
  }

  output(): string {
    return this.server.output()
  }

  private async signIn(): Promise<void> {
    this.superuser = new PocketBase(this.url)
    this.superuser.autoCancellation(false)
    await this.superuser.collection("_superusers").authWithPassword(ADMIN.email, ADMIN.password)
  }

  async kill(): Promise<void> {
    await stopServer(this.server, "SIGKILL")
  }

  /** Same data folder, new process; options given here replace the former ones. */
  async restart(options: Partial<PlatformOptions> = {}): Promise<void> {
    await stopServer(this.server)
    this.options = { ...this.options, ...options }
    this.server = await startServer(this.dataDir, this.options)
    await this.signIn()
  }

  async stop(): Promise<void> {
    await stopServer(this.server)
    if (this.ownsDir) rmSync(this.dataDir, { recursive: true, force: true })
  }

  async request(
    method: string,
    route: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const raw = typeof options.body === "string" || options.body instanceof Uint8Array
    const response = await fetch(this.url + route, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(options.token === undefined ? {} : { Authorization: options.token }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: raw ? (options.body as string) : JSON.stringify(options.body) }),
    })
    const text = await response.text()
    let body: unknown = text
    if ((response.headers.get("content-type") ?? "").includes("json")) body = JSON.parse(text)
    return { status: response.status, headers: response.headers, body }
  }

  async asSuperuser(method: string, route: string, body?: unknown): Promise<Answer> {
    return this.request(method, route, { token: this.superuser.authStore.token, body })
  }

  async ingest(key: string, body: unknown, route = "/api/usage/events"): Promise<Answer> {
    return this.request("POST", route, { token: `Bearer ${key}`, body })
  }

  async createTenant(data: Record<string, unknown> = {}): Promise<Tenant> {
    const n = ++this.serial
    const slug = (data.slug as string) ?? `tenant-${n}`
    const record = await this.superuser.collection("tenants").create({
      ...{ name: `Tenant ${n}`, slug, domain: `${slug}.example.com`, type: "customer", status: "active" },
      ...{ timezone: "Europe/Berlin", anchor_day: 1, ...data },
    })
    const issued = await this.asSuperuser("POST", `/api/tenants/${record.id}/ingest-keys`, { name: "test" })
    if (issued.status !== 200) throw new Error(JSON.stringify(issued.body))
    return { id: record.id, slug, ingestKey: issued.body.key }
  }

  async createProduct(data: Record<string, unknown> = {}): Promise<{ id: string }> {
    return this.superuser.collection("products").create({
      ...{ name: `Product ${++this.serial}`, price: 50, currency: "EUR", budget_included: 50, models: ["all"], features: {} },
      ...{ rate_limit: 120, active: true, ...data },
    })
  }

  async createUser(data: Record<string, unknown>): Promise<{ id: string; email: string; password: string }> {
    const password = "a-long-password"
    const email = (data.email as string) ?? `user-${++this.serial}@example.com`
    const base = { email, password, passwordConfirm: password, role: "member", status: "active", verified: true }
    const record = await this.superuser.collection("users").create({ ...base, ...data })
    return { id: record.id, email, password }
  }

  /** Signs a user in; answers the token. */
  async tokenOf(user: { email: string; password: string }): Promise<string> {
    const answer = await this.request("POST", "/api/collections/users/auth-with-password", {
      body: { identity: user.email, password: user.password },
    })
    if (answer.status !== 200) throw new Error(`${user.email}: ${JSON.stringify(answer.body)}`)
    return answer.body.token
  }

  async publishPrices(entries: unknown[]): Promise<Answer["body"]> {
    const answer = await this.asSuperuser("POST", "/api/prices/publish", { entries, source: "test" })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return answer.body
  }

  sql<T>(query: string, params: unknown[] = []): T[] {
    return querySql<T>(this.dataDir, query, params)
  }

  async doctor(args: string[] = []): Promise<{ code: number; output: string }> {
    return runDoctor(this.dataDir, args)
  }
}

export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  return Platform.start(options)
}

/** Some entries of the committed price book, by model. */
export function seedPrices(...models: string[]): unknown[] {
  const seed = JSON.parse(readFileSync(path.join(root, "scripts/prices/seed.json"), "utf8")) as { entries: { model: string }[] }
  return models.map((model) => {
    const entry = seed.entries.find((candidate) => candidate.model === model)
    if (!entry) throw new Error(`the seed has no ${model}`)
    return entry
  })
}
