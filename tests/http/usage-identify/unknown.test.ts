/** The guarantee: who may not call is not known, with the reason, which is noted; whoever belongs to another tenant is a stranger. */
import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, inMs, MODEL } from "../gate"

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

describe('"why was I blocked?"', () => {
  const noted = (userId: string) =>
    gate.platform.sql<Record<string, unknown>>("SELECT * FROM refusals WHERE user_id = ? ORDER BY created, rowid", [userId])
  const all = () => gate.platform.sql("SELECT id FROM refusals ORDER BY id")

  it("somebody suspended finds it, by chat and by key, without a call or a model", async () => {
    const user = await gate.createUser()
    const key = await gate.createKey(user)
    await gate.platform.superuser.collection("users").update(user.id, { status: "suspended" })
    const chat = await gate.identify({ user: { email: user.email } })
    const program = await byKey(key.key)
    const usual = { tenant_id: gate.tenant.id, call_id: "", model: "", code: "user_suspended", scope: "user", times: 1 }
    expect(noted(user.id)).toMatchObject([
      { ...usual, api_key_id: "", message: chat.message, limit_value: 0, needed_nano: 0, resets_at: "" },
      { ...usual, api_key_id: key.id, message: program.message },
    ])
    expect([chat.message, program.message]).toEqual([
      "Ihr Konto ist nicht aktiv. Bitte wenden Sie sich an Ihre Verwaltung.",
      "Your account is not active. Please ask your administrator.",
    ])
  })

  it.each(["tenant_suspended", "key_revoked", "key_expired"])("%s is noted under the key", async (code) => {
    const own = await gate.ofAnotherTenant()
    const user = await own.createUser()
    const key = await own.createKey(user, code === "key_expired" ? { expires_at: inMs(60_000) } : {})
    const token = await own.platform.tokenOf(user)
    if (code === "tenant_suspended")
      await own.platform.superuser.collection("tenants").update(own.tenant.id, { status: "suspended" })
    if (code === "key_revoked") await own.platform.request("POST", `/api/keys/${key.id}/revoke`, { token, body: {} })
    if (code === "key_expired") await own.platform.restart({ clock: inMs(61_000) })
    expect(await byKey(key.key, own)).toEqual(refused(code))
    const scope = code === "tenant_suspended" ? "tenant" : "api_key"
    expect(noted(user.id)).toMatchObject([{ tenant_id: own.tenant.id, api_key_id: key.id, code, scope, times: 1 }])
  })

  it("asking in a loop makes one row a minute, which keeps the call that a later question does not have", async () => {
    await gate.platform.restart({ clock: "2027-02-10T10:00:05Z" })
    const user = await gate.createUser()
    await gate.platform.superuser.collection("users").update(user.id, { status: "suspended" })
    await gate.ask({ call_id: "tried", user_id: user.id, model: "not in the book" })
    for (let i = 0; i < 5; i++) await gate.identify({ user: { email: user.email } })
    expect(noted(user.id)).toMatchObject([{ times: 6, call_id: "tried", model: "" }])
    await gate.ask({ call_id: "tried again", user_id: user.id, model: "not in the book" })
    await gate.ask({ call_id: "another", user_id: user.id, model: MODEL })
    expect(noted(user.id)).toMatchObject([
      { times: 7, call_id: "tried again" },
      { times: 1, call_id: "another" },
    ])
    await gate.platform.restart({ clock: inMs(0) })
  })

  it("strangers leave no row, nor does anybody who is known", async () => {
    const other = await gate.ofAnotherTenant()
    const foreigner = await other.createUser()
    const [user, foreign] = [await gate.createUser(), await other.createKey(foreigner)]
    const key = await gate.createKey(user)
    const before = all()
    for (let i = 0; i < 3; i++) await byKey(`sk-cf-invented-${i}`)
    await byKey(foreign.key)
    await gate.identify({ user: { id: "stranger", email: "nobody@example.com" } })
    await gate.identify({ user: { email: foreigner.email } })
    expect(await byKey(key.key)).toMatchObject({ known: true })
    expect(await gate.identify({ user: { email: user.email } })).toMatchObject({ known: true })
    expect(all()).toEqual(before)
  })
})

describe("a stranger reads", () => {
  it.each([
    ["de", "Dieses Konto ist hier nicht bekannt. Bitte wenden Sie sich an Ihre Verwaltung."],
    ["en", "This user is not known here. Please ask your administrator."],
  ])("of a tenant in %s: in the chat its language, with a key English", async (language, sentence) => {
    const own = await gate.ofAnotherTenant({ language })
    expect((await own.identify({ user: { id: "stranger" } })).message).toBe(sentence)
    expect((await byKey("sk-cf-nobody", own)).message).toBe(
      "This API key is not known here. Please check it, or create a new one.",
    )
  })
})
