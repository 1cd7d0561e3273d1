/** The guarantee: a user's key is seen once, its limit belongs to its line and not to its secret, and only those in charge of the owner touch it. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  budgetId,
  createPerson,
  EVENT_COST_NANO,
  type Person,
  shapeProblems,
  startTwoTenants,
  type TwoTenants,
  usageEvent,
  verdictOf,
} from "./two-tenants"

const EUR = 1_000_000_000
const DAY_MS = 86_400_000
type Json = Record<string, unknown>
type Key = { id: string; key: string; budget_id: string | null; [field: string]: unknown }

let scene: TwoTenants
let operator: Person
let sales: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
  sales = await createPerson(scene.platform, { email: "sales@example.com", role: "sales" })
})
afterAll(() => scene?.platform.stop())

const act = (route: string, body: unknown = {}, token = scene.a.member.token) =>
  scene.platform.request("POST", route, { token, body })
async function ok(route: string, body: unknown = {}, token = scene.a.member.token): Promise<Key> {
  const answer = await act(route, body, token)
  if (answer.status !== 200) throw new Error(`${route} ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const create = (terms: Json = {}, token = scene.a.member.token) => ok("/api/keys", { name: "cli", ...terms }, token)
const stored = (id: string) => scene.platform.sql<Record<string, string | number>>("SELECT * FROM api_keys WHERE id = ?", [id])[0]
const limitOf = (key: Key) =>
  scene.platform.sql<{ total_nano: number; used_nano: number; allowance_nano: number }>("SELECT * FROM budgets WHERE id = ?", [
    key.budget_id,
  ])[0]
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()
const call = (key: { id: string }) => verdictOf(scene.platform, scene.a, usageEvent({ api_key_id: key.id }))
const allKeys = () => scene.platform.sql("SELECT * FROM api_keys ORDER BY id")
const trail = (id: string) =>
  scene.platform.sql<{ action: string; actor: string; before: string; after: string; tenant_id: string }>(
    "SELECT * FROM audit_log WHERE target = ? AND action LIKE 'api_key.%' ORDER BY created, rowid",
    [id],
  )
async function expectDoctorClean(): Promise<void> {
  const { code, output } = await scene.platform.doctor()
  expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
}

describe("a new key", () => {
  it("without terms may do what its owner may, for ever", async () => {
    const issued = await create()
    expect(issued).toEqual({
      ...{ id: expect.any(String), key: expect.stringMatching(/^sk-cf-[A-Za-z0-9]{43}$/), name: "cli", models: ["*"] },
      ...{ prefix: issued.key.slice(0, 10), last4: issued.key.slice(-4), user_id: scene.a.member.id },
      ...{ limit: null, expires_at: null, max_parallel: null, budget_id: null },
    })
    expect(stored(issued.id)).toMatchObject({ status: "active", budget_key_id: issued.id, rotated_to: "", tenant_id: scene.a.id })
  })

  it("takes the terms it is given", async () => {
    const terms = { name: "ci", models: ["gpt-4o", "openai/*"], limit: "10.5", expires_at: inDays(30), max_parallel: 3 }
    const issued = await create(terms)
    expect(issued).toMatchObject({ ...terms, limit: "10.500000000", budget_id: expect.any(String) })
    expect(limitOf(issued)).toMatchObject({ total_nano: 10.5 * EUR, used_nano: 0, allowance_nano: 10.5 * EUR })
  })

  it("is stored as a hash only: the secret is in no file of the data folder, tables and logs alike, and not in the output", async () => {
    const first = await create({ limit: "1" })
    const second = await ok(`/api/keys/${first.id}/rotate`)
    await ok(`/api/keys/${second.id}/update`, { name: "renamed" })
    await ok(`/api/keys/${second.id}/revoke`)
    expect(stored(first.id)?.key_hash).toBe(createHash("sha256").update(first.key).digest("hex"))
    const files = readdirSync(scene.platform.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const bytes = Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))))
    expect(bytes.includes(first.last4 as string)).toBe(true)
    for (const { key } of [first, second]) {
      expect(bytes.includes(key.slice(6))).toBe(false)
      expect(scene.platform.output()).not.toContain(key.slice(6))
    }
  })

  it("and a rotated one come with no-store, so that nothing on the way keeps the secret; so do ingest keys", async () => {
    const issued = await act("/api/keys", { name: "cli" })
    const rotated = await act(`/api/keys/${issued.body.id}/rotate`)
    const ingest = await act(`/api/tenants/${scene.a.id}/ingest-keys`, { name: "x" }, operator.token)
    const ingestRotated = await act(`/api/ingest-keys/${ingest.body.id}/rotate`, {}, operator.token)
    for (const answer of [issued, rotated, ingest, ingestRotated]) {
      expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"])
    }
  })

  it("lets LiteLLM's hash of it find the owner and the limit", async () => {
    const issued = await create({ limit: "1" })
    const payload = {
      ...{ id: "by-hash", status: "success", model: "gpt-4o", custom_llm_provider: "openai", call_type: "acompletion" },
      ...{ prompt_tokens: 1_000, completion_tokens: 50, startTime: Date.now() / 1000 },
      metadata: { user_api_key_hash: createHash("sha256").update(issued.key).digest("hex") },
    }
    const answer = await scene.platform.ingest(scene.a.ingestKey, [payload], "/api/usage/litellm")
    expect(answer.body.results[0].verdict).toBe("accepted")
    expect(limitOf(issued)?.used_nano).toBe(EVENT_COST_NANO)
  })

  it.each<[string, Json, string]>([
    ["no name", { name: undefined }, "name"],
    ["an empty name", { name: "  " }, "name"],
    ["a name of 101 characters", { name: "n".repeat(101) }, "name"],
    ["a name with a NUL", { name: "a\u0000b" }, "name"],
    ["a number as name", { name: 5 }, "name"],
    ["no models at all", { models: [] }, "models"],
    ["101 models", { models: Array(101).fill("m") }, "models"],
    ["a text as models", { models: "gpt-4o" }, "models"],
    ["an empty model", { models: ["gpt-4o", ""] }, "models.1"],
    ["a model of 129 characters", { models: ["m".repeat(129)] }, "models.0"],
    ["a model with a line break", { models: ["gpt\n4o"] }, "models.0"],
    ["a limit of 0", { limit: "0.00" }, "limit"],
    ["a negative limit", { limit: "-1" }, "limit"],
    ["a limit as a number", { limit: 10 }, "limit"],
    ["a limit with ten places", { limit: "1.0000000001" }, "limit"],
    ["a limit in another notation", { limit: "1e3" }, "limit"],
    ["a limit beyond ten million", { limit: "10000000" }, "limit"],
    ["an end in the past", { expires_at: "2020-01-01T00:00:00Z" }, "expires_at"],
    ["an end in six years", { expires_at: inDays(6 * 366) }, "expires_at"],
    ["an end without a zone", { expires_at: "2027-01-01T00:00:00" }, "expires_at"],
    ["an end that is a date", { expires_at: "2027-01-01" }, "expires_at"],
    ["an end that is no time", { expires_at: "soon" }, "expires_at"],
    ["no parallel calls", { max_parallel: 0 }, "max_parallel"],
    ["half a parallel call", { max_parallel: 1.5 }, "max_parallel"],
    ["an empty owner", { user_id: "" }, "user_id"],
  ])("with %s is refused, and nothing is made", async (_name, terms, path) => {
    const before = allKeys()
    const answer = await act("/api/keys", { name: "cli", ...terms })
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", path])
    expect(shapeProblems(answer)).toEqual([])
    expect(allKeys()).toEqual(before)
  })

  it("is refused to whoever has 50 keys that work; dead ones and those that run out do not count", async () => {
    const hoarder = await createPerson(scene.platform, { email: "hoarder@alpha.example.com", tenant_id: scene.a.id })
    const keys: Key[] = []
    for (let i = 0; i < 50; i++) keys.push(await create({ name: `k${i}` }, hoarder.token))
    const refused = await act("/api/keys", { name: "one more" }, hoarder.token)
    expect([refused.status, refused.body.code, refused.body.data]).toEqual([409, "conflict", { limit: 50 }])
    expect(refused.body.message).toContain("50")
    const [first, second] = keys as [Key, Key]
    await ok(`/api/keys/${first.id}/rotate`, {}, hoarder.token)
    expect((await act("/api/keys", { name: "one more" }, hoarder.token)).status).toBe(409)
    await ok(`/api/keys/${second.id}/revoke`, {}, hoarder.token)
    await create({ name: "one more" }, hoarder.token)
  })
})

/** Gives a key an end that is near enough to wait for. */
async function expire(key: Key): Promise<void> {
  const end = Date.now() + 3_000
  await ok(`/api/keys/${key.id}/update`, { expires_at: new Date(end).toISOString() })
  await sleep(end + 50 - Date.now())
}

