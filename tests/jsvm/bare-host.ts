/** PocketBase with our migrations and the hooks of tests/jsvm/hooks: JavaScript runs inside the host's own VM. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { root, type Server, startServer, stopServer } from "../support/platform"

export interface BareHost {
  url: string
  dataDir: string
  /** Runs the body of a function of (e, args) in the host; its value, or {error} with what it threw. */
  run(code: string, args?: unknown): Promise<unknown>
  post(route: string, body?: unknown): Promise<{ status: number; text: string }>
  stop(): Promise<void>
}

export async function startBareHost(env: Record<string, string> = {}): Promise<BareHost> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "cf-jsvm-"))
  const server: Server = await startServer(dataDir, { hooksDir: path.join(root, "tests/jsvm/hooks"), env })
  const post = async (route: string, body: unknown = {}) => {
    const response = await fetch(server.url + route, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    })
    return { status: response.status, text: await response.text() }
  }
  return {
    url: server.url,
    dataDir,
    post,
    run: async (code, args = null) => {
      const answer = JSON.parse((await post("/eval", { code, args })).text) as { value?: unknown; error?: string }
      return "error" in answer ? { error: answer.error } : answer.value
    },
    stop: async () => {
      await stopServer(server)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
