/** docs/api/openapi.yaml is what the server does: same routes, and every documented status is answered as documented. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import { Ajv2020 } from "ajv/dist/2020.js"
import formats from "ajv-formats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { authorizeRequest, type ChatStack, codeOf, createStack, form, redeem, VERIFIER } from "../support/chat-stack"
import { type Answer, type Platform, root, seedPrices, startPlatform, type Tenant } from "../support/platform"

type Json = Record<string, unknown>
type Media = { schema: Json; example?: unknown; examples?: Record<string, { value: unknown }> }
type Described = { $ref?: string; headers?: Record<string, Json>; content?: Record<string, Media> }
type Operation = { requestBody?: Described; responses: Record<string, Described> }

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Json }
}

const spec = parse(readFileSync(path.join(root, "docs/api/openapi.yaml"), "utf8")) as Document
const ajv = new Ajv2020({ strict: false, allErrors: true })
;(formats as unknown as (target: Ajv2020) => void)(ajv)
// Answers are checked without tolerance: a field that the document does not know is a mistake of one of the two.
ajv.addSchema(sealed(spec) as Json, "spec")

/** A copy in which every object that lists its properties allows no others; `data` of an error stays as it is described. */
function sealed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(sealed)
  if (typeof node !== "object" || node === null) return node
  const copy = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, sealed(value)]))
  const open = copy.type !== "object" || copy.properties === undefined || isTokenPart(copy)
  return open ? copy : { ...copy, additionalProperties: false }
}

/** TokenUsd is a part of other schemas (allOf), which add fields of their own. */
function isTokenPart(schema: Json): boolean {
  const part = (spec.components.schemas.TokenUsd as Json).properties as Json
  return JSON.stringify(Object.keys(schema.properties as Json)) === JSON.stringify(Object.keys(part))
}

/** Follows a reference and says where in the document its target is. */
function at<T>(pointer: string): { pointer: string; value: T } {
  let value: unknown = spec
  for (const step of pointer.split("/").slice(1)) value = (value as Json)[step.replaceAll("~1", "/").replaceAll("~0", "~")]
  const { $ref } = value as { $ref?: string }
  return $ref === undefined ? { pointer, value: value as T } : at<T>($ref.slice(1))
}

function problemsOf(schemaPointer: string, value: unknown): unknown[] {
  const validate = ajv.getSchema(`spec#${encodeURI(schemaPointer)}`) ?? ajv.compile({ $ref: `spec#${encodeURI(schemaPointer)}` })
  return validate(value) ? [] : (validate.errors ?? [])
}

const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1")
const pointerOf = (method: string, route: string) => `/paths/${escaped(route)}/${method.toLowerCase()}`

/** "POST /api/usage/events 401" for everything that the document promises. */
const promised = Object.entries(spec.paths).flatMap(([route, item]) =>
  Object.entries(item).flatMap(([method, operation]) =>
    Object.keys(operation.responses).map((status) => `${method.toUpperCase()} ${route} ${status}`),
  ),
)
const seen = new Set<string>()

/** Checks an answer against the operation `POST /api/…`, whatever method was really used. */
function expectDocumented(operation: string, answer: Answer, status: number): void {
  const [method, route] = operation.split(" ") as [string, string]
  expect(answer.status, `${operation}: ${JSON.stringify(answer.body)}`).toBe(status)
  expect(promised).toContain(`${operation} ${status}`)
  const response = at<Described>(`${pointerOf(method, route)}/responses/${status}`)
  const { pointer, value } = response
  const [type] = Object.keys(value.content ?? {})
  expect(answer.headers.get("content-type")).toBe(type === "text/html" ? "text/html; charset=utf-8" : type)
  for (const name of Object.keys(value.headers ?? {})) {
    const header = at<Json>(`${pointer}/headers/${name}`)
    expect(problemsOf(`${header.pointer}/schema`, answer.headers.get(name)), `${operation} ${status} ${name}`).toEqual([])
  }
  expect(
    problemsOf(`${pointer}/content/${escaped(type ?? "")}/schema`, answer.body),
    `${operation} ${status} ${JSON.stringify(answer.body)}`,
  ).toEqual([])
  seen.add(`${operation} ${status}`)
}

