/**
 * A tenant's stack from its bundle: the archive unpacked, both services started as processes with the environment, the
 * configuration and the gate that are in it. Changed are addresses alone: there is no DNS, no TLS and no Traefik here.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ensureLitellm } from "../../scripts/setup-litellm.mjs"
import { type OpenWebui, startOpenWebui } from "../support/open-webui"
import { freePort, type Platform, type Tenant } from "../support/platform"
import { readZip } from "../support/zip"
import { loadCompose, type Variables } from "../template/compose-file"
import { type ScimDoor, startScimDoor } from "./scim-door"

export interface TenantStack {
  /** The bundle's .env. */
  env: Variables
  chat: OpenWebui
  scim: ScimDoor
  litellm: { url: string; output(): string }
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 120_000

/** @param upstream base URL of the provider, including /v1 */
export async function startTenantStack(
  platform: Platform,
  tenant: Tenant,
  operatorToken: string,
  upstream: string,
): Promise<TenantStack> {
  const folder = mkdtempSync(path.join(tmpdir(), "tenant-stack-"))
  const env: Variables = { ...(await unpackBundle(platform, tenant, operatorToken, folder)), OPENAI_API_KEY: "sk-upstream" }
  const [litellmPort, chatPort] = [await freePort(), await freePort()]
  const address = (text: string) =>
    text
      .replaceAll("http://litellm:4000", `http://127.0.0.1:${litellmPort}`)
      .replaceAll(`https://${env.TENANT_DOMAIN}`, `http://127.0.0.1:${chatPort}`)
  const services = loadCompose(env).services
  const environmentOf = (name: string) =>
    Object.fromEntries(Object.entries(services[name]?.environment ?? {}).map(([key, value]) => [key, address(value)]))

  const scim = await startScimDoor(`http://127.0.0.1:${chatPort}`)
  await moveStack(platform, tenant, `http://127.0.0.1:${chatPort}`, scim.url)
  const litellm = await startLitellm(folder, litellmPort, environmentOf("litellm"), upstream)
  const stopOthers = async () => {
    await stopProcess(litellm.child)
    await scim.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const insecure = { WEBUI_SESSION_COOKIE_SECURE: "false", WEBUI_AUTH_COOKIE_SECURE: "false" }
    const chat = await startOpenWebui({ port: chatPort, environment: { ...environmentOf("open-webui"), ...insecure } })
    const stop = async () => {
      await chat.stop()
      await stopOthers()
    }
    return { env, chat, scim, litellm, stop }
  } catch (error) {
    await stopOthers()
    throw error
  }
}

/** Downloads it as an operator does; answers the variables of .env. */
async function unpackBundle(platform: Platform, tenant: Tenant, token: string, folder: string): Promise<Record<string, string>> {
  const response = await fetch(`${platform.url}/api/tenants/${tenant.id}/bundle`, {
    method: "POST",
    headers: { Authorization: token, "Content-Type": "application/json" },
    body: "{}",
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.status !== 200) throw new Error(`no bundle: ${Buffer.from(bytes).toString()}`)
  const files = readZip(bytes)
  for (const { name, text } of files) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  const env = files.find((file) => file.name === ".env")?.text ?? ""
  return Object.fromEntries([...env.matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

/** The platform reaches the chat under its host name; here under a port. */
async function moveStack(platform: Platform, tenant: Tenant, chatUrl: string, scimUrl: string): Promise<void> {
  const stacks = platform.superuser.collection("tenant_stacks")
  const row = await stacks.getFirstListItem(`tenant_id = "${tenant.id}"`)
  await stacks.update(row.id, { chat_url: chatUrl, scim_url: scimUrl, oauth_redirect_uri: `${chatUrl}/oauth/oidc/callback` })
}

async function startLitellm(folder: string, port: number, environment: Record<string, string>, upstream: string) {
  const args = ["--config", path.join(folder, "litellm/config.yaml"), "--host", "127.0.0.1", "--port", String(port)]
  const child = spawn(await ensureLitellm(), args, {
    cwd: folder,
    env: {
      ...environment,
      PATH: process.env.PATH,
      HOME: folder,
      PYTHONPATH: path.join(folder, "litellm"),
      CF_SPOOL_PATH: path.join(folder, "spool.db"),
      OPENAI_BASE_URL: upstream,
    },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8")
    })
  }
  const proxy = { url: `http://127.0.0.1:${port}`, output: () => output, child }
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += 250) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`LiteLLM ended while starting:\n${output}`)
    const alive = await fetch(`${proxy.url}/health/liveliness`)
      .then((r) => r.ok)
      .catch(() => false)
    if (alive) return proxy
    await sleep(250)
  }
  await stopProcess(child)
  throw new Error(`LiteLLM did not come up in ${START_TIMEOUT_MS / 1_000} s:\n${output}`)
}

/** LiteLLM finishes its answers and the spool's delivery first. */
async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, "close")
  child.kill("SIGTERM")
  const killer = setTimeout(() => child.kill("SIGKILL"), 15_000)
  await closed
  clearTimeout(killer)
}
