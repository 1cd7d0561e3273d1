/**
 * Starts the real LiteLLM proxy with nothing but its stock `generic_api` logger and the ten lines of
 * tests/litellm/custom_auth.py: what a tenant runs who does not want our callback.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

export interface LitellmOptions {
  /** base URL of the upstream, including /v1 */
  upstream: string
  /** complete URL that the `generic_api` logger posts to */
  loggerEndpoint: string
  /** the tenant's ingest key, cfi_… */
  ingestKey: string
}

export interface LitellmProxy {
  url: string
  /** everything the proxy printed so far */
  output(): string
  stop(): Promise<void>
}

const MODELS = ["gpt-4o-mini", "gpt-4o", "text-embedding-3-small"]
const SETUP = fileURLToPath(new URL("../../scripts/setup-litellm.mjs", import.meta.url))
/** Not beside config.yaml: LiteLLM would run a module that lies there once per mention. */
const AUTH_FOLDER = fileURLToPath(new URL("../litellm/", import.meta.url))
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 15_000

/** Installs LiteLLM if need be (its progress goes to stderr), starts it and waits until it answers. */
export async function startLitellm(options: LitellmOptions): Promise<LitellmProxy> {
  const executable = await installedLitellm()
  const folder = await mkdtemp(join(tmpdir(), "litellm-"))
  const config = join(folder, "config.yaml")
  await writeFile(config, JSON.stringify(proxyConfig(options.upstream))) // JSON is YAML
  const port = await freePort()
  const child = spawn(executable, ["--config", config, "--host", "127.0.0.1", "--port", String(port)], {
    cwd: folder,
    env: proxyEnvironment(options, folder),
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8")
    })
  }
  const stop = async () => {
    await stopProcess(child)
    await rm(folder, { recursive: true, force: true })
  }
  const proxy = { url: `http://127.0.0.1:${port}`, output: () => output, stop }
  try {
    await waitUntilAlive(proxy, child)
  } catch (error) {
    await stop()
    throw error
  }
  return proxy
}

function proxyConfig(upstream: string): object {
  return {
    model_list: MODELS.map((name) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: upstream, api_key: "sk-upstream" },
    })),
    litellm_settings: { callbacks: ["generic_api"], num_retries: 0 },
    router_settings: { num_retries: 0, disable_cooldowns: true },
    general_settings: { custom_auth: "custom_auth.user_api_key_auth" },
  }
}

/** Only what is listed here: a provider key or an HTTP proxy in the developer's shell must not leak into the test. */
function proxyEnvironment(options: LitellmOptions, home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: home,
    PYTHONPATH: AUTH_FOLDER,
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    LITELLM_LOCAL_MODEL_COST_MAP: "True",
    // LiteLLM will not start without one, although custom_auth decides alone; nobody learns this one.
    LITELLM_MASTER_KEY: `sk-${randomBytes(32).toString("hex")}`,
    GENERIC_LOGGER_ENDPOINT: options.loggerEndpoint,
    GENERIC_LOGGER_HEADERS: `Authorization=Bearer ${options.ingestKey}`,
    DEFAULT_FLUSH_INTERVAL_SECONDS: "1",
    DEFAULT_BATCH_SIZE: "512",
  }
}

/** As a process of its own, so that this file does not depend on how the script is written. */
async function installedLitellm(): Promise<string> {
  const child = spawn(process.execPath, [SETUP], { stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString("utf8")
  })
  const [code] = (await once(child, "close")) as [number | null]
  if (code !== 0) throw new Error("LiteLLM could not be installed, see above")
  return output.trim()
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

async function waitUntilAlive(proxy: Pick<LitellmProxy, "url" | "output">, child: ChildProcess): Promise<void> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += 250) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`LiteLLM ended while starting:\n${proxy.output().slice(-4_000)}`)
    }
    const alive = await fetch(`${proxy.url}/health/liveliness`)
      .then((r) => r.ok)
      .catch(() => false)
    if (alive) return
    await sleep(250)
  }
  throw new Error(`LiteLLM did not come up in ${START_TIMEOUT_MS / 1_000} s:\n${proxy.output().slice(-4_000)}`)
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, "close")
  child.kill("SIGTERM")
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS)
  await closed
  clearTimeout(killer)
}
