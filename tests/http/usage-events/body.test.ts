/** The guarantee: what is no batch is refused as a whole, in our error shape, with nothing written, and the server lives. */
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Answer } from "../../support/platform"
import { books, shapeProblems, startTwoTenants, type TwoTenants, usageEvent, verdictOf } from "../two-tenants"

let scene: TwoTenants
let before: unknown
beforeAll(async () => {
  scene = await startTwoTenants()
  await verdictOf(scene.platform, scene.a, usageEvent())
})
afterAll(() => scene?.platform.stop())
beforeEach(() => {
  before = books(scene.platform)
})
afterEach(() => expect(books(scene.platform)).toEqual(before))

const ROUTES = ["/api/usage/events", "/api/usage/litellm"]

function post(body: string | Uint8Array, headers: Record<string, string> = {}, route = "/api/usage/events"): Promise<Answer> {
  return scene.platform.request("POST", route, { token: `Bearer ${scene.a.ingestKey}`, body, headers })
}

function expectRefusal(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code])
  expect(shapeProblems(answer)).toEqual([])
}

const good = () => JSON.stringify(usageEvent())
const inBatch = (event: string) => `{"events":[${event}]}`
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

describe("a body that is refused", () => {
  const cases: [string, () => string, number, string][] = [
    ["empty", () => "", 400, "invalid_json"],
    ["blank", () => " \n ", 400, "invalid_json"],
    ["a number", () => "5", 400, "invalid_body"],
    ["null", () => "null", 400, "invalid_body"],
    ["an array", () => `[${good()}]`, 400, "invalid_body"],
    ["an object without events", () => "{}", 400, "invalid_field"],
    ["events that is an object", () => '{"events":{}}', 400, "invalid_field"],
    ["no events", () => '{"events":[]}', 400, "empty_batch"],
    ["cut off in the middle", () => inBatch(good()).slice(0, -20), 400, "invalid_json"],
    ["two values", () => `${inBatch(good())}${inBatch(good())}`, 400, "invalid_json"],
    ["NaN", () => inBatch(good().replace("1000", "NaN")), 400, "invalid_json"],
    ["Infinity", () => inBatch(good().replace("1000", "Infinity")), 400, "invalid_json"],
    ["1e309", () => inBatch(good().replace("1000", "1e309")), 400, "invalid_json"],
    ["−1e309 in a field that we do not know", () => inBatch(good().replace("{", '{"x":-1e309,')), 400, "invalid_json"],
    [
      "1e309 beside 70 KB of padding",
      () => inBatch(good().replace("{", `{"pad":"${"x".repeat(70_000)}","x":1e309,`)),
      400,
      "invalid_json",
    ],
    ["seq that is a string", () => `{"source":"s","seq":"1","events":[${good()}]}`, 400, "invalid_field"],
    ["seq without a source", () => `{"seq":1,"events":[${good()}]}`, 400, "invalid_field"],
    ["33 levels deep", () => `{"events":[${good()}],"x":${nested(32)}}`, 400, "nesting_too_deep"],
    ["33 levels deep inside an event", () => inBatch(good().replace("{", `{"x":${nested(30)},`)), 400, "nesting_too_deep"],
    ["1,000,000 arrays deep", () => nested(1_000_000), 400, "nesting_too_deep"],
    ["1,000,000 arrays deep and never closed", () => "[".repeat(1_000_000), 400, "nesting_too_deep"],
    ["500,000 objects deep", () => '{"a":'.repeat(500_000), 400, "nesting_too_deep"],
    ["30,000 arrays deep, under the size where SQLite looks first", () => nested(30_000), 400, "nesting_too_deep"],
    ["1,001 events", () => `{"events":[${Array(1_001).fill(good()).join()}]}`, 413, "too_many_events"],
  ]
  it.each(cases)("%s", async (_name, body, status, code) => {
    expectRefusal(await post(body()), status, code)
  })

  it("says near which character the JSON breaks", async () => {
    const text = inBatch(good()).replace('"model":', '"model"')
    const answer = await post(text)
    expectRefusal(answer, 400, "invalid_json")
    const broken = text.indexOf('"model"')
    expect(answer.body.data.position).toBeGreaterThanOrEqual(broken)
    expect(answer.body.data.position).toBeLessThanOrEqual(broken + 12)
    expect(answer.body.message).toContain(String(answer.body.data.position))
  })
})