describe("rotation", () => {
  it("keeps name, models, end, limit and what was used of it; the old key works until the overlap ends", async () => {
    const terms = { name: "ci", models: ["gpt-4o"], limit: "5", expires_at: inDays(300), max_parallel: 2 }
    const first = await create(terms)
    expect((await call(first)).verdict).toBe("accepted")
    const second = await ok(`/api/keys/${first.id}/rotate`, { overlap_hours: 48 })
    expect(second).toMatchObject({ ...terms, limit: "5.000000000", budget_id: first.budget_id, user_id: scene.a.member.id })
    expect(second.id).not.toBe(first.id)
    expect(second.key).not.toBe(first.key)
    expect(stored(first.id)).toMatchObject({ status: "active", rotated_to: second.id })
    expect(stored(second.id)).toMatchObject({ budget_key_id: first.id, rotated_to: "" })
    const hoursLeft = (Date.parse(second.old_key_expires_at as string) - Date.now()) / 3_600_000
    expect(hoursLeft).toBeGreaterThan(47)
    expect(hoursLeft).toBeLessThanOrEqual(48)
    expect(limitOf(second)).toMatchObject({ total_nano: 5 * EUR, used_nano: EVENT_COST_NANO })
    // Both secrets, and a third, eat from the same limit.
    await call(second)
    await call(first)
    const third = await ok(`/api/keys/${second.id}/rotate`, { overlap_hours: 0 })
    await call(third)
    expect(third.budget_id).toBe(first.budget_id)
    expect(limitOf(third)).toMatchObject({ total_nano: 5 * EUR, used_nano: 4 * EVENT_COST_NANO })
    expect(stored(third.id)?.budget_key_id).toBe(first.id)
    await expectDoctorClean()
  })

  it("never lengthens the life of the old key", async () => {
    const first = await create({ expires_at: inDays(1 / 24) })
    const second = await ok(`/api/keys/${first.id}/rotate`, { overlap_hours: 720 })
    expect(second.old_key_expires_at).toBe(first.expires_at)
    expect(second.expires_at).toBe(first.expires_at)
  })

  it.each<[string, (key: Key) => Promise<unknown>]>([
    ["revoked", (key) => ok(`/api/keys/${key.id}/revoke`)],
    ["already replaced", (key) => ok(`/api/keys/${key.id}/rotate`)],
    ["expired", expire],
  ])("and change of a key that is %s are a conflict; revoking it is not", async (_name, end) => {
    const key = await create()
    await end(key)
    const before = allKeys()
    for (const [route, body] of [
      [`/api/keys/${key.id}/rotate`, {}],
      [`/api/keys/${key.id}/update`, { expires_at: inDays(100), name: "back" }],
    ] as const) {
      const answer = await act(route, body)
      expect([answer.status, answer.body.code]).toEqual([409, "conflict"])
      expect(shapeProblems(answer)).toEqual([])
    }
    expect(allKeys()).toEqual(before)
    expect((await act(`/api/keys/${key.id}/revoke`)).status).toBe(200)
  })

  it.each([-1, 721, "24", null])("with an overlap of %j is refused", async (overlap_hours) => {
    const key = await create()
    const answer = await act(`/api/keys/${key.id}/rotate`, { overlap_hours })
    expect([answer.status, answer.body.data.path]).toEqual([400, "overlap_hours"])
    expect(stored(key.id)?.rotated_to).toBe("")
  })

  it("in a loop piles up no more than 50 keys that run out", async () => {
    const restless = await createPerson(scene.platform, { email: "restless@alpha.example.com", tenant_id: scene.a.id })
    let key = await create({}, restless.token)
    for (let i = 0; i < 50; i++) key = await ok(`/api/keys/${key.id}/rotate`, { overlap_hours: 720 }, restless.token)
    const refused = await act(`/api/keys/${key.id}/rotate`, { overlap_hours: 720 }, restless.token)
    expect([refused.status, refused.body.data]).toEqual([409, { limit: 50 }])
    expect(stored(key.id)?.rotated_to).toBe("")
  })
})

