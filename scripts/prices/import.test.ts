import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const CLI = fileURLToPath(new URL("../prices.mjs", import.meta.url))

type Body = {
  entries: Array<{ model: string; provider: string }>
  dry_run: boolean
  source: string
  effective_from?: string
}
type Seen = { path: string; authorization: string | undefined; bytes: number; body: Body }

let folder: string
let server: Server
let url: string
let seen: Seen[]
/** What the publish route answers; a test may replace it. */
let answer: (body: Body, nth: number) => { status: number; body: unknown }

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "prices-"))
  seen = []
  answer = (body) => ({
    status: 200,
    body: {
      dry_run: body.dry_run,
      changes: body.entries.map((entry) => ({
        model: entry.model,
        provider: entry.provider,
        status: "new",
        before: null,
        after: { input: 1_000_000_000 },
      })),
      published: body.dry_run ? 0 : body.entries.length,
      repriced: body.dry_run ? 0 : 2,
    },
  })
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const body = JSON.parse(text)
    seen.push({ path: request.url ?? "", authorization: request.headers.authorization, bytes: text.length, body })
    const isLogin = request.url === "/api/collections/_superusers/auth-with-password"
    const right = body.identity === "root@example.com" && body.password === "correct"
    const login = right
      ? { status: 200, body: { token: "T" } }
      : { status: 400, body: { status: 400, message: "Failed to authenticate." } }
    const result = isLogin ? login : answer(body, publishes().length)
    response.writeHead(result.status, { "Content-Type": "application/json" }).end(JSON.stringify(result.body))
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  rmSync(folder, { recursive: true })
})

const publishes = () => seen.filter((one) => one.path === "/api/prices/publish")

function file(name: string, content: unknown) {
  writeFileSync(join(folder, name), JSON.stringify(content))
  return join(folder, name)
}

const mapOf = (count: number, provider = "p") =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `m${String(i).padStart(3, "0")}`,
      { litellm_provider: provider, mode: "chat", input_cost_per_token: 1e-6 },
    ]),
  )