const EVENTS = "POST /api/usage/events"
const LITELLM = "POST /api/usage/litellm"
const CURSOR = "GET /api/usage/cursor"
const SUMMARY = "GET /api/usage/summary"
const BUDGET = "GET /api/budget"
const READY = "GET /api/ready"
const PUBLISH = "POST /api/prices/publish"
const ADJUST = "POST /api/budgets/{id}/adjust"
const ISSUE = "POST /api/tenants/{id}/ingest-keys"
const BUNDLE = "POST /api/tenants/{id}/bundle"
const ROTATE = "POST /api/ingest-keys/{id}/rotate"
const REVOKE = "POST /api/ingest-keys/{id}/revoke"
const IDENTIFY = "POST /api/usage/identify"
const MAY_RUN = "POST /api/usage/authorize"
const RELEASE = "POST /api/usage/release"
const GATE = [IDENTIFY, MAY_RUN, RELEASE]
const ISSUE_API = "POST /api/keys"
const ROTATE_API = "POST /api/keys/{id}/rotate"
const REVOKE_API = "POST /api/keys/{id}/revoke"
const UPDATE_API = "POST /api/keys/{id}/update"
const DISCOVERY = "GET /oauth2/{slug}/.well-known/openid-configuration"
const PAGE = "GET /oauth2/{slug}/authorize"
const ENTER = "POST /oauth2/{slug}/authorize"
const TOKEN = "POST /oauth2/{slug}/token"
const USERINFO = "GET /oauth2/{slug}/userinfo"
const API_KEYS = [ISSUE_API, ROTATE_API, REVOKE_API, UPDATE_API]
const WITH_BODY = [EVENTS, LITELLM, ...GATE, PUBLISH, ADJUST, ISSUE, BUNDLE, ROTATE, ISSUE_API, ROTATE_API, UPDATE_API]

let platform: Platform
let tenant: Tenant
let budgetId: string
let memberId: string
let serial = 0
const token = { superuser: "", operator: "", admin: "", member: "", sales: "", key: "", chatter: "" }

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices(seedPrices("gpt-4o", "gpt-4o-mini"))
  tenant = await platform.createTenant()
  const product = await platform.createProduct()
  const member = await platform.createUser({ tenant_id: tenant.id, product_id: product.id })
  const admin = await platform.createUser({ tenant_id: tenant.id, role: "tenant_admin" })
  const sales = await platform.createUser({ role: "sales" })
  const operator = await platform.createUser({ role: "operator" })
  token.superuser = platform.superuser.authStore.token
  token.member = await platform.tokenOf(member)
  token.admin = await platform.tokenOf(admin)
  token.sales = await platform.tokenOf(sales)
  token.operator = await platform.tokenOf(operator)
  token.key = `Bearer ${tenant.ingestKey}`
  memberId = member.id
  budgetId = platform.sql<{ id: string }>("SELECT id FROM budgets WHERE user_id = ?", [member.id])[0]?.id as string
})

afterAll(() => platform.stop())

/** Sends to an operation; {id} is replaced, the credentials are those that suit the operation unless given. */
function send(
  operation: string,
  options: { as?: string; body?: unknown; id?: string; query?: string; headers?: Record<string, string>; method?: string } = {},
) {
  const [method, route] = operation.split(" ") as [string, string]
  const byKey = [EVENTS, LITELLM, CURSOR, ...GATE].includes(operation)
  const credentials = options.as ?? (byKey ? token.key : operation === BUDGET ? token.member : token.operator)
  const body = options.body ?? (options.method === undefined && WITH_BODY.includes(operation) ? {} : undefined)
  return platform.request(options.method ?? method, route.replace("{id}", options.id ?? "none") + (options.query ?? ""), {
    ...(credentials === "" ? {} : { token: credentials }),
    ...(body === undefined ? {} : { body }),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
  })
}

function event(fields: Json = {}): Json {
  const base = { event_id: `e${++serial}`, model: "gpt-4o", provider: "openai", tokens_input: 1000, tokens_output: 50 }
  return { ...base, status: "success", timestamp: new Date().toISOString(), ...fields }
}

function payload(fields: Json = {}): Json {
  const base = { id: `c${++serial}`, status: "success", call_type: "acompletion", model: "gpt-4o", custom_llm_provider: "openai" }
  return {
    ...base,
    prompt_tokens: 10,
    completion_tokens: 5,
    startTime: Date.now() / 1000,
    endTime: Date.now() / 1000 + 1,
    metadata: {},
    ...fields,
  }
}