describe("revocation", () => {
  it("is at once, for this key alone, and twice is the same", async () => {
    const first = await create()
    const second = await ok(`/api/keys/${first.id}/rotate`)
    for (let i = 0; i < 2; i++) {
      const answer = await scene.platform.request("POST", `/api/keys/${first.id}/revoke`, { token: scene.a.member.token })
      expect([answer.status, answer.body]).toEqual([200, { id: first.id, status: "revoked" }])
    }
    expect([stored(first.id)?.status, stored(second.id)?.status]).toEqual(["revoked", "active"])
    expect(trail(first.id).map((line) => line.action)).toEqual(["api_key.create", "api_key.rotate", "api_key.revoke"])
  })
})

describe("a change", () => {
  it("changes what it names and leaves the rest", async () => {
    const key = await create({ models: ["gpt-4o"], max_parallel: 4, expires_at: inDays(10) })
    const { key: _secret, ...before } = key
    expect(await ok(`/api/keys/${key.id}/update`, { name: "renamed" })).toEqual({ ...before, name: "renamed" })
    const end = inDays(20)
    const changes = { models: ["*"], max_parallel: 5, expires_at: end }
    expect(await ok(`/api/keys/${key.id}/update`, changes)).toEqual({ ...before, name: "renamed", ...changes })
    const free = { max_parallel: null, expires_at: null, limit: null }
    expect(await ok(`/api/keys/${key.id}/update`, free)).toEqual({ ...before, name: "renamed", models: ["*"], ...free })
  })

  it("of models counts for a replaced key, too: the old secret is never the wider door", async () => {
    const first = await create()
    const second = await ok(`/api/keys/${first.id}/rotate`)
    const end = stored(first.id)?.expires_at
    await ok(`/api/keys/${second.id}/update`, { models: ["gpt-4o-mini"], expires_at: inDays(30) })
    expect(stored(first.id)).toMatchObject({ models: '["gpt-4o-mini"]', expires_at: end })
  })

  it("of the limit moves the running period, in the ledger and the audit log", async () => {
    const key = await create({ limit: "10" })
    await call(key)
    for (const [limit, nano] of [
      ["4", 4 * EUR],
      ["0.001", 1_000_000],
      ["25.5", 25.5 * EUR],
      ["25.50", 25.5 * EUR],
    ] as const) {
      await ok(`/api/keys/${key.id}/update`, { limit })
      expect(limitOf(key)).toMatchObject({ total_nano: nano, allowance_nano: nano, used_nano: EVENT_COST_NANO })
      expect(stored(key.id)?.limit_nano).toBe(nano)
    }
    const entries = scene.platform.sql<{ kind: string; amount_nano: number; actor: string }>(
      "SELECT kind, amount_nano, actor FROM ledger_entries WHERE budget_id = ? ORDER BY created, rowid",
      [key.budget_id],
    )
    expect(entries.map((entry) => [entry.kind, entry.amount_nano])).toEqual([
      ["reset", 10 * EUR],
      ["adjustment", -6 * EUR],
      ["adjustment", 1_000_000 - 4 * EUR],
      ["adjustment", 25.5 * EUR - 1_000_000],
    ])
    expect(entries.at(-1)?.actor).toBe(`user:${scene.a.member.id}`)
    await expectDoctorClean()
  })

  it("that brings the first limit counts what the key, old secrets included, has used in the period", async () => {
    const first = await create()
    await call(first)
    const second = await ok(`/api/keys/${first.id}/rotate`)
    await call(second)
    const limited = await ok(`/api/keys/${second.id}/update`, { limit: "2" })
    expect(limitOf(limited)).toMatchObject({ total_nano: 2 * EUR, used_nano: 2 * EVENT_COST_NANO })
    expect(stored(first.id)?.limit_nano).toBe(2 * EUR)
    await call(second)
    expect(limitOf(limited)?.used_nano).toBe(3 * EVENT_COST_NANO)
    await expectDoctorClean()
  })

  it("cannot take a limit away", async () => {
    const key = await create({ limit: "1" })
    const answer = await act(`/api/keys/${key.id}/update`, { limit: null, name: "free" })
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([409, "conflict", "limit"])
    expect(stored(key.id)).toMatchObject({ limit_nano: EUR, name: "cli" })
  })

  it.each<[string, Json, string]>([
    ["of nothing", {}, ""],
    ["of nothing that we know", { color: "red" }, ""],
    ["to an empty name", { name: "" }, "name"],
    ["to no name", { name: null }, "name"],
    ["to no models", { models: null }, "models"],
    ["to a limit of 0", { limit: "0" }, "limit"],
    ["to an end in the past", { expires_at: "2020-01-01T00:00:00Z" }, "expires_at"],
    ["to no parallel calls", { max_parallel: 0 }, "max_parallel"],
  ])("%s is refused", async (_name, changes, path) => {
    const key = await create({ limit: "1" })
    const before = stored(key.id)
    const answer = await act(`/api/keys/${key.id}/update`, changes)
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", path])
    expect(stored(key.id)).toEqual(before)
  })
})

