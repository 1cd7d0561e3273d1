/** The guarantee: an operator, and nobody else, gets a stack that is complete, keeps what was given out, and leaks nothing. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { root, seedPrices } from "../support/platform"
import { type Member, readZip, unpackAndRun } from "../support/zip"
import { createPerson, type Person, shapeProblems, startTwoTenants, type TwoTenants, usageEvent } from "./two-tenants"

const SECRETS = [
  ...["LITELLM_MASTER_KEY", "CF_INGEST_KEY", "CF_OWUI_KEY", "CF_OWUI_JWT_SECRET", "WEBUI_SECRET_KEY", "OAUTH_CLIENT_SECRET"],
  ...["SCIM_TOKEN", "WEBUI_ADMIN_PASSWORD"],
]
const FOR_EVER = ["WEBUI_SECRET_KEY", "WEBUI_ADMIN_PASSWORD"]
const PROVIDER_KEYS = ["OPENAI", "ANTHROPIC", "COHERE", "DEEPSEEK", "GEMINI", "GROQ", "MISTRAL", "MOONSHOT", "XAI"].map(
  (name) => `${name}_API_KEY`,
)
const PUBLIC_URL = "https://api.cloudfreedom.example"

let scene: TwoTenants
let operator: Person
let sales: Person
beforeAll(async () => {
  scene = await startTwoTenants({ env: { POCKETBASE_URL: `${PUBLIC_URL}/` } })
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
  sales = await createPerson(scene.platform, { email: "sales@example.com", role: "sales" })
})
afterAll(() => scene?.platform.stop())

interface Downloaded {
  status: number
  headers: Headers
  bytes: Uint8Array
  files: Member[]
  env: Record<string, string>
}

const routeOf = (id: string) => `/api/tenants/${id}/bundle`
const refused = (id: string, body: unknown = {}, token = operator.token) =>
  scene.platform.request("POST", routeOf(id), { token, body })

async function download(id: string, rotate?: string[]): Promise<Downloaded> {
  const response = await fetch(scene.platform.url + routeOf(id), {
    method: "POST",
    headers: { Authorization: operator.token, "Content-Type": "application/json" },
    body: JSON.stringify(rotate ? { rotate } : {}),
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  expect(response.status, Buffer.from(bytes).toString().slice(0, 500)).toBe(200)
  const files = readZip(bytes)
  return { status: response.status, headers: response.headers, bytes, files, env: variables(textOf(files, ".env")) }
}

const textOf = (files: Member[], name: string) => files.find((file) => file.name === name)?.text ?? ""
const variables = (text: string) =>
  Object.fromEntries([...text.matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value])) as Record<
    string,
    string
  >
const pick = (env: Record<string, string>, names: string[]) => Object.fromEntries(names.map((name) => [name, env[name]]))
const stackOf = (id: string) =>
  scene.platform.sql<Record<string, string>>("SELECT * FROM tenant_stacks WHERE tenant_id = ?", [id])[0]
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
const opens = async (key: string) =>
  (await scene.platform.ingest(key, { events: [usageEvent()] })).status === 200 ? "works" : "is refused"
const audited = (id: string) =>
  scene.platform
    .sql<{ after: string; actor: string }>(
      `SELECT actor, "after" FROM audit_log WHERE action = 'tenant.bundle' AND target = ? ORDER BY id`,
      [id],
    )
    .map(({ actor, after }) => ({ actor, ...JSON.parse(after) }))
const freshTenant = async (data: Record<string, unknown> = {}) => scene.platform.createTenant(data)

describe("the archive", () => {
  it("holds what the stack needs, readable, and .env for nobody else", async () => {
    const { headers, files } = await download(scene.a.id)
    expect([headers.get("content-type"), headers.get("cache-control"), headers.get("content-disposition")]).toEqual([
      "application/zip",
      "no-store",
      'attachment; filename="alpha-stack.zip"',
    ])
    const gate = readdirSync(path.join(root, "tenant-template/litellm/cf_gate"), { recursive: true, encoding: "utf8" })
    const expected = ["SHA256SUMS", ".env", "README.md", "docker-compose.yml", "litellm/config.yaml"]
    const modules = gate.filter((name) => name.endsWith(".py")).map((name) => `litellm/cf_gate/${name}`)
    expect(modules.length).toBeGreaterThan(0)
    expect(files.map((file) => file.name).sort()).toEqual([...expected, ...modules].sort())
    for (const { name, mode } of files) expect(`${name} ${mode.toString(8)}`).toBe(`${name} ${name === ".env" ? "600" : "644"}`)
    for (const name of ["README.md", "docker-compose.yml", ...modules])
      expect(textOf(files, name), name).toBe(readFileSync(path.join(root, "tenant-template", name), "utf8"))
  })

  it("can be checked with sha256sum -c, every file of it", async () => {
    const { bytes, files } = await download(scene.a.id)
    const output = unpackAndRun(bytes, "sha256sum", ["-c", "SHA256SUMS"])
    const others = files.map((file) => file.name).filter((name) => name !== "SHA256SUMS")
    expect(output.trim().split("\n").sort()).toEqual(others.map((name) => `${name}: OK`).sort())
  })

  it("is the same to the byte as long as nothing changed", async () => {
    const [first, second] = [await download(scene.a.id), await download(scene.a.id)]
    expect(sha256(Buffer.from(first.bytes).toString("base64"))).toBe(sha256(Buffer.from(second.bytes).toString("base64")))
  })
})

describe(".env", () => {
  it("answers every variable of the compose file; only provider keys are left to fill in", async () => {
    const { files, env } = await download(scene.a.id)
    const asked = [...textOf(files, "docker-compose.yml").matchAll(/\$\{([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name as string)
    expect([...new Set(asked)].filter((name) => env[name] === undefined)).toEqual([])
    expect(Object.keys(env).filter((name) => env[name] === "" && name !== "CHAT_EMBEDDING_MODEL")).toEqual(PROVIDER_KEYS)
  })

  it("says who and where", async () => {
    const { env } = await download(scene.b.id)
    expect(env).toMatchObject({
      TENANT_SLUG: "beta",
      TENANT_DOMAIN: "beta.example.com",
      POCKETBASE_URL: PUBLIC_URL,
      BILLING_API_URL: PUBLIC_URL,
      OAUTH_CLIENT_ID: "chat-beta",
      WEBUI_ADMIN_EMAIL: "stack-operator@beta.example.com",
      CHAT_LOCALE: "de-DE",
    })
  })

  it("has secrets of 256 bits that no other tenant has", async () => {
    const [a, b] = [(await download(scene.a.id)).env, (await download(scene.b.id)).env]
    for (const name of SECRETS) {
      expect(a[name], name).toMatch(/^((sk-|cfi_)?[A-Za-z0-9]{43})$/)
      expect(a[name], name).not.toBe(b[name])
    }
    expect(new Set(SECRETS.map((name) => a[name])).size).toBe(SECRETS.length)
    expect([a.LITELLM_MASTER_KEY, a.CF_OWUI_KEY].every((key) => key?.startsWith("sk-"))).toBe(true)
  })
})

describe("what the platform remembers", () => {
  it("is where the chat is and whom to expect; secrets only as hashes or encrypted", async () => {
    const { env } = await download(scene.a.id)
    const stack = stackOf(scene.a.id)
    expect(stack).toMatchObject({
      chat_url: "https://alpha.example.com",
      oauth_client_id: "chat-alpha",
      oauth_client_secret_hash: sha256(env.OAUTH_CLIENT_SECRET ?? ""),
      oauth_redirect_uri: "https://alpha.example.com/oauth/oidc/callback",
      admin_email: "stack-operator@alpha.example.com",
      scim_url: "https://alpha.example.com/api/v1/scim/v2",
    })
    const everything = JSON.stringify([
      scene.platform.sql("SELECT * FROM tenant_stacks"),
      scene.platform.sql("SELECT * FROM audit_log"),
      scene.platform.sql("SELECT * FROM ingest_keys"),
      scene.platform.sql("SELECT * FROM outbox"),
    ])
    for (const name of SECRETS) expect(everything, name).not.toContain(env[name])
  })

  it("follows the tenant to another domain, as the same client with the same administrator", async () => {
    const tenant = await freshTenant()
    const before = await download(tenant.id)
    await scene.platform.superuser.collection("tenants").update(tenant.id, { domain: "new.example.com" })
    const after = await download(tenant.id)
    expect(after.env.TENANT_DOMAIN).toBe("new.example.com")
    expect(stackOf(tenant.id)).toMatchObject({
      chat_url: "https://new.example.com",
      oauth_redirect_uri: "https://new.example.com/oauth/oidc/callback",
    })
    const lasting = [...SECRETS, "OAUTH_CLIENT_ID", "WEBUI_ADMIN_EMAIL"]
    expect(pick(after.env, lasting)).toEqual(pick(before.env, lasting))
  })

  it("sends each of the tenant's people to the chat's accounts once, with the first bundle", async () => {
    const tenant = await freshTenant()
    const user = await scene.platform.createUser({ tenant_id: tenant.id })
    const queued = () => scene.platform.sql("SELECT version FROM outbox WHERE dedupe_key = ?", [`scim.sync_user:${user.id}`])
    expect(queued()).toEqual([])
    await download(tenant.id)
    expect(queued()).toEqual([{ version: 0 }])
    await download(tenant.id)
    expect(queued()).toEqual([{ version: 0 }])
  })
})

describe("the ingest key of a stack", () => {
  it("reports events, asks the gate, and opens nothing else", async () => {
    const { env } = await download(scene.a.id)
    const token = `Bearer ${env.CF_INGEST_KEY}`
    expect(await opens(env.CF_INGEST_KEY ?? "")).toBe("works")
    const litellm = await scene.platform.request("POST", "/api/usage/litellm", { token, body: {} })
    expect([litellm.status, litellm.body.code]).toEqual([403, "key_bound_to_other_route"])
    const identified = await scene.platform.request("POST", "/api/usage/identify", {
      token,
      body: { user: { id: scene.a.member.id } },
    })
    expect(identified.status).toBe(200)
    expect((await scene.platform.request("GET", "/api/usage/cursor?source=s", { token })).status).toBe(200)
  })

  it("rotated, works beside the old one for a day", async () => {
    const old = (await download(scene.a.id)).env.CF_INGEST_KEY ?? ""
    const next = (await download(scene.a.id, ["CF_INGEST_KEY"])).env.CF_INGEST_KEY ?? ""
    expect([await opens(old), await opens(next)]).toEqual(["works", "works"])
    const ends = scene.platform.sql<{ expires_at: string }>("SELECT expires_at FROM ingest_keys WHERE key_hash = ?", [
      sha256(old),
    ])
    const hours = (Date.parse((ends[0]?.expires_at ?? "").replace(" ", "T")) - Date.now()) / 3_600_000
    expect([hours > 23.5, hours <= 24]).toEqual([true, true])
  })

  it.each([
    ["revoked", "revoke", {}],
    ["rotated elsewhere, so that it ends", "rotate", { overlap_hours: 1 }],
  ])("that was %s is not handed out again", async (_name, verb, body) => {
    const tenant = await freshTenant()
    const old = (await download(tenant.id)).env.CF_INGEST_KEY ?? ""
    const row = scene.platform.sql<{ id: string }>("SELECT id FROM ingest_keys WHERE key_hash = ?", [sha256(old)])[0]
    await scene.platform.request("POST", `/api/ingest-keys/${row?.id}/${verb}`, { token: operator.token, body })
    const next = (await download(tenant.id)).env.CF_INGEST_KEY ?? ""
    expect(next).not.toBe(old)
    expect(await opens(next)).toBe("works")
    expect((await download(tenant.id)).env.CF_INGEST_KEY).toBe(next)
    expect(audited(tenant.id)[1]).toMatchObject({ made: [], replaced: ["CF_INGEST_KEY"] })
  })
})

describe("rotation", () => {
  it.each(SECRETS.filter((name) => !FOR_EVER.includes(name)))("of %s replaces it and nothing else, for good", async (name) => {
    const before = (await download(scene.b.id)).env
    const after = (await download(scene.b.id, [name])).env
    expect(after[name]).not.toBe(before[name])
    const others = Object.keys(before).filter((other) => other !== name)
    expect(pick(after, others)).toEqual(pick(before, others))
    expect((await download(scene.b.id)).env[name]).toBe(after[name])
    expect(stackOf(scene.b.id)?.oauth_client_secret_hash).toBe(sha256(after.OAUTH_CLIENT_SECRET ?? ""))
  })

  it.each([
    ["WEBUI_SECRET_KEY", "sign everybody out"],
    ["WEBUI_ADMIN_PASSWORD", "very first start only"],
    ["OPENAI_API_KEY", "must be one of LITELLM_MASTER_KEY, CF_INGEST_KEY"],
    ["", "must be one of"],
  ])("of %j is refused with the reason, and nothing is rotated", async (name, reason) => {
    const before = (await download(scene.b.id)).env
    const answer = await refused(scene.b.id, { rotate: ["SCIM_TOKEN", name] })
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", "rotate[1]"])
    expect(answer.body.message).toContain(reason)
    expect(shapeProblems(answer)).toEqual([])
    expect((await download(scene.b.id)).env).toEqual(before)
  })

  it.each([[{ rotate: "SCIM_TOKEN" }], [{ rotate: [1] }], [{ rotate: null }]])("asked for as %j is refused", async (body) => {
    expect((await refused(scene.b.id, body)).body.code).toBe("invalid_field")
  })

  it("is in the audit log by name, never by value", async () => {
    const tenant = await freshTenant()
    const first = await download(tenant.id)
    await download(tenant.id)
    const third = await download(tenant.id, ["SCIM_TOKEN", "CF_OWUI_KEY"])
    const actor = `user:${operator.id}`
    expect(audited(tenant.id)).toEqual([
      { actor, made: SECRETS, replaced: [] },
      { actor, made: [], replaced: [] },
      { actor, made: [], replaced: ["CF_OWUI_KEY", "SCIM_TOKEN"] },
    ])
    for (const { env } of [first, third])
      for (const name of SECRETS) expect(JSON.stringify(scene.platform.sql("SELECT * FROM audit_log"))).not.toContain(env[name])
  })
})

describe("two operators at once", () => {
  it("get the same secrets, also the first time", async () => {
    const tenant = await freshTenant()
    const bundles = await Promise.all(Array.from({ length: 6 }, () => download(tenant.id)))
    expect(new Set(bundles.map(({ env }) => JSON.stringify(env))).size).toBe(1)
    expect(scene.platform.sql("SELECT id FROM ingest_keys WHERE tenant_id = ? AND route = 'events'", [tenant.id])).toHaveLength(1)
  })
})

describe("the models", () => {
  const names = (files: Member[]) =>
    (parse(textOf(files, "litellm/config.yaml")).model_list as { model_name: string }[]).map((entry) => entry.model_name)
  const tenantWith = async (models: string[][], services: unknown = {}) => {
    const tenant = await freshTenant({ services })
    for (const list of models) {
      const product = await scene.platform.createProduct({ models: list })
      await scene.platform.createUser({ tenant_id: tenant.id, product_id: product.id })
    }
    return download(tenant.id)
  }
  beforeAll(async () => {
    await scene.platform.publishPrices(seedPrices("claude-haiku-4-5", "text-embedding-3-small", "mistral/mistral-small-latest"))
  })
  const book = ["claude-haiku-4-5", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "tts-1"]

  it.each<[string, string[][], unknown, string[]]>([
    ["without a product: the book", [], {}, book],
    ["with everything allowed: the book", [["all"]], {}, book],
    ["of several products: all of them together", [["gpt-4o"], ["gpt-4o", "tts-1"]], {}, ["gpt-4o", "tts-1"]],
    ["that have no price are not offered", [["gpt-4o", "gpt-9"]], {}, ["gpt-4o"]],
    ["of other providers", [], { providers: ["mistral"] }, ["mistral/mistral-small-latest"]],
  ])("%s", async (_name, products, services, expected) => {
    expect(names((await tenantWith(products, services)).files)).toEqual(expected)
  })

  it("follow a change of the product with the next bundle", async () => {
    const tenant = await freshTenant()
    const product = await scene.platform.createProduct({ models: ["gpt-4o"] })
    const user = await scene.platform.createUser({ tenant_id: tenant.id, product_id: product.id })
    expect(names((await download(tenant.id)).files)).toEqual(["gpt-4o"])
    const other = await scene.platform.createProduct({ models: ["gpt-4o-mini"] })
    await scene.platform.superuser.collection("users").update(user.id, { product_id: other.id })
    expect(names((await download(tenant.id)).files)).toEqual(["gpt-4o-mini"])
  })

  it("for titles and documents are those that everybody may use", async () => {
    const everything = (await tenantWith([["*"]])).env
    expect(pick(everything, ["CHAT_TASK_MODEL", "CHAT_EMBEDDING_MODEL", "CHAT_WHOLE_DOCUMENTS"])).toEqual({
      CHAT_TASK_MODEL: "gpt-4o-mini",
      CHAT_EMBEDDING_MODEL: "text-embedding-3-small",
      CHAT_WHOLE_DOCUMENTS: "false",
    })
    const some = (await tenantWith([["*"], ["gpt-4o"]])).env
    expect(pick(some, ["CHAT_TASK_MODEL", "CHAT_EMBEDDING_MODEL", "CHAT_WHOLE_DOCUMENTS"])).toEqual({
      CHAT_TASK_MODEL: "gpt-4o",
      CHAT_EMBEDDING_MODEL: "",
      CHAT_WHOLE_DOCUMENTS: "true",
    })
  })
})

describe("a tenant that cannot have a stack", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["without a domain", { domain: "" }, "domain"],
    ["with an address instead of a host name", { domain: "https://x.example.com" }, "domain"],
    ["with a domain that would become a Traefik rule", { domain: "a`) || Host(`b.example.com" }, "domain"],
    ["with an unknown provider", { services: { providers: ["openai", "acme"] } }, "services.providers"],
    ["that was deleted", { status: "deleted" }, "status"],
  ])("%s: 409 that names the field, and nothing is made", async (_name, data, field) => {
    const tenant = await freshTenant(data)
    const answer = await refused(tenant.id)
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([409, "conflict", field])
    expect(shapeProblems(answer)).toEqual([])
    expect(stackOf(tenant.id)).toBeUndefined()
    expect(scene.platform.sql("SELECT id FROM ingest_keys WHERE tenant_id = ? AND route = 'events'", [tenant.id])).toEqual([])
  })

  it.each(["pending", "suspended"])("is not one that is %s", async (status) => {
    await download((await freshTenant({ status })).id)
  })

  it("and one that does not exist is a 404", async () => {
    expect((await refused("nope")).status).toBe(404)
  })
})

describe("nobody but an operator", () => {
  it.each<[string, () => string, number]>([
    ["a tenant admin of the tenant", () => scene.a.admin.token, 403],
    ["a member", () => scene.a.member.token, 403],
    ["an admin of another tenant", () => scene.b.admin.token, 403],
    ["sales", () => sales.token, 403],
    ["an ingest key of the tenant", () => `Bearer ${scene.a.ingestKey}`, 401],
    ["a guest", () => "", 401],
  ])("gets or changes a stack: %s", async (_name, token, status) => {
    const before = stackOf(scene.a.id)
    const answer = await refused(scene.a.id, { rotate: ["SCIM_TOKEN"] }, token())
    expect(answer.status).toBe(status)
    expect(shapeProblems(answer)).toEqual([])
    expect(stackOf(scene.a.id)).toEqual(before)
  })

  it("a superuser is one", async () => {
    expect((await refused(scene.a.id, {}, scene.platform.superuser.authStore.token)).status).toBe(200)
  })

  it("reads a stack's row through the record API", async () => {
    for (const token of [scene.a.admin.token, scene.a.member.token, sales.token, operator.token, ""]) {
      const answer = await scene.platform.request("GET", "/api/collections/tenant_stacks/records", { token })
      expect(JSON.stringify(answer.body)).not.toContain("secrets_encrypted")
    }
  })
})

describe("the server's own log", () => {
  it("holds no secret, neither its output nor its request log", async () => {
    const { env } = await download(scene.a.id)
    const logs = Buffer.from(readFileSync(path.join(scene.platform.dataDir, "auxiliary.db"))).toString("latin1")
    for (const name of SECRETS) {
      expect(scene.platform.output(), name).not.toContain(env[name])
      expect(logs, name).not.toContain(env[name])
    }
  })
})