function run(
  args: string[],
  env: Record<string, string> = { POCKETBASE_ADMIN_EMAIL: "root@example.com", POCKETBASE_ADMIN_PASSWORD: "correct" },
) {
  return new Promise<{ code: number; out: string; err: string }>((done) => {
    const child = execFile(
      process.execPath,
      [CLI, ...args],
      { env: { PATH: process.env.PATH ?? "", ...env } },
      (_error, out, err) => done({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

describe("import", () => {
  it("without --apply only asks: every request is a dry run, with the token", async () => {
    const { code, out } = await run(["import", file("map.json", mapOf(3)), "--url", `${url}/`])
    expect(code).toBe(0)
    expect(publishes().map((one) => [one.body.dry_run, one.authorization, one.body.entries.length])).toEqual([[true, "T", 3]])
    expect(out).toContain("3 new, 0 changed, 0 unchanged, 0 skipped")
    expect(out).toContain("Nothing was published.")
  })

  it("with --apply asks for everything first, then publishes the same chunks of at most 100 under 256 KB", async () => {
    const { code, out } = await run([
      "import",
      file("map.json", mapOf(250)),
      "--url",
      url,
      "--apply",
      "--effective-from",
      "2026-12-01T00:00:00+01:00",
    ])
    expect(code).toBe(0)
    expect(publishes().map((one) => [one.body.dry_run, one.body.entries.length])).toEqual([
      [true, 100],
      [true, 100],
      [true, 50],
      [false, 100],
      [false, 100],
      [false, 50],
    ])
    expect(publishes().every((one) => one.body.effective_from === "2026-11-30T23:00:00.000Z" && one.bytes < 256 * 1024)).toBe(
      true,
    )
    expect(out).toContain("Published 250 prices; re-priced 6 quarantined usage rows.")
  })

  it("sends the seed in one request's size limit, by its own source", async () => {
    const { code } = await run(["import", fileURLToPath(new URL("./seed.json", import.meta.url)), "--url", url])
    expect(code).toBe(0)
    expect(publishes()[0]?.body.source).toMatch(/^LiteLLM published cost map, litellm .* \(\d{4}-\d{2}-\d{2}\)$/)
    expect(publishes()[0]?.body).not.toHaveProperty("effective_from")
  })

  it("filters by model and provider, for a map as for a seed", async () => {
    const entries = [
      { model: "a-1", provider: "p", kind: "chat", usd: { input: "1" } },
      { model: "a-2", provider: "q", kind: "chat", usd: { input: "1" } },
      { model: "b-1", provider: "p", kind: "chat", usd: { input: "1" } },
    ]
    const map = Object.fromEntries(
      entries.map(({ model, provider }) => [model, { litellm_provider: provider, input_cost_per_token: 1e-6 }]),
    )
    for (const source of [file("seed.json", { entries }), file("map.json", map)]) {
      await run(["import", source, "--url", url, "--only", "a-*,c", "--provider", "p,r"])
    }
    expect(publishes().map((one) => one.body.entries.map((entry) => entry.model))).toEqual([["a-1"], ["a-1"]])
  })

  it("names what was skipped", async () => {
    const map = { ...mapOf(1), free: { litellm_provider: "p", input_cost_per_token: 0 } }
    const { out } = await run(["import", file("map.json", map), "--url", url])
    expect(out).toContain("1 skipped")
    expect(out).toContain("skipped free: zero_price")
  })

  it.each(["demo-credentials.json", ""])("signs in with the credentials file or its folder (%j)", async (name) => {
    file("demo-credentials.json", { superuser: { email: "root@example.com", password: "correct" } })
    const { code } = await run(["import", file("map.json", mapOf(1)), "--url", url, "--credentials", join(folder, name)], {})
    expect(code).toBe(0)
  })
})

describe("import fails with exit code 1, a reason and no stack", () => {
  it("prints code, message and request of the route's answer, and how far it came", async () => {
    answer = (body, nth) =>
      nth < 4
        ? { status: 200, body: { changes: [], published: body.dry_run ? 0 : 100, repriced: 0 } }
        : {
            status: 409,
            body: { code: "price_conflict", message: "m100 already has a price", data: {}, requestId: "R7" },
          }
    const { code, err } = await run(["import", file("map.json", mapOf(150)), "--url", url, "--apply"])
    expect(code).toBe(1)
    expect(err).toBe(
      "price_conflict: m100 already has a price (request R7) [entries 101 to 150; before that: 100 published, 0 re-priced]\n",
    )
  })

  it("publishes nothing when the dry run is refused", async () => {
    answer = () => ({ status: 403, body: { code: "forbidden", message: "operators only", requestId: "R1" } })
    const { code, err } = await run(["import", file("map.json", mapOf(1)), "--url", url, "--apply"])
    expect(code).toBe(1)
    expect(err).toContain("forbidden: operators only")
    expect(publishes().map((one) => one.body.dry_run)).toEqual([true])
  })

  it.each([
    [
      "a wrong password",
      ["import", "MAP", "--url", "URL"],
      { POCKETBASE_ADMIN_EMAIL: "root@example.com", POCKETBASE_ADMIN_PASSWORD: "wrong" },
      "400: Failed to authenticate.",
    ],
    ["no login", ["import", "MAP", "--url", "URL"], {}, "no login"],
    ["no server", ["import", "MAP", "--url", "http://127.0.0.1:1"], undefined, "cannot reach"],
    ["no file", ["import", "absent.json", "--url", "URL"], undefined, "cannot read absent.json: ENOENT"],
    ["nothing that matches", ["import", "MAP", "--url", "URL", "--only", "zzz"], undefined, "no entry to import"],
    ["a bad date", ["import", "MAP", "--url", "URL", "--effective-from", "soon"], undefined, "--effective-from is not a date"],
    ["an unknown option", ["import", "MAP", "--aply"], undefined, "Usage:"],
    ["an unknown verb", ["exprot", "MAP"], undefined, "Usage:"],
  ])("%s", async (_title, args, env, message) => {
    const map = file("map.json", mapOf(1))
    const { code, err } = await run(
      args.map((arg) => arg.replace("MAP", map).replace("URL", url)),
      env as Record<string, string> | undefined,
    )
    expect(code).toBe(1)
    expect(err).toContain(message)
    expect(err).not.toMatch(/^\s+at /m)
    expect(publishes()).toEqual([])
  })
})