async function issueKey(route = "any"): Promise<{ id: string; key: string }> {
  const answer = await send(ISSUE, { id: tenant.id, body: { name: "test", route } })
  expectDocumented(ISSUE, answer, 200)
  return answer.body
}

/** A key of the member, made by the member unless told otherwise. */
async function issueApiKey(terms: Json = {}, as = token.member): Promise<{ id: string; budget_id: string | null }> {
  const answer = await send(ISSUE_API, { as, body: { name: "test", ...terms } })
  expectDocumented(ISSUE_API, answer, 200)
  return answer.body
}

const price = {
  model: "doc-model",
  provider: "openai",
  kind: "chat",
  usd: { input: "1", output: "2", long_context: [{ above_tokens: 128_000, input: "2" }] },
}
const large = (bytes: number) => JSON.stringify({ filler: "x".repeat(bytes) })

describe("the document", () => {
  it("lists exactly the routes that main.pb.ts registers", () => {
    const source = readFileSync(path.join(root, "hooks-src/entry/main.pb.ts"), "utf8")
    const registered = [...source.matchAll(/routerAdd\(\s*"([A-Z]+)",\s*"([^"]+)"/g)].map(
      ([, method, route]) => `${method} ${route}`,
    )
    const documented = Object.entries(spec.paths).flatMap(([route, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${route}`),
    )
    expect(documented.sort()).toEqual(registered.sort())
  })

  it("lists exactly the error codes of the contract", async () => {
    const { ERROR_STATUS } = await import("../../hooks-src/contract/error-codes")
    const { properties } = spec.components.schemas.Problem as { properties: { code: { enum: string[] } } }
    expect([...properties.code.enum].sort()).toEqual(Object.keys(ERROR_STATUS).sort())
  })

  it("has no text that a comma has torn into keys", () => {
    const torn: string[] = []
    const check = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return
      for (const [name, child] of Object.entries(node)) {
        if (name.includes(" ")) torn.push(name)
        check(child)
      }
    }
    check(spec)
    expect(torn).toEqual([])
  })

  it("has examples that satisfy its schemas", () => {
    const wrong: unknown[] = []
    const check = (pointer: string, node: unknown): void => {
      if (typeof node !== "object" || node === null) return
      const media = node as Media
      const examples =
        media.schema === undefined ? [] : [media.example, ...Object.values(media.examples ?? {}).map((e) => e.value)]
      for (const example of examples) {
        const problems = example === undefined ? [] : problemsOf(`${pointer}/schema`, example)
        if (problems.length > 0) wrong.push({ pointer, problems })
      }
      for (const [name, child] of Object.entries(node))
        if (name !== "schema" && name !== "example") check(`${pointer}/${escaped(name)}`, child)
    }
    check("/paths", spec.paths)
    check("/components/responses", (spec.components as unknown as Json).responses)
    expect(wrong).toEqual([])
  })
})

describe("what goes well", () => {
  it("usage: every verdict", async () => {
    const first = event()
    const events = [
      first,
      first,
      { ...first, tokens_input: 2 },
      event({ model: "unheard-of" }),
      event({ user_id: "ghost" }),
      event({ tenant_id: "other" }),
      5,
    ]
    const answer = await send(EVENTS, { body: { source: "s", epoch: "e", seq: 2, events } })
    expectDocumented(EVENTS, answer, 200)
    expect(answer.body.results.map((result: { verdict: string }) => result.verdict)).toEqual([
      "accepted",
      "duplicate",
      "conflict",
      "quarantined",
      "accepted",
      "rejected",
      "rejected",
    ])
    expect(answer.body.gaps).toEqual([[1, 1]])
    expectDocumented(EVENTS, await send(EVENTS, { body: { events: [event()] } }), 200)
  })

  it("LiteLLM's payloads as array, object and NDJSON", async () => {
    expectDocumented(LITELLM, await send(LITELLM, { body: [payload(), {}, 5] }), 200)
    expectDocumented(LITELLM, await send(LITELLM, { body: payload() }), 200)
    const ndjson = `${JSON.stringify(payload())}\n${JSON.stringify(payload())}\n`
    expectDocumented(LITELLM, await send(LITELLM, { body: ndjson, headers: { "Content-Type": "application/x-ndjson" } }), 200)
  })

  it("the cursor of a known and of an unknown source", async () => {
    expectDocumented(CURSOR, await send(CURSOR, { query: "?source=s&epoch=e&last_seq=2&spool_age=0" }), 200)
    expectDocumented(CURSOR, await send(CURSOR, { query: "?source=nobody" }), 200)
  })

  it("budgets and summaries for each role that may see them", async () => {
    for (const as of [token.member, token.admin]) {
      expectDocumented(BUDGET, await send(BUDGET, { as }), 200)
      for (const group of ["day", "model", "user"])
        expectDocumented(SUMMARY, await send(SUMMARY, { as, query: `?group=${group}` }), 200)
    }
    for (const as of [token.operator, token.superuser]) {
      expectDocumented(SUMMARY, await send(SUMMARY, { as, query: `?tenant_id=${tenant.id}&from=2026-01-01T00:00:00Z` }), 200)
    }
  })

  it("readiness, prices, an adjustment, and the life of a key", async () => {
    expectDocumented(READY, await send(READY, { as: "" }), 200)
    expectDocumented(PUBLISH, await send(PUBLISH, { body: { entries: [price], dry_run: true } }), 200)
    expectDocumented(PUBLISH, await send(PUBLISH, { body: { entries: [price] } }), 200)
    expectDocumented(
      ADJUST,
      await send(ADJUST, { as: token.admin, id: budgetId, body: { amount: "1.5", reason: "a test", expires: "never" } }),
      200,
    )
    const { id } = await issueKey("events")
    const rotated = await send(ROTATE, { id, body: { overlap_hours: 1 } })
    expectDocumented(ROTATE, rotated, 200)
    expect(rotated.body.old_key_expires_at).toBeDefined()
    expectDocumented(REVOKE, await send(REVOKE, { id }), 200)
  })
})

describe("the gate", () => {
  const question = (fields: Json = {}) => ({
    call_id: `c${++serial}`,
    user_id: memberId,
    model: "gpt-4o",
    tokens_input_estimate: 10,
    ...fields,
  })

  it("answers who is calling, by a key and by an address", async () => {
    const body = { name: "gate", models: ["gpt-4o"], max_parallel: 2 }
    const { key } = (await send(ISSUE_API, { as: token.member, body })).body
    const known = await send(IDENTIFY, { body: { api_key_hash: createHash("sha256").update(key).digest("hex") } })
    expectDocumented(IDENTIFY, known, 200)
    expect(known.body).toMatchObject({ known: true, max_parallel: 2 })
    const { email } = (await platform.superuser.collection("users").getOne(memberId)) as unknown as { email: string }
    expectDocumented(IDENTIFY, await send(IDENTIFY, { body: { user: { email } } }), 200)
    expectDocumented(IDENTIFY, await send(IDENTIFY, { body: { user: { id: "nobody" } } }), 200)
    expectDocumented(IDENTIFY, await send(IDENTIFY, { body: {} }), 400)
  })

  it("allows, clamps, refuses for every kind of reason, and takes back", async () => {
    const call = question()
    const allowed = await send(MAY_RUN, { body: call })
    expectDocumented(MAY_RUN, allowed, 200)
    for (const fields of [
      { max_tokens: 900_000_000 },
      {},
      { model: "unheard-of" },
      { user_id: "nobody" },
      { api_key_id: "nobody" },
    ]) {
      expectDocumented(MAY_RUN, await send(MAY_RUN, { body: question(fields) }), 200)
    }
    expectDocumented(MAY_RUN, await send(MAY_RUN, { body: question({ max_tokens: -1 }) }), 400)
    expectDocumented(MAY_RUN, await send(MAY_RUN, { body: { ...call, model: "gpt-4o-mini" } }), 409)
    for (const released of [true, false]) {
      const answer = await send(RELEASE, { body: { hold_id: allowed.body.hold_id } })
      expectDocumented(RELEASE, answer, 200)
      expect(answer.body).toEqual({ released })
    }
    expectDocumented(RELEASE, await send(RELEASE, { body: {} }), 400)
    expectDocumented(MAY_RUN, await send(MAY_RUN, { body: call }), 409)
    const narrow = await platform.createProduct({ rate_limit: 1 })
    const hasty = (await platform.createUser({ tenant_id: tenant.id, product_id: narrow.id })).id
    for (const code of [undefined, "rate_limited"]) {
      const answer = await send(MAY_RUN, { body: question({ user_id: hasty }) })
      expectDocumented(MAY_RUN, answer, 200)
      expect(answer.body.code).toBe(code)
    }
  })

  it("knows the codes of the contract", async () => {
    const source = readFileSync(path.join(root, "hooks-src/contract/authorize.ts"), "utf8")
    const codes = /RefusalCode =([\s\S]*?)\n\n/
      .exec(source)?.[1]
      ?.match(/"(\w+)"/g)
      ?.map((code) => code.slice(1, -1))
    expect((spec.components.schemas.RefusalCode as { enum: string[] }).enum.toSorted()).toEqual(codes?.toSorted())
  })
})

describe("a tenant's stack", () => {
  it("as an archive, and to nobody but an operator", async () => {
    const answer = await send(BUNDLE, { id: tenant.id, body: { rotate: ["SCIM_TOKEN"] } })
    expect(answer.status).toBe(200)
    const { value } = at<Described>(`${pointerOf("POST", "/api/tenants/{id}/bundle")}/responses/200`)
    expect(Object.keys(value.content ?? {})).toEqual([answer.headers.get("content-type")])
    for (const name of Object.keys(value.headers ?? {})) {
      const header = at<Json>(`${pointerOf("POST", "/api/tenants/{id}/bundle")}/responses/200/headers/${name}`)
      expect(problemsOf(`${header.pointer}/schema`, answer.headers.get(name)), name).toEqual([])
    }
    seen.add(`${BUNDLE} 200`)
    for (const as of [token.admin, token.member, token.sales])
      expectDocumented(BUNDLE, await send(BUNDLE, { as, id: tenant.id }), 403)
    for (const as of ["", "garbage", token.key]) expectDocumented(BUNDLE, await send(BUNDLE, { as, id: tenant.id }), 401)
  })

  it("that cannot be", async () => {
    expectDocumented(BUNDLE, await send(BUNDLE, { id: tenant.id, body: { rotate: ["WEBUI_SECRET_KEY"] } }), 400)
    expectDocumented(BUNDLE, await send(BUNDLE), 404)
    const deleted = await platform.createTenant({ status: "deleted" })
    expectDocumented(BUNDLE, await send(BUNDLE, { id: deleted.id }), 409)
    expectDocumented(BUNDLE, await send(BUNDLE, { id: tenant.id, body: large(263_000) }), 413)
    writeSql("ALTER TABLE tenant_stacks RENAME TO tenant_stacks_gone")
    expectDocumented(BUNDLE, await send(BUNDLE, { id: tenant.id }), 503)
    writeSql("ALTER TABLE tenant_stacks_gone RENAME TO tenant_stacks")
  })
})

describe("the sign-in of a chat", () => {
  let stack: ChatStack
  beforeAll(async () => {
    const customer = await platform.createTenant()
    stack = await createStack(platform, customer)
    token.chatter = await platform.tokenOf(await platform.createUser({ tenant_id: customer.id }))
  })
  const to = (operation: string, slug = stack.slug) => operation.replace("{slug}", slug).split(" ") as [string, string]
  const ask = (operation: string, options: Parameters<Platform["request"]>[2] = {}, slug?: string, query = "") => {
    const [method, route] = to(operation, slug)
    return platform.request(method, route + query, options)
  }
  const page = (changes = {}) => `?${new URLSearchParams(authorizeRequest(stack, changes))}`
  const FORM = { "Content-Type": "application/x-www-form-urlencoded" }

  it("is described as it is discovered", async () => {
    expectDocumented(DISCOVERY, await ask(DISCOVERY), 200)
    expectDocumented(DISCOVERY, await ask(DISCOVERY, {}, "nobody"), 404)
  })

  it("begins with a page, also where it cannot go on", async () => {
    const suspended = await platform.createTenant({ status: "suspended" })
    const other = await createStack(platform, suspended)
    for (const [status, answer] of [
      [200, await ask(PAGE, {}, stack.slug, page())],
      [400, await ask(PAGE, {}, stack.slug, page({ state: "" }))],
      [403, await ask(PAGE, {}, other.slug)],
      [404, await ask(PAGE, {}, "nobody")],
    ] as const) {
      expectDocumented(PAGE, answer, status)
    }
  })

  it("goes on with a code", async () => {
    const body = authorizeRequest(stack)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body }), 200)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body: {} }), 400)
    expectDocumented(ENTER, await ask(ENTER, { body }), 401)
    expectDocumented(ENTER, await ask(ENTER, { token: token.member, body }), 403)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body }, "nobody"), 404)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body: large(20_000) }), 413)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body: "a=b", headers: FORM }), 415)
  })

  it("ends with a token that names the person, and breaks in OAuth's own words", async () => {
    const bought = await redeem(platform, stack, await codeOf(platform, stack, token.chatter))
    expectDocumented(TOKEN, bought, 200)
    expectDocumented(TOKEN, await redeem(platform, stack, "no such code"), 400)
    expectDocumented(TOKEN, await redeem(platform, stack, "x", { client_secret: "wrong" }), 401)
    expectDocumented(TOKEN, await ask(TOKEN, { body: form({ a: "x".repeat(20_000) }), headers: FORM }), 413)
    const as = (value: string) => ask(USERINFO, { headers: { Authorization: `Bearer ${value}` } })
    expectDocumented(USERINFO, await as(bought.body.access_token), 200)
    expectDocumented(USERINFO, await as(VERIFIER), 401)
    const tenants = platform.superuser.collection("tenants")
    const { id } = await tenants.getFirstListItem(`slug = "${stack.slug}"`)
    await tenants.update(id, { status: "suspended" })
    expectDocumented(USERINFO, await as(bought.body.access_token), 403)
    await tenants.update(id, { status: "active" })

    writeSql("ALTER TABLE tenant_stacks RENAME TO tenant_stacks_gone")
    for (const operation of [DISCOVERY, PAGE]) expectDocumented(operation, await ask(operation), 503)
    expectDocumented(ENTER, await ask(ENTER, { token: token.chatter, body: {} }), 503)
    expectDocumented(TOKEN, await redeem(platform, stack, "x"), 503)
    expectDocumented(USERINFO, await as(VERIFIER), 503)
    writeSql("ALTER TABLE tenant_stacks_gone RENAME TO tenant_stacks")
  })
})

describe("an API key", () => {
  it("from its first secret to its end", async () => {
    await issueApiKey()
    const terms = { models: ["gpt-4o"], limit: "10", expires_at: "2028-01-01T00:00:00Z", max_parallel: 2 }
    const { id } = await issueApiKey(terms, token.member)
    const changed = await send(UPDATE_API, { as: token.admin, id, body: { limit: "12.5", expires_at: null } })
    expectDocumented(UPDATE_API, changed, 200)
    const rotated = await send(ROTATE_API, { as: token.member, id, body: {} })
    expectDocumented(ROTATE_API, rotated, 200)
    expect(rotated.body.old_key_expires_at).toBeDefined()
    expectDocumented(REVOKE_API, await send(REVOKE_API, { id }), 200)
  })

  it("that cannot be used for what is asked", async () => {
    const { id } = await issueApiKey({ limit: "1" })
    for (const limit of ["0", "-1", 5]) {
      expectDocumented(ISSUE_API, await send(ISSUE_API, { as: token.member, body: { name: "x", limit } }), 400)
      expectDocumented(UPDATE_API, await send(UPDATE_API, { id, body: { limit } }), 400)
    }
    expectDocumented(ISSUE_API, await send(ISSUE_API, { body: { name: "no owner" } }), 400)
    expectDocumented(ROTATE_API, await send(ROTATE_API, { id, body: { overlap_hours: 721 } }), 400)
    expectDocumented(UPDATE_API, await send(UPDATE_API, { id, body: { limit: null } }), 409)
    await send(REVOKE_API, { id })
    expectDocumented(ROTATE_API, await send(ROTATE_API, { id }), 409)
    expectDocumented(UPDATE_API, await send(UPDATE_API, { id, body: { name: "x" } }), 409)
  })

  it("of somebody else, of nobody, of a tenant that is not active", async () => {
    const { id } = await issueApiKey()
    for (const operation of API_KEYS) {
      const body = operation === ISSUE_API || operation === UPDATE_API ? { name: "x", user_id: "nobody" } : {}
      expectDocumented(operation, await send(operation, { body }), 404)
      expectDocumented(operation, await send(operation, { as: token.sales, id, body }), 403)
      for (const as of ["", "garbage", token.key]) expectDocumented(operation, await send(operation, { as, id, body }), 401)
    }
    await platform.superuser.collection("tenants").update(tenant.id, { status: "suspended" })
    expectDocumented(ISSUE_API, await send(ISSUE_API, { as: token.member, body: { name: "x" } }), 403)
    expectDocumented(ROTATE_API, await send(ROTATE_API, { id }), 403)
    await platform.superuser.collection("tenants").update(tenant.id, { status: "active" })
  })

  it("one too many", async () => {
    const owner = await platform.createUser({ tenant_id: tenant.id })
    const as = await platform.tokenOf(owner)
    for (let i = 0; i < 50; i++) await issueApiKey({}, as)
    expectDocumented(ISSUE_API, await send(ISSUE_API, { as, body: { name: "x" } }), 409)
  })

  it("in a body that is too large, and while the database fails", async () => {
    for (const operation of API_KEYS) expectDocumented(operation, await send(operation, { body: large(263_000) }), 413)
    writeSql("ALTER TABLE api_keys RENAME TO api_keys_gone")
    for (const operation of API_KEYS) {
      expectDocumented(operation, await send(operation, { as: token.member, body: { name: "x" } }), 503)
    }
    writeSql("ALTER TABLE api_keys_gone RENAME TO api_keys")
  })
})

describe("what goes wrong", () => {
  it("400: a body or a parameter that cannot be used", async () => {
    for (const operation of WITH_BODY) {
      for (const body of ["{", "NaN", "5", `${"[".repeat(40)}${"]".repeat(40)}`]) {
        expectDocumented(operation, await send(operation, { body }), 400)
      }
    }
    expectDocumented(EVENTS, await send(EVENTS, { body: { events: [] } }), 400)
    expectDocumented(EVENTS, await send(EVENTS, { body: { events: [event()], seq: 1 } }), 400)
    expectDocumented(LITELLM, await send(LITELLM, { body: [] }), 400)
    expectDocumented(PUBLISH, await send(PUBLISH, { body: { entries: [price, price] } }), 400)
    expectDocumented(ADJUST, await send(ADJUST, { id: budgetId, body: { amount: 1, reason: "a test" } }), 400)
    expectDocumented(ISSUE, await send(ISSUE, { id: tenant.id, body: { name: "" } }), 400)
    expectDocumented(CURSOR, await send(CURSOR), 400)
    expectDocumented(SUMMARY, await send(SUMMARY), 400)
    expectDocumented(SUMMARY, await send(SUMMARY, { as: token.member, query: "?group=year" }), 400)
  })

  it("401: no credentials, wrong ones, or credentials of the other kind", async () => {
    const revoked = await issueKey()
    await send(REVOKE, { id: revoked.id })
    const expired = await issueKey()
    await send(ROTATE, { id: expired.id, body: { overlap_hours: 0 } })
    for (const operation of [EVENTS, LITELLM, CURSOR, ...GATE]) {
      for (const as of ["", token.member, "Bearer", "Bearer cfi_x", `Bearer ${revoked.key}`, `Bearer ${expired.key}`]) {
        expectDocumented(operation, await send(operation, { as }), 401)
      }
    }
    for (const operation of [SUMMARY, BUDGET, PUBLISH, ADJUST, ISSUE, ROTATE, REVOKE]) {
      for (const as of ["", "garbage", token.key]) expectDocumented(operation, await send(operation, { as }), 401)
    }
  })

  it("403: the wrong role, the wrong tenant, the wrong route", async () => {
    const forEvents = await issueKey("events")
    const forLitellm = await issueKey("litellm")
    expectDocumented(LITELLM, await send(LITELLM, { as: `Bearer ${forEvents.key}` }), 403)
    expectDocumented(EVENTS, await send(EVENTS, { as: `Bearer ${forLitellm.key}` }), 403)
    expectDocumented(EVENTS, await send(EVENTS, { body: { tenant_id: "other", events: [event()] } }), 403)
    expectDocumented(SUMMARY, await send(SUMMARY, { as: token.sales }), 403)
    expectDocumented(SUMMARY, await send(SUMMARY, { as: token.member, query: "?tenant_id=other" }), 403)
    expectDocumented(BUDGET, await send(BUDGET, { as: token.operator }), 403)
    for (const operation of [PUBLISH, ISSUE, ROTATE, REVOKE])
      expectDocumented(operation, await send(operation, { as: token.admin }), 403)
    const money = platform.sql<{ id: string }>("SELECT id FROM budgets WHERE tenant_id = ? AND scope = 'tenant'", [tenant.id])[0]
    expectDocumented(
      ADJUST,
      await send(ADJUST, { as: token.admin, id: money?.id as string, body: { amount: "1", reason: "a test" } }),
      403,
    )
  })

  it("404: a record that is not there, or is none of the caller's business", async () => {
    expectDocumented(ADJUST, await send(ADJUST, { body: { amount: "1", reason: "a test" } }), 404)
    expectDocumented(ADJUST, await send(ADJUST, { as: token.member, id: budgetId, body: { amount: "1", reason: "a test" } }), 404)
    expectDocumented(ISSUE, await send(ISSUE, { body: { name: "test" } }), 404)
    expectDocumented(ROTATE, await send(ROTATE), 404)
    expectDocumented(REVOKE, await send(REVOKE), 404)
  })

  it("405: every other method on every path", async () => {
    for (const [route, item] of Object.entries(spec.paths)) {
      const allowed = Object.keys(item).map((method) => method.toUpperCase())
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        if (!allowed.includes(method))
          expectDocumented(`${allowed[0]} ${route}`, await send(`${allowed[0]} ${route}`, { method }), 405)
      }
    }
  })

  it("409: a key used twice, a revoked key, a price without a rate", async () => {
    const adjust = (amount: string) => send(ADJUST, { id: budgetId, body: { amount, reason: "a test", idempotency_key: "once" } })
    expectDocumented(ADJUST, await adjust("1"), 200)
    expectDocumented(ADJUST, await adjust("1"), 200)
    expectDocumented(ADJUST, await adjust("2"), 409)
    const { id } = await issueKey()
    await send(REVOKE, { id })
    expectDocumented(ROTATE, await send(ROTATE, { id }), 409)
    writeSql("UPDATE platform_settings SET name = 'other' WHERE name = 'pricing'")
    expectDocumented(PUBLISH, await send(PUBLISH, { body: { entries: [price] } }), 409)
    writeSql("UPDATE platform_settings SET name = 'pricing' WHERE name = 'other'")
  })

  it("413: more than the route takes", async () => {
    expectDocumented(EVENTS, await send(EVENTS, { body: { events: Array(1001).fill(1) } }), 413)
    expectDocumented(LITELLM, await send(LITELLM, { body: Array(1001).fill(1) }), 413)
    expectDocumented(EVENTS, await send(EVENTS, { body: large(4_200_000) }), 413)
    expectDocumented(LITELLM, await send(LITELLM, { body: large(16_800_000) }), 413)
    for (const operation of [PUBLISH, ADJUST, ISSUE, ROTATE, REVOKE, ...GATE])
      expectDocumented(operation, await send(operation, { body: large(263_000) }), 413)
  })

  it("415: another content type, or a compressed body", async () => {
    for (const operation of WITH_BODY) {
      expectDocumented(operation, await send(operation, { headers: { "Content-Type": "text/plain" } }), 415)
      expectDocumented(operation, await send(operation, { headers: { "Content-Encoding": "gzip" } }), 415)
    }
  })

  it("503: a database that fails, and nothing that a sender could take for its own mistake", async () => {
    const { id } = await issueKey()
    const tables = ["ingest_keys", "budgets", "usage_logs", "model_prices", "platform_settings", "tenants"]
    for (const table of tables) writeSql(`ALTER TABLE ${table} RENAME TO ${table}_gone`)
    for (const operation of [...GATE, EVENTS, LITELLM, CURSOR, SUMMARY, BUDGET, READY, PUBLISH, ADJUST, ISSUE, ROTATE, REVOKE]) {
      const body = { [PUBLISH]: { entries: [price] }, [ADJUST]: { amount: "1", reason: "a test" }, [ISSUE]: { name: "test" } }[
        operation
      ]
      const answer = await send(operation, {
        id,
        ...(body === undefined ? {} : { body }),
        ...(operation === SUMMARY ? { as: token.member } : {}),
      })
      expectDocumented(operation, answer, 503)
    }
    for (const table of tables) writeSql(`ALTER TABLE ${table}_gone RENAME TO ${table}`)
  })

  it("leaves no promised status untried", () => {
    expect(promised.filter((line) => !seen.has(line))).toEqual([])
  })
})

/** Breaks or mends the database behind the server's back. */
function writeSql(statement: string): void {
  const script =
    'import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20)\nc.execute("PRAGMA legacy_alter_table=ON")\nc.execute(sys.argv[2])\nc.commit()'
  execFileSync("python3", ["-c", script, path.join(platform.dataDir, "data.db"), statement])
}
