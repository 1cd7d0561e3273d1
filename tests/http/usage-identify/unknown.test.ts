/** The guarantee: who may not call is not known, with the reason; whoever belongs to another tenant is a stranger. */
import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, inMs } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const byKey = (key: string, asking = gate) => asking.identify({ api_key_hash: createHash("sha256").update(key).digest("hex") })
const refused = (code: string) => ({ known: false, code, message: expect.stringMatching(/\.$/) })

describe("not known", () => {
  it("a key that does not exist, or whose text was sent hashed wrongly", async () => {
    const key = await gate.createKey(await gate.createUser())
    expect(await byKey("sk-cf-nobody")).toEqual(refused("unknown_identity"))
    expect(await byKey(`${key.key} `)).toEqual(refused("unknown_identity"))
  })

  it("a key and a person of another tenant", async () => {
    const other = await gate.ofAnotherTenant()
    const user = await other.createUser()
    const key = await other.createKey(user)
    expect(await byKey(key.key)).toEqual(refused("unknown_identity"))
    expect(await gate.identify({ user: { email: user.email } })).toEqual(refused("unknown_identity"))
    expect(await byKey(key.key, other)).toMatchObject({ known: true })
  })

  it("an account that nobody linked, and an address that nobody has", async () => {
    expect(await gate.identify({ user: { id: "stranger" } })).toEqual(refused("unknown_identity"))
    expect(await gate.identify({ user: { id: "stranger", email: "nobody@example.com" } })).toEqual(refused("unknown_identity"))
    expect(await gate.identify({ user: { email: "%" } })).toEqual(refused("unknown_identity"))
  })
})

describe("not any more", () => {
  it.each(["suspended", "pending"])("a person whose status is %s, by key and by address, until it is active", async (status) => {
    const user = await gate.createUser()
    const key = await gate.createKey(user)
    const users = gate.platform.superuser.collection("users")
    await users.update(user.id, { status })
    expect(await byKey(key.key)).toEqual(refused("user_suspended"))
    expect(await gate.identify({ user: { email: user.email } })).toEqual(refused("user_suspended"))
    await users.update(user.id, { status: "active" })
    expect(await byKey(key.key)).toMatchObject({ known: true })
  })

  it("anybody of a suspended tenant", async () => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    const key = await own.createKey(user)
    await own.platform.superuser.collection("tenants").update(own.tenant.id, { status: "suspended" })
    expect(await byKey(key.key, own)).toEqual(refused("tenant_suspended"))
    expect(await own.identify({ user: { email: user.email } })).toEqual(refused("tenant_suspended"))
  })

  it("a key that was revoked, or has expired; and it is not noted as used", async () => {
    const user = await gate.createUser()
    const [revoked, expired] = [await gate.createKey(user), await gate.createKey(user, { expires_at: inMs(1_500) })]
    const token = await gate.platform.tokenOf(user)
    await gate.platform.request("POST", `/api/keys/${revoked.id}/revoke`, { token, body: {} })
    expect(await byKey(revoked.key)).toEqual(refused("key_revoked"))
    await gate.platform.restart({ clock: inMs(2_000) })
    expect(await byKey(expired.key)).toEqual(refused("key_expired"))
    expect(gate.platform.sql("SELECT last_used FROM api_keys WHERE last_used != '' AND user_id = ?", [user.id])).toEqual([])
  })
})