describe("who", () => {
  const everyone: [string, () => string, create: string, touch: string][] = [
    ["the owner", () => scene.a.member.token, "200", "200"],
    ["the tenant admin", () => scene.a.admin.token, "200", "200"],
    ["an operator", () => operator.token, "200", "200"],
    ["a superuser", () => scene.platform.superuser.authStore.token, "200", "200"],
    ["a colleague", () => scene.a.colleague.token, "404 not_found", "404 not_found"],
    ["a member of another tenant", () => scene.b.member.token, "404 not_found", "404 not_found"],
    ["an admin of another tenant", () => scene.b.admin.token, "404 not_found", "404 not_found"],
    ["sales", () => sales.token, "403 forbidden", "403 forbidden"],
    ["the tenant's ingest key", () => `Bearer ${scene.a.ingestKey}`, "401 not_signed_in", "401 not_signed_in"],
    ["a guest", () => "", "401 not_signed_in", "401 not_signed_in"],
    ["nonsense", () => "Bearer \u00ff.{}.\u00ff", "401 not_signed_in", "401 not_signed_in"],
  ]
  const outcome = async (route: string, body: unknown, token: string) => {
    const answer = await act(route, body, token)
    if (answer.status === 200) return "200"
    expect(shapeProblems(answer)).toEqual([])
    return `${answer.status} ${answer.body.code}`
  }

  it.each(everyone)("%s", async (_name, token, mayCreate, mayTouch) => {
    const key = await create({ limit: "1" })
    const before = [allKeys(), scene.platform.sql("SELECT id FROM audit_log")]
    expect(await outcome("/api/keys", { name: "made for", user_id: scene.a.member.id }, token())).toBe(mayCreate)
    for (const [route, body] of [
      [`/api/keys/${key.id}/update`, { name: "theirs" }],
      [`/api/keys/${key.id}/rotate`, {}],
      [`/api/keys/${key.id}/revoke`, {}],
    ] as const) {
      expect([route, await outcome(route, body, token())]).toEqual([route, mayTouch])
      if (mayTouch === "404 not_found") {
        // A key of somebody else and a key of nobody look the same.
        const missing = await act(route.replace(key.id, "nosuchkey000000"), body, token())
        const theirs = await act(route, body, token())
        expect([missing.status, missing.body.code, missing.body.message]).toEqual([
          theirs.status,
          theirs.body.code,
          theirs.body.message,
        ])
      }
    }
    if (mayTouch !== "200") expect([allKeys(), scene.platform.sql("SELECT id FROM audit_log")]).toEqual(before)
  })

  it("somebody without a tenant must say whose key it shall be, and that user must have one", async () => {
    for (const [token, user_id, status, code] of [
      [operator.token, undefined, 400, "invalid_field"],
      [scene.platform.superuser.authStore.token, undefined, 400, "invalid_field"],
      [operator.token, sales.id, 400, "invalid_field"],
      [operator.token, "nosuchuser00000", 404, "not_found"],
      [scene.a.admin.token, scene.b.member.id, 404, "not_found"],
      [scene.a.admin.token, "nosuchuser00000", 404, "not_found"],
    ] as const) {
      const answer = await act("/api/keys", { name: "x", user_id }, token)
      expect([user_id, answer.status, answer.body.code]).toEqual([user_id, status, code])
    }
  })

  it("is in the audit log, with what changed and without a secret", async () => {
    const key = await create({ user_id: scene.a.member.id, limit: "1" }, scene.a.admin.token)
    await ok(`/api/keys/${key.id}/update`, { models: ["gpt-4o"] }, operator.token)
    const next = await ok(`/api/keys/${key.id}/rotate`)
    await ok(`/api/keys/${next.id}/revoke`, {}, scene.platform.superuser.authStore.token)
    const lines = [...trail(key.id), ...trail(next.id)]
    expect(lines.map((line) => [line.action, line.actor, line.tenant_id])).toEqual([
      ["api_key.create", `user:${scene.a.admin.id}`, scene.a.id],
      ["api_key.update", `user:${operator.id}`, scene.a.id],
      ["api_key.rotate", `user:${scene.a.member.id}`, scene.a.id],
      ["api_key.revoke", "superuser:admin@example.com", scene.a.id],
    ])
    expect(JSON.parse(lines[0]?.after ?? "")).toMatchObject({ user_id: scene.a.member.id, limit: "1.000000000", models: ["*"] })
    expect(JSON.parse(lines[1]?.before ?? "").models).toEqual(["*"])
    expect(JSON.parse(lines[1]?.after ?? "").models).toEqual(["gpt-4o"])
    expect(JSON.parse(lines[2]?.after ?? "")).toEqual({ replaced_by: next.id, expires_at: next.old_key_expires_at })
    expect(JSON.stringify(lines)).not.toMatch(/sk-cf-|key_hash/)
  })
})

