// npm start -- [--port P] [--data DIR] [--demo|--empty] [--clock ISO]
// Installs, gets PocketBase, builds, migrates, seeds demo data on an empty data folder, serves, prints URLs and logins.
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { prepare, root } from "./project.mjs"
import { seedDemo } from "./seed-demo.mjs"
import { freePort, refuseTakenPort, startServer, stopServer } from "./server.mjs"

const options = readOptions()
loadDotEnv()
const production = process.env.NODE_ENV === "production"
const dataDir = path.resolve(options.data)
const fresh = !existsSync(path.join(dataDir, "data.db"))
const credentialsFile = path.join(dataDir, "demo-credentials.json")

try {
  await main()
} catch (error) {
  console.error(`\n${error.message}`)
  process.exit(1)
}

async function main() {
  const binary = await prepare()
  await refuseTakenPort(options.port)
  mkdirSync(dataDir, { recursive: true })
  const url = `http://127.0.0.1:${options.port}`
  const credentials = production ? null : readCredentials(url)
  const startMs = options.clock === undefined ? Date.now() : Date.parse(options.clock)

  if (credentials && fresh && !options.empty) await seed(binary, credentials, startMs)
  const env = environment(credentials, options.clock === undefined ? null : startMs)
  const server = await startServer(binary, { dataDir, port: options.port, env })
  if (credentials) {
    await addOperator(credentials, url)
    saveCredentials(credentials, url)
  }
  announce(url, credentials)
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.kill(signal))
  server.on("close", (code) => process.exit(code ?? 0))
}

/** On a port of its own: whoever waits for --port must not meet a server of last month's clock. */
async function seed(binary, credentials, nowMs) {
  console.error("Seeding demo data …")
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const serverAt = (ms) => startServer(binary, { dataDir, port, env: environment(credentials, ms) })
  await seedDemo({ serverAt, stop: stopServer, credentials, url, nowMs, beforeLastStop: () => addOperator(credentials, url) })
  saveCredentials(credentials, credentials.url)
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8090" },
      data: { type: "string", default: path.join(root, "pb_data") },
      demo: { type: "boolean", default: false },
      empty: { type: "boolean", default: false },
      clock: { type: "string" },
    },
  })
  const fail = (message) => {
    console.error(`npm start: ${message}`)
    process.exit(2)
  }
  if (!/^\d+$/.test(values.port) || Number(values.port) < 1 || Number(values.port) > 65_535)
    fail(`--port ${values.port}: a number from 1 to 65535`)
  if (values.demo && values.empty) fail("--demo and --empty exclude each other")
  if (values.clock !== undefined && Number.isNaN(Date.parse(values.clock)))
    fail(`--clock ${values.clock}: an ISO time such as 2026-11-23T10:00:00Z`)
  return { ...values, port: Number(values.port) }
}

function loadDotEnv() {
  const file = path.join(root, ".env")
  if (existsSync(file)) process.loadEnvFile(file)
}

/** In production nothing is invented: what is missing stops the start, and the server says what. */
function environment(credentials, clockMs) {
  const env = { ...process.env }
  if (credentials) {
    env.NODE_ENV = "development"
    env.POCKETBASE_ADMIN_EMAIL = credentials.superuser.email
    env.POCKETBASE_ADMIN_PASSWORD = credentials.superuser.password
  }
  if (clockMs !== null) env.CF_CLOCK_OFFSET_MS = String(Math.round(clockMs - Date.now()))
  return env
}

/** Logins and keys survive restarts: they are read back from the file that the first start wrote. */
function readCredentials(url) {
  const saved = existsSync(credentialsFile) ? JSON.parse(readFileSync(credentialsFile, "utf8")) : null
  const superuser = {
    email: process.env.POCKETBASE_ADMIN_EMAIL || saved?.superuser.email || "admin@cloudfreedom.example",
    password: process.env.POCKETBASE_ADMIN_PASSWORD || saved?.superuser.password || randomBytes(15).toString("base64url"),
  }
  return { url, superuser, users: saved?.users ?? [], tenants: saved?.tenants ?? [] }
}

function saveCredentials(credentials, url) {
  writeFileSync(credentialsFile, `${JSON.stringify({ ...credentials, url }, null, 2)}\n`, { mode: 0o600 })
  chmodSync(credentialsFile, 0o600)
}

/** The operator is made by the server itself from the admin pair; the file lists it with its id. */
async function addOperator(credentials, url) {
  const { email, password } = credentials.superuser
  const response = await fetch(`${url}/api/collections/users/auth-with-password`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ identity: email, password }),
  })
  if (!response.ok) throw new Error(`the operator ${email} cannot sign in (HTTP ${response.status})`)
  const { record } = await response.json()
  const others = credentials.users.filter((user) => user.email !== email)
  credentials.users = [{ id: record.id, email, password, role: "operator", tenant_slug: "" }, ...others]
}

function announce(url, credentials) {
  const lines = [
    "",
    "CloudFreedom AI Router is running.",
    "",
    `  API        ${url}/api/`,
    `  Dashboard  ${url}/_/   (raw data, superuser)`,
    `  Ready      ${url}/api/ready`,
  ]
  if (credentials) {
    lines.push(
      "",
      "  Logins (one per role):",
      `    superuser     ${credentials.superuser.email}  ${credentials.superuser.password}`,
    )
    const shown = new Set()
    for (const user of credentials.users) {
      if (shown.has(user.role)) continue
      shown.add(user.role)
      lines.push(`    ${user.role.padEnd(12)}  ${user.email}  ${user.password}`)
    }
    const tenant = credentials.tenants.find((candidate) => candidate.slug === "alpha") ?? credentials.tenants[0]
    if (tenant) lines.push("", `  Ingest key of tenant ${tenant.slug}: ${tenant.ingest_key}`)
    lines.push("", `  All of them: ${path.relative(process.cwd(), credentialsFile)}`)
  }
  lines.push("", "  Stop with Ctrl+C.", "")
  console.log(lines.join("\n"))
}
