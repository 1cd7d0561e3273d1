/** The guarantee: an ingest key is seen once, opens ingest of its tenant and nothing else, and stops when it was told to stop. */
import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPerson, type Person, shapeProblems, startTwoTenants, type TwoTenants, usageEvent } from "./two-tenants"

let scene: TwoTenants
let operator: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
})
afterAll(() => scene?.platform.stop())

const act = (route: string, body: unknown = {}, token = operator.token) => scene.platform.request("POST", route, { token, body })
const issue = async (body: Record<string, unknown> = {}) =>
  (await act(`/api/tenants/${scene.a.id}/ingest-keys`, { name: "bundle", ...body })).body
const statusWith = async (key: string, route = "/api/usage/events") => {
  const { status, body } = await scene.platform.ingest(key, { events: [usageEvent()] }, route)
  return status === 200 ? "200" : `${status} ${body.code}`
}
const stored = (id: string) => scene.platform.sql<Record<string, string>>("SELECT * FROM ingest_keys WHERE id = ?", [id])[0]

describe("a new key", () => {
  it("is shown once, works, and is stored as a hash only", async () => {
    const issued = await issue()
    expect(issued).toMatchObject({
      id: expect.any(String),
      name: "bundle",
      route: "any",
      key: expect.stringMatching(/^cfi_[A-Za-z0-9]{43}$/),
    })
    expect(await statusWith(issued.key)).toBe("200")
    const row = stored(issued.id)
    expect(row).toMatchObject({
      tenant_id: scene.a.id,
      prefix: issued.key.slice(0, 8),
      last4: issued.key.slice(-4),
      status: "active",
    })
    expect(row?.key_hash).toBe(createHash("sha256").update(issued.key).digest("hex"))
    expect(JSON.stringify(scene.platform.sql("SELECT * FROM ingest_keys JOIN audit_log"))).not.toContain(issued.key)
  })

  it("remembers when it was last used", async () => {
    const issued = await issue()
    expect(stored(issued.id)?.last_used).toBe("")
    await statusWith(issued.key)
    expect(stored(issued.id)?.last_used).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it("bound to a route opens that route and no other, and always the cursor", async () => {
    const events = await issue({ route: "events" })
    const litellm = await issue({ route: "litellm" })
    expect(await statusWith(events.key)).toBe("200")
    expect(await statusWith(events.key, "/api/usage/litellm")).toBe("403 key_bound_to_other_route")
    expect(await statusWith(litellm.key)).toBe("403 key_bound_to_other_route")
    expect(await statusWith(litellm.key, "/api/usage/litellm")).toBe("200")
    for (const { key } of [events, litellm]) {
      const cursor = await scene.platform.request("GET", "/api/usage/cursor?source=s", { token: `Bearer ${key}` })
      expect(cursor.status).toBe(200)
    }
  })

  it.each([
    ["no name", { name: undefined }, "name"],
    ["an empty name", { name: "  " }, "name"],
    ["a name of 101 characters", { name: "n".repeat(101) }, "name"],
    ["an unknown route", { route: "all" }, "route"],
  ])("with %s is refused", async (_name, body, path) => {
    const answer = await act(`/api/tenants/${scene.a.id}/ingest-keys`, { name: "x", ...body })
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", path])
    expect(shapeProblems(answer)).toEqual([])
  })

  it("of a tenant that does not exist is a 404", async () => {
    expect((await act("/api/tenants/nope/ingest-keys", { name: "x" })).status).toBe(404)
  })
})

describe("rotation", () => {
  it("leaves the old key valid for the overlap, keeps name and route, and is in the audit log", async () => {
    const old = await issue({ route: "events" })
    const next = (await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 2 })).body
    expect(next).toMatchObject({ name: "bundle", route: "events" })
    expect(next.key).not.toBe(old.key)
    expect([await statusWith(old.key), await statusWith(next.key)]).toEqual(["200", "200"])
    expect(stored(old.id)?.expires_at?.replace(" ", "T")).toBe(next.old_key_expires_at)
    expect(
      scene.platform.sql("SELECT actor, tenant_id FROM audit_log WHERE action = 'ingest_key.rotate' AND target = ?", [old.id]),
    ).toEqual([{ actor: `user:${operator.id}`, tenant_id: scene.a.id }])
  })

  it("without an overlap ends the old key at once", async () => {
    const old = await issue()
    const next = (await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 0 })).body
    expect([await statusWith(old.key), await statusWith(next.key)]).toEqual(["401 key_expired", "200"])
  })

  it.each([-1, 721, "24", null])("with an overlap of %j is refused", async (overlap_hours) => {
    const old = await issue()
    expect((await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours })).status).toBe(400)
    expect(stored(old.id)?.expires_at).toBe("")
  })

  it("never lengthens the life of a key that is already running out", async () => {
    const old = await issue()
    await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 1 })
    const first = stored(old.id)?.expires_at ?? ""
    await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 100 })
    expect(stored(old.id)?.expires_at).toBe(first)
  })

  it("never brings an expired key back to life", async () => {
    const old = await issue()
    await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 0 })
    await act(`/api/ingest-keys/${old.id}/rotate`, { overlap_hours: 24 })
    expect(await statusWith(old.key)).toBe("401 key_expired")
  })

  it("of a revoked key is a conflict, of none a 404", async () => {
    const old = await issue()
    await act(`/api/ingest-keys/${old.id}/revoke`)
    expect((await act(`/api/ingest-keys/${old.id}/rotate`)).status).toBe(409)
    expect((await act("/api/ingest-keys/nope/rotate")).status).toBe(404)
  })
})

describe("revocation", () => {
  it("works with the next request, and twice is the same", async () => {
    const issued = await issue()
    expect(await statusWith(issued.key)).toBe("200")
    for (let i = 0; i < 2; i++) {
      const answer = await scene.platform.request("POST", `/api/ingest-keys/${issued.id}/revoke`, { token: operator.token })
      expect([answer.status, answer.body]).toEqual([200, { id: issued.id, status: "revoked" }])
    }
    expect(await statusWith(issued.key)).toBe("401 key_revoked")
    expect(await statusWith(issued.key, "/api/usage/litellm")).toBe("401 key_revoked")
  })
})

describe("nobody but an operator", () => {
  it.each([
    ["a tenant admin of the tenant", () => scene.a.admin.token, 403],
    ["a member", () => scene.a.member.token, 403],
    ["an admin of another tenant", () => scene.b.admin.token, 403],
    ["an ingest key of the tenant", () => `Bearer ${scene.a.ingestKey}`, 401],
    ["a guest", () => "", 401],
  ])("issues, rotates or revokes keys: %s", async (_name, token, status) => {
    const issued = await issue()
    const count = () => scene.platform.sql("SELECT id, status, expires_at FROM ingest_keys ORDER BY id")
    const before = count()
    for (const route of [
      `/api/tenants/${scene.a.id}/ingest-keys`,
      `/api/ingest-keys/${issued.id}/rotate`,
      `/api/ingest-keys/${issued.id}/revoke`,
    ]) {
      expect((await act(route, { name: "mine" }, token())).status).toBe(status)
    }
    expect(count()).toEqual(before)
  })
})