describe("an owner who may not work gets no secret", () => {
  const user = (status: string) =>
    createPerson(scene.platform, { email: `${status}@alpha.example.com`, tenant_id: scene.a.id }).then(async (person) => {
      const key = await create({}, person.token)
      await scene.platform.superuser.collection("users").update(person.id, { status })
      return { person, key }
    })

  it.each(["suspended", "pending"])(
    "a %s user: the old token opens nothing, an admin cannot either, but can revoke",
    async (status) => {
      const { person, key } = await user(status)
      for (const route of ["/api/keys", `/api/keys/${key.id}/rotate`, `/api/keys/${key.id}/revoke`]) {
        expect([401, 403]).toContain((await act(route, { name: "x" }, person.token)).status)
      }
      for (const [route, body] of [
        ["/api/keys", { name: "x", user_id: person.id }],
        [`/api/keys/${key.id}/rotate`, {}],
      ] as const) {
        const answer = await act(route, body, scene.a.admin.token)
        expect([answer.status, answer.body.code]).toEqual([403, "user_suspended"])
      }
      expect(stored(key.id)).toMatchObject({ status: "active", rotated_to: "" })
      await ok(`/api/keys/${key.id}/revoke`, {}, scene.a.admin.token)
    },
  )

  it.each(["suspended", "pending", "deleted"])("a user of a %s tenant", async (status) => {
    const key = await create({}, scene.b.member.token)
    await scene.platform.superuser.collection("tenants").update(scene.b.id, { status })
    for (const [token, route, body] of [
      [scene.b.member.token, "/api/keys", { name: "x" }],
      [operator.token, "/api/keys", { name: "x", user_id: scene.b.member.id }],
      [scene.b.admin.token, `/api/keys/${key.id}/rotate`, {}],
    ] as const) {
      const answer = await act(route, body, token)
      expect([answer.status, answer.body.code]).toEqual([403, "tenant_suspended"])
    }
    await ok(`/api/keys/${key.id}/revoke`, {}, scene.b.member.token)
    await scene.platform.superuser.collection("tenants").update(scene.b.id, { status: "active" })
  })
})

