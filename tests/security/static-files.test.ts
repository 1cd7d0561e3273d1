/** N19: the static files are those in pb_public; no path, however written, leads out of it or to another host. */
import { request } from "node:http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Platform, startPlatform } from "../support/platform"

let platform: Platform
beforeAll(async () => {
  platform = await startPlatform()
})
afterAll(() => platform?.stop())

/** Sends the path as it stands: fetch and URL would tidy it up first. */
function get(path: string): Promise<{ status: number; location: string; body: string }> {
  const { hostname, port } = new URL(platform.url)
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, path, method: "GET" }, (response) => {
      let body = ""
      response.on("data", (chunk) => (body += chunk))
      response.on("end", () => resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? "", body }))
    })
    outgoing.on("error", reject)
    outgoing.end()
  })
}

describe("paths out of pb_public", () => {
  it.each([
    ...[
      "/x/..%2f..%2fpackage.json",
      "/..%2fpackage.json",
      "/../package.json",
      "/../../etc/passwd",
      "/%2e%2e/package.json",
      "/%2e%2e%2fpackage.json",
    ],
    ...[
      "/..%5cpackage.json",
      "/x/%2e%2e/%2e%2e/package.json",
      "/.env",
      "/.env.example",
      "/.git/config",
      "/pb_data/data.db",
      "/data.db",
    ],
    ...[
      "/pb_hooks/app.js",
      "/pb_hooks/main.pb.js",
      "/pb_migrations/",
      "/..%2fpb_hooks%2fapp.js",
      "/package.json",
      "/%00",
      "/..%00/package.json",
    ],
    ...[
      "/x/..;/package.json",
      "/....//package.json",
      "/%252e%252e/package.json",
      "/demo-credentials.json",
      "/admin/..%2f..%2fpackage.json",
    ],
  ])("%s is not there", async (path) => {
    const answer = await get(path)
    // A redirect may only tidy the path, and what it leads to must not be there either.
    const final = answer.status >= 300 && answer.status < 400 ? await get(answer.location) : answer
    expect(answer.location).not.toMatch(/^(\/\/|\/\\|https?:)/)
    expect([400, 404]).toContain(final.status)
    expect(final.body).not.toMatch(/cloudfreedom-ai-router|SQLite format|root:|require\(/)
  })
})

describe("redirects", () => {
  it.each([
    "//evil.example",
    "//evil.example/",
    "//evil.example/..",
    "//evil.example/%2e%2e",
    "/\\evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
    "///evil.example",
    "/.//evil.example/..",
  ])("%s leads to no other host", async (path) => {
    const answer = await get(path)
    expect(answer.location).not.toMatch(/^(\/\/|\/\\|\\|https?:)/)
    expect([301, 307, 308, 400, 404]).toContain(answer.status)
  })
})

it.each(["/api/typo", "/api/", "/api", "/api/usage/../../typo", "/API/health"])(
  "%s is a 404 and no page of a portal",
  async (path) => {
    const first = await get(path)
    const answer = first.status === 301 || first.status === 307 ? await get(first.location) : first
    expect(answer.status).toBe(404)
    expect(answer.body).not.toContain("<html")
  },
)
