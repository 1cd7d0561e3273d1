/** N11, N12: an ingest key is for ingest of its own tenant, a login is for people, and neither works as the other. */
import { createHash, randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { books, createPerson, shapeProblems, startTwoTenants, type TwoTenants, usageEvent } from "../http/two-tenants"

let scene: TwoTenants
let sales = ""
beforeAll(async () => {
  scene = await startTwoTenants()
  sales = (await createPerson(scene.platform, { email: "sales@example.com", role: "sales" })).token
})
afterAll(() => scene?.platform.stop())

const INGEST: [string, string][] = [
  ["POST", "/api/usage/events"],
  ["POST", "/api/usage/litellm"],
  ["GET", "/api/usage/cursor?source=s"],
  ["POST", "/api/usage/identify"],
  ["POST", "/api/usage/authorize"],
  ["POST", "/api/usage/release"],
]
const call = (method: string, route: string, token: string | undefined) =>
  scene.platform.request(method, route, {
    ...(token === undefined ? {} : { token }),
    ...(method === "POST" ? { body: { events: [usageEvent()] } } : {}),
  })

describe("N12: what does not open ingest", () => {
  const wrong: [string, () => string | undefined, string][] = [
    ["nothing", () => undefined, "missing_key"],
    ["an empty header", () => "", "missing_key"],
    ["Bearer alone", () => "Bearer", "missing_key"],
    ["Bearer and a space", () => "Bearer ", "missing_key"],
    ["the key without Bearer", () => scene.a.ingestKey, "missing_key"],
    ["Basic", () => `Basic ${Buffer.from(`x:${scene.a.ingestKey}`).toString("base64")}`, "missing_key"],
    ["two keys", () => `Bearer ${scene.a.ingestKey} ${scene.b.ingestKey}`, "missing_key"],
    ["cfi_ alone", () => "Bearer cfi_", "invalid_key"],
    ["a random key", () => `Bearer cfi_${randomBytes(32).toString("hex")}`, "invalid_key"],
    ["the key with a character more", () => `Bearer ${scene.a.ingestKey}x`, "invalid_key"],
    ["the key with a character less", () => `Bearer ${scene.a.ingestKey.slice(0, -1)}`, "invalid_key"],
    ["the key in the other case", () => `Bearer cfi_${scene.a.ingestKey.slice(4).toLowerCase()}`, "invalid_key"],
    ["a wildcard", () => "Bearer cfi_%", "invalid_key"],
    ["SQL", () => "Bearer cfi_'OR'1'='1", "invalid_key"],
    ["100 KB of key", () => `Bearer cfi_${"k".repeat(100_000)}`, "invalid_key"],
    ["a member's token", () => `Bearer ${scene.a.member.token}`, "invalid_key"],
    ["an admin's token", () => `Bearer ${scene.a.admin.token}`, "invalid_key"],
    ["a superuser's token", () => `Bearer ${scene.platform.superuser.authStore.token}`, "invalid_key"],
    ["sales' bare token", () => sales, "missing_key"],
  ]
  it.each(wrong)("%s", async (_name, token, code) => {
    const before = books(scene.platform)
    for (const [method, route] of INGEST) {
      const answer = await call(method, route, token())
      expect([route, answer.status, answer.body.code]).toEqual([route, 401, code])
      expect(answer.headers.get("www-authenticate")).toContain("Bearer")
      expect(shapeProblems(answer)).toEqual([])
    }
    expect(books(scene.platform)).toEqual(before)
  })

  it.each(["key", "token", "access_token", "authorization", "ingest_key"])("the key in the query as %s", async (name) => {
    const answer = await call("POST", `/api/usage/events?${name}=${scene.a.ingestKey}`, undefined)
    expect([answer.status, answer.body.code]).toEqual([401, "missing_key"])
  })

  it("a refusal never repeats the key", async () => {
    const key = `cfi_${randomBytes(16).toString("hex")}`
    const answer = await call("POST", "/api/usage/events", `Bearer ${key}`)
    expect(JSON.stringify(answer.body)).not.toContain(key)
    expect(scene.platform.output()).not.toContain(key)
  })
})

describe("N12: an ingest key on the routes of people", () => {
  const routes: [string, string][] = [
    ["GET", "/api/budget"],
    ["GET", "/api/usage/summary"],
    ["POST", "/api/prices/publish"],
    ["POST", "/api/budgets/x/adjust"],
    ["POST", "/api/tenants/A/ingest-keys"],
    ["POST", "/api/ingest-keys/x/revoke"],
  ]
  it.each(routes)("%s %s → 401", async (method, route) => {
    const answer = await call(method, route.replace("/A/", `/${scene.a.id}/`), `Bearer ${scene.a.ingestKey}`)
    expect([answer.status, answer.body.code]).toEqual([401, "not_signed_in"])
  })

  it("reads no record of its tenant", async () => {
    for (const collection of ["usage_logs", "budgets", "users", "tenants", "ingest_keys"]) {
      const { status, body } = await call("GET", `/api/collections/${collection}/records`, `Bearer ${scene.a.ingestKey}`)
      expect([status, body.totalItems ?? 0]).toEqual([200, 0])
    }
  })
})

describe("N11: a tenant's key on another tenant", () => {
  it.each([
    ["the body's tenant_id", () => ({ tenant_id: scene.b.id, events: [usageEvent()] }), 403],
    ["an event's tenant_id", () => ({ events: [usageEvent({ tenant_id: scene.b.id })] }), 200],
    ["an event's user", () => ({ events: [usageEvent({ user_id: scene.b.member.id })] }), 200],
    ["an event's admin", () => ({ events: [usageEvent({ user_id: scene.b.admin.id, tenant_id: scene.a.id })] }), 200],
  ])("%s: refused, nothing written", async (_name, body, status) => {
    const before = books(scene.platform)
    const answer = await scene.platform.ingest(scene.a.ingestKey, body())
    expect(answer.status).toBe(status)
    expect(answer.body.code ?? answer.body.results[0].code).toBe("tenant_mismatch")
    expect(books(scene.platform)).toEqual(before)
  })

  it("a tenant_id in the body that is no string is refused as well, or ignored: nothing goes to B", async () => {
    for (const tenant_id of [[scene.b.id], { id: scene.b.id }, 5, true, null]) {
      await scene.platform.ingest(scene.a.ingestKey, { tenant_id, events: [usageEvent()] })
    }
    expect(scene.platform.sql("SELECT id FROM usage_logs WHERE tenant_id = ?", [scene.b.id])).toEqual([])
  })
})

describe("N11: a tenant's key at the gate of another tenant", () => {
  const ask = (route: string, body: unknown) => scene.platform.ingest(scene.a.ingestKey, body, `/api/usage/${route}`)
  const question = (changes: Record<string, unknown>) => ({
    ...{
      call_id: `n11-${JSON.stringify(changes)}`.slice(0, 128),
      model: "gpt-4o",
      tokens_input_estimate: 10,
      tenant_id: scene.b.id,
    },
    ...changes,
  })

  it("holds nothing for B's people and keys, and does not tell them from strangers", async () => {
    const issued = await scene.platform.request("POST", "/api/keys", { token: scene.b.member.token, body: { name: "theirs" } })
    const theirs = await ask("authorize", question({ user_id: scene.b.member.id }))
    const nobody = await ask("authorize", question({ user_id: "nobody" }))
    const byKey = await ask("authorize", question({ user_id: scene.a.member.id, api_key_id: issued.body.id }))
    for (const { body } of [theirs, nobody, byKey]) expect(body).toMatchObject({ allowed: false, code: "unknown_identity" })
    expect(theirs.body.message).toBe(nobody.body.message)
    expect(JSON.stringify([theirs.body, byKey.body])).not.toContain("beta")
    expect(scene.platform.sql("SELECT id FROM holds")).toEqual([])
    expect(scene.platform.sql("SELECT id FROM refusals WHERE tenant_id = ?", [scene.b.id])).toEqual([])
    const hash = createHash("sha256").update(issued.body.key).digest("hex")
    for (const [known, unheardOf] of [
      [{ api_key_hash: hash }, { api_key_hash: "0".repeat(64) }],
      [{ user: { email: scene.b.member.email } }, { user: { id: "nobody" } }],
    ]) {
      expect((await ask("identify", known)).body).toEqual((await ask("identify", unheardOf)).body)
    }
  })

  it("neither releases nor settles B's holds", async () => {
    const body = question({ user_id: scene.b.member.id, call_id: "of B" })
    const { hold_id } = (await scene.platform.ingest(scene.b.ingestKey, body, "/api/usage/authorize")).body
    for (const which of [{ hold_id }, { call_id: "of B" }])
      expect((await ask("release", which)).body).toEqual({ released: false })
    await scene.platform.ingest(scene.a.ingestKey, { events: [usageEvent({ hold_id, call_id: "of B" })] })
    expect(scene.platform.sql("SELECT state FROM holds WHERE id = ?", [hold_id])).toEqual([{ state: "open" }])
  })
})

it.each(["events", "litellm"])("the gate opens to a key that is bound to /api/usage/%s: it is the stack's own", async (route) => {
  const made = await scene.platform.asSuperuser("POST", `/api/tenants/${scene.a.id}/ingest-keys`, { name: "bound", route })
  for (const [path, body] of [
    ["identify", { user: { id: "nobody" } }],
    ["release", { call_id: "none" }],
  ] as const)
    expect((await scene.platform.ingest(made.body.key, body, `/api/usage/${path}`)).status).toBe(200)
})

it("a suspended tenant's key still books what was spent, and its users' tokens stay theirs", async () => {
  await scene.platform.superuser.collection("tenants").update(scene.b.id, { status: "suspended" })
  const answer = await scene.platform.ingest(scene.b.ingestKey, { events: [usageEvent()] })
  expect([answer.status, answer.body.results[0].verdict]).toEqual([200, "accepted"])
})