describe("the record API", () => {
  const api = (method: string, path: string, token: string, body?: unknown) =>
    scene.platform.request(method, `/api/collections/api_keys/records${path}`, { token, body })

  it("lists own keys with their terms, and never the hash", async () => {
    const key = await create({ limit: "1", models: ["gpt-4o"] })
    const { body } = await api("GET", `?filter=${encodeURIComponent(`(id='${key.id}')`)}`, scene.a.member.token)
    expect(body.items).toHaveLength(1)
    expect(body.items[0]).toMatchObject({ limit_nano: EUR, budget_key_id: key.id, models: ["gpt-4o"], last4: key.last4 })
    expect(body.items[0]).not.toHaveProperty("key_hash")
  })

  it.each([
    "filter=(key_hash~'a')",
    "sort=key_hash",
    "sort=-key_hash",
    "filter=(tenant_id.api_keys_via_tenant_id.key_hash?~'a')",
  ])("?%s is refused: a hash cannot be guessed", async (query) => {
    for (const { token } of [scene.a.member, scene.a.admin, operator]) {
      expect([400, 403]).toContain((await api("GET", `?${encodeURI(query)}`, token)).status)
    }
  })

  it.each<[string, string, () => string, Json | undefined]>([
    ["makes", "POST", () => "", { name: "x", status: "active", key_hash: "f".repeat(64) }],
    ["changes", "PATCH", () => `/${allKeys().map((row) => (row as { id: string }).id)[0]}`, { limit_nano: 0 }],
    ["deletes", "DELETE", () => `/${allKeys().map((row) => (row as { id: string }).id)[0]}`, undefined],
  ])("%s no key, not even for a superuser, and names the routes", async (_verb, method, path, body) => {
    await create()
    const before = allKeys()
    const row = body && method === "POST" ? { ...body, tenant_id: scene.a.id, user_id: scene.a.member.id } : body
    const answer = await api(method, path(), scene.platform.superuser.authStore.token, row)
    expect(answer.status).toBe(403)
    expect(answer.body.message).toContain("/api/keys")
    for (const { token } of [scene.a.member, scene.a.admin, operator]) {
      expect([400, 403, 404]).toContain((await api(method, path(), token, row)).status)
    }
    expect(allKeys()).toEqual(before)
  })
})

