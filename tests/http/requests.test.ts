/** The guarantee: whoever calls a route wrongly is told how, in one shape, with an id under which our log can be searched. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { shapeProblems, startTwoTenants, type TwoTenants, usageEvent } from "./two-tenants"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

const POST_ROUTES = [
  "/api/usage/events",
  "/api/usage/litellm",
  "/api/prices/publish",
  "/api/budgets/x/adjust",
  "/api/tenants/x/ingest-keys",
  "/api/ingest-keys/x/rotate",
  "/api/ingest-keys/x/revoke",
]
const GET_ROUTES = ["/api/usage/cursor", "/api/usage/summary", "/api/budget", "/api/ready"]
const WRONG: [string, string, string][] = [
  ...POST_ROUTES.flatMap((route) =>
    ["GET", "PUT", "PATCH", "DELETE"].map((method): [string, string, string] => [method, route, "POST"]),
  ),
  ...GET_ROUTES.flatMap((route) =>
    ["POST", "PUT", "PATCH", "DELETE"].map((method): [string, string, string] => [method, route, "GET"]),
  ),
]

describe("a wrong verb", () => {
  it.each(WRONG)("%s %s → 405 with Allow: %s", async (method, route, allowed) => {
    const answer = await scene.platform.request(method, route)
    expect([answer.status, answer.body.code, answer.headers.get("allow")]).toEqual([405, "method_not_allowed", allowed])
    expect(shapeProblems(answer)).toEqual([])
  })
})

describe("a call without a login", () => {
  const cases: [string, string, string][] = [
    ["POST", "/api/usage/events", "missing_key"],
    ["POST", "/api/usage/litellm", "missing_key"],
    ["GET", "/api/usage/cursor?source=s", "missing_key"],
    ["GET", "/api/usage/summary", "not_signed_in"],
    ["GET", "/api/budget", "not_signed_in"],
    ["POST", "/api/prices/publish", "not_signed_in"],
    ["POST", "/api/budgets/x/adjust", "not_signed_in"],
    ["POST", "/api/tenants/x/ingest-keys", "not_signed_in"],
    ["POST", "/api/ingest-keys/x/rotate", "not_signed_in"],
    ["POST", "/api/ingest-keys/x/revoke", "not_signed_in"],
  ]
  it.each(cases)("%s %s → 401 %s with WWW-Authenticate", async (method, route, code) => {
    const answer = await scene.platform.request(method, route, method === "POST" ? { body: {} } : {})
    expect([answer.status, answer.body.code]).toEqual([401, code])
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/)
    expect(shapeProblems(answer)).toEqual([])
  })
})

describe("a path that does not exist", () => {
  it.each([
    "/api/usage/nope",
    "/api/usage/",
    "/api/usage/events/",
    "/api/budgets/x/steal",
    "/api/tenants/x",
    "/api/ingest-keys/x",
    "/api/prices/",
  ])("%s below an own route → 404 in our shape", async (path) => {
    const answer = await scene.platform.request("GET", path)
    expect([answer.status, answer.body.code]).toEqual([404, "not_found"])
    expect(shapeProblems(answer)).toEqual([])
  })
})

describe("X-Request-Id", () => {
  const routes: [string, string][] = [
    ["GET", "/api/health"],
    ["GET", "/api/collections/users/records"],
    ["POST", "/api/collections/users/auth-with-password"],
    ["GET", "/api/typo"],
    ["GET", "/no-such-file"],
    ["GET", "/api/ready"],
    ["GET", "/api/usage/events"],
    ["POST", "/api/usage/events"],
    ["OPTIONS", "/api/usage/events"],
    ["POST", "/api/batch"],
  ]
  it.each(routes)("is on the answer of %s %s", async (method, route) => {
    const answer = await scene.platform.request(method, route)
    expect(answer.headers.get("x-request-id")).toMatch(/^\S{8,}$/)
  })

  it("is on a 200 and another one each time", async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => {
        const answer = await scene.platform.ingest(scene.a.ingestKey, { events: [usageEvent()] })
        expect(answer.status).toBe(200)
        return answer.headers.get("x-request-id")
      }),
    )
    expect(new Set(ids).size).toBe(3)
  })

  it.each([
    ["a-harmless-id_1.2", true],
    ["<script>alert(1)</script>", false],
    ["x".repeat(300), false],
    ["short", false],
  ])("sent by the caller as %s: kept %s", async (given, kept) => {
    const answer = await scene.platform.request("GET", "/api/ready", { headers: { "X-Request-Id": given } })
    expect(answer.headers.get("x-request-id") === given).toBe(kept)
  })
})

it("PocketBase's own routes keep PocketBase's error shape", async () => {
  const answer = await scene.platform.request("GET", "/api/collections/ledger_entries/records/none")
  expect(answer.status).toBe(404)
  expect(Object.keys(answer.body).sort()).toEqual(["data", "message", "status"])
})
