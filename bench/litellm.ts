/**
 * `npm run bench:gate`: what our hooks add to a call that goes through LiteLLM, against the same LiteLLM without them,
 * calls interleaved one by one so that a busy moment hits both; and how many LiteLLM workers one PocketBase can serve.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import path from "node:path"
import { parse } from "yaml"
import { ensureLitellm } from "../scripts/setup-litellm.mjs"
import { startFakeOpenai } from "../tests/support/fake-openai"
import { startGatedLitellm } from "../tests/support/gated-litellm"
import { freePort, root, seedPrices, startPlatform } from "../tests/support/platform"
import { benchGate } from "./gate.mjs"

const PAIRS = Number(process.env.BENCH_PAIRS ?? 400)
const WARM_UP = 40
const SATURATE_S = 12
const CONNECTIONS = 32

interface Side {
  url: string
  key: string
}

async function call({ url, key }: Side): Promise<number> {
  const began = performance.now()
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 100, messages: [{ role: "user", content: "Hello there" }] }),
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${text.slice(0, 300)}`)
  return performance.now() - began
}

/** The template's config without the gate, as somebody runs LiteLLM who does not bill. */
async function startBare(upstream: string): Promise<Side & { stop: () => Promise<void> }> {
  const folder = mkdtempSync(path.join(tmpdir(), "cf-bench-bare-"))
  const config = parse(readFileSync(path.join(root, "tenant-template/litellm/config.yaml"), "utf8"))
  delete config.litellm_settings.callbacks
  delete config.general_settings.custom_auth
  writeFileSync(path.join(folder, "config.yaml"), JSON.stringify(config))
  const port = await freePort()
  const key = "sk-bench-master-key-0123456789"
  const child = spawn(
    await ensureLitellm(),
    ["--config", path.join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port)],
    {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        LITELLM_MASTER_KEY: key,
        LITELLM_LOCAL_MODEL_COST_MAP: "True",
        LITELLM_MODE: "PRODUCTION",
        LITELLM_LOG: "WARNING",
        OPENAI_UPSTREAM_KEY: "sk-upstream",
        ANTHROPIC_UPSTREAM_KEY: "sk-upstream",
        OPENAI_API_BASE: upstream,
        OPENAI_BASE_URL: upstream,
      },
      stdio: "ignore",
    },
  )
  const url = `http://127.0.0.1:${port}`
  const deadline = Date.now() + 180_000
  while (Date.now() < deadline) {
    const up = await fetch(`${url}/health/liveliness`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (up) break
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const stop = async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGTERM")
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, key, stop }
}

async function saturate(side: Side): Promise<number> {
  const end = performance.now() + SATURATE_S * 1000
  let calls = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < end) {
        await call(side)
        calls += 1
      }
    }),
  )
  return calls / ((performance.now() - began) / 1000)
}

const percentile = (sorted: number[], q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number
const ms = (value: number) => `${value.toFixed(1)} ms`

const upstream = await startFakeOpenai()
const platform = await startPlatform()
await platform.publishPrices(seedPrices("gpt-4o-mini"))
const tenant = await platform.createTenant()
const product = await platform.createProduct({ rate_limit: 0, budget_included: 100_000 })
const user = await platform.createUser({ tenant_id: tenant.id, product_id: product.id })
const made = await platform.request("POST", "/api/keys", { token: await platform.tokenOf(user), body: { name: "bench" } })
const gated = await startGatedLitellm({ platform, tenant, upstream })
const bare = await startBare(upstream.url)
const sides = { bare: bare as Side, gated: { url: gated.url, key: made.body.key } as Side }
const times: Record<"bare" | "gated", number[]> = { bare: [], gated: [] }
for (let i = 0; i < PAIRS + WARM_UP; i++) {
  for (const name of i % 2 === 0 ? (["bare", "gated"] as const) : (["gated", "bare"] as const)) {
    const took = await call(sides[name])
    if (i >= WARM_UP) times[name].push(took)
  }
}
const authorize: number[] = []
for (let i = 0; i < 200; i++) {
  const began = performance.now()
  await platform.ingest(
    tenant.ingestKey,
    {
      call_id: `bench-${i}`,
      user_id: user.id,
      api_key_id: made.body.id,
      model: "gpt-4o-mini",
      tokens_input_estimate: 20,
      max_tokens: 100,
    },
    "/api/usage/authorize",
  )
  authorize.push(performance.now() - began)
  await platform.ingest(tenant.ingestKey, { call_id: `bench-${i}` }, "/api/usage/release")
}
for (const list of [times.bare, times.gated, authorize]) list.sort((a, b) => a - b)
const p50 = { bare: percentile(times.bare, 0.5), gated: percentile(times.gated, 0.5) }
const worker = { bare: await saturate(sides.bare), gated: await saturate(sides.gated) }
await gated.delivered()
await bare.stop()
await gated.stop()
await platform.stop()
await upstream.stop()
const center = await benchGate("FULL")
const ratio = (cell: "calls" | "batched") => {
  const rounds = center[cell].rates
    .map((rate: number, i: number) => rate / center.events.rates[i])
    .sort((a: number, b: number) => a - b)
  return rounds[Math.floor(rounds.length / 2)].toFixed(2)
}
const rate = (value: number) => `${value.toFixed(0)}/s`
const rows = [
  ["what", "value", "target"],
  ["---", "---", "---"],
  ["calls ÷ single events at 64 connections, each call settled by a request of its own", ratio("calls"), "≥ 0.6"],
  ["the same, usage delivered in batches of 50 as the gate does under load", ratio("batched"), "≥ 0.6"],
  ["LiteLLM with the gate ÷ without, p50, one call at a time", (p50.gated / p50.bare).toFixed(2), "≤ 1.25 (want 1.05)"],
  ["p50 without · with", `${ms(p50.bare)} · ${ms(p50.gated)}`, ""],
  ["p99 without · with", `${ms(percentile(times.bare, 0.99))} · ${ms(percentile(times.gated, 0.99))}`, ""],
  ["of it: authorize at the centre over HTTP, p50", ms(percentile(authorize, 0.5)), ""],
  [`one worker at full speed (${CONNECTIONS} connections), without · with`, `${rate(worker.bare)} · ${rate(worker.gated)}`, ""],
  ["the centre, calls with usage in batches", rate(center.batched.rate), ""],
  ["LiteLLM workers that one centre feeds at full speed", (center.batched.rate / worker.gated).toFixed(1), "≥ 15"],
]
const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n")
const text = `# The gate, measured

Written by \`npm run bench:gate\` (${new Date().toISOString().slice(0, 16)}Z, ${cpus().length} cores, ${cpus()[0]?.model.trim()}). Everything ran on one
machine, load generator included: compare ratios, not rates. Each ratio is the median of rounds that ran side by side.

${table}
`
console.log(text)
writeFileSync(path.join(root, "bench/results-gate.md"), text)