describe("many at once", () => {
  it("rotations of one key: one wins, the others hear that it was replaced", async () => {
    const key = await create({ limit: "1" })
    const answers = await Promise.all(Array.from({ length: 8 }, () => act(`/api/keys/${key.id}/rotate`)))
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, ...Array(7).fill(409)])
    expect(scene.platform.sql("SELECT id FROM api_keys WHERE budget_key_id = ?", [key.id])).toHaveLength(2)
  })

  it("first limits of one key open one budget", async () => {
    const key = await create()
    const answers = await Promise.all(["1", "2", "3", "4"].map((limit) => act(`/api/keys/${key.id}/update`, { limit })))
    expect(new Set(answers.map((answer) => answer.body.budget_id)).size).toBe(1)
    expect(scene.platform.sql("SELECT id FROM budgets WHERE api_key_id = ?", [key.id])).toHaveLength(1)
    expect(limitOf(answers[0]?.body)?.total_nano).toBe(stored(key.id)?.limit_nano)
  })
})

it("a key's limit is no money of the tenant, and the books are sound after all of this", async () => {
  const id = budgetId(scene.platform, "tenant", scene.a.id)
  const total = () => scene.platform.sql("SELECT total_nano FROM budgets WHERE id = ?", [id])
  const before = total()
  await create({ limit: "1000000" })
  expect(total()).toEqual(before)
  await expectDoctorClean()
})