describe("32 levels are enough for anybody", () => {
  it("and are read", async () => {
    const answer = await post(`{"events":[],"x":${nested(31)}}`)
    expectRefusal(answer, 400, "empty_batch")
  })
})

describe("a deeply nested body to the other routes", () => {
  it.each([
    ["/api/usage/litellm", 1_000_000],
    ["/api/usage/litellm", 30_000],
    ["/api/usage/litellm", 33],
  ])("%s with %d levels", async (route, depth) => {
    expectRefusal(await post(nested(depth), {}, route), 400, "nesting_too_deep")
  })

  it("NDJSON whose second line is 30,000 levels deep", async () => {
    expectRefusal(await post(`{"a":1}\n{"a":${nested(30_000)}}`, {}, "/api/usage/litellm"), 400, "nesting_too_deep")
  })
})

describe("types and encodings", () => {
  it.each(ROUTES)("%s takes nothing but JSON", async (route) => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/xml",
      "application/jsonp",
      "",
    ]) {
      expectRefusal(await post(inBatch(good()), { "Content-Type": type }, route), 415, "unsupported_media_type")
    }
  })

  it.each(ROUTES)("%s takes no compressed body: gzip, deflate, br, and what looks harmless", async (route) => {
    for (const encoding of ["gzip", "GZIP", "deflate", "br", "gzip, identity"]) {
      expectRefusal(await post(gzipSync(inBatch(good())), { "Content-Encoding": encoding }, route), 415, "unsupported_media_type")
    }
  })

  it("a gzip bomb is not unpacked: 10 MB of zeros in 10 KB", async () => {
    expectRefusal(await post(gzipSync(Buffer.alloc(10_000_000)), { "Content-Encoding": "gzip" }), 415, "unsupported_media_type")
  })
})

describe("size", () => {
  const padded = (bytes: number) => `{"pad":"${"x".repeat(bytes)}","events":[]}`
  const MB = 1_048_576
  it.each([
    ["/api/usage/events", 4 * MB + 1],
    ["/api/usage/litellm", 16 * MB + 1],
    ["/api/usage/events", 33 * MB],
    ["/api/usage/litellm", 33 * MB],
  ])("%s refuses %d bytes with 413 in our shape", async (route, bytes) => {
    expectRefusal(await post(padded(bytes), {}, route), 413, "body_too_large")
  })

  it("a body without a length is cut off at the limit just the same", async () => {
    const chunks = (async function* () {
      for (let i = 0; i < 5; i++) yield Buffer.alloc(MB, " ")
      yield Buffer.from(inBatch(good()))
    })()
    const response = await fetch(`${scene.platform.url}/api/usage/events`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${scene.a.ingestKey}` },
      body: chunks,
      duplex: "half",
    } as unknown as RequestInit)
    expectRefusal({ status: response.status, headers: response.headers, body: await response.json() }, 413, "body_too_large")
  })

  it.each([
    "/api/prices/publish",
    "/api/budgets/x/adjust",
    "/api/tenants/x/ingest-keys",
    "/api/ingest-keys/x/rotate",
    "/api/ingest-keys/x/revoke",
  ])("%s takes 256 KB", async (route) => {
    const answer = await scene.platform.asSuperuser("POST", route, padded(256 * 1_024))
    expectRefusal(answer, 413, "body_too_large")
  })
})

it("after all of this the server still books", async () => {
  expect((await verdictOf(scene.platform, scene.a, usageEvent())).verdict).toBe("accepted")
  before = books(scene.platform)
})
