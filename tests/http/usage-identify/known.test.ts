/** The guarantee: a tenant's gate learns who is behind a key or a chat account of that tenant, and what they may do; nothing secret. */
import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, inMs, MODEL } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const hashOf = (key: string) => createHash("sha256").update(key).digest("hex")

describe("by a key's hash", () => {
  it("answers the person, the key and its terms, for at most 30 seconds", async () => {
    const user = await gate.createUser({ models: [MODEL, "embed"], rate_limit: 20, max_parallel: 4 })
    const key = await gate.createKey(user, { name: "cli", models: [MODEL, "voice"], max_parallel: 2 })
    expect(await gate.identify({ api_key_hash: hashOf(key.key) })).toEqual({
      ...{ known: true, user_id: user.id, email: user.email, api_key_id: key.id, api_key_name: "cli", status: "active" },
      ...{ models: [MODEL], rate_limit: 20, max_parallel: 2, ttl: 30 },
    })
  })

  it.each<[string, unknown, string[] | undefined, string[]]>([
    ["all and all", ["all"], undefined, ["*"]],
    ["all and some", ["*"], [MODEL], [MODEL]],
    ["some and all", [MODEL], ["*"], [MODEL]],
    ["nothing in common", [MODEL], ["embed"], []],
    ["a wildcard and a name in it", ["counted-*"], [MODEL], [MODEL]],
  ])("models of product and key: %s", async (_name, models, keyModels, expected) => {
    const user = await gate.createUser({ models })
    const key = await gate.createKey(user, keyModels === undefined ? {} : { models: keyModels })
    expect((await gate.identify({ api_key_hash: hashOf(key.key) })).models).toEqual(expected)
  })

  it.each<[string, number, number | null, number | null]>([
    ["none at all", 0, null, null],
    ["the product's", 4, null, 4],
    ["the key's", 0, 3, 3],
    ["the smaller one, the product's", 2, 3, 2],
    ["the smaller one, the key's", 4, 3, 3],
  ])("calls at a time: %s", async (_name, ofProduct, ofKey, expected) => {
    const user = await gate.createUser({ max_parallel: ofProduct })
    const key = await gate.createKey(user, { max_parallel: ofKey })
    expect(await gate.identify({ api_key_hash: hashOf(key.key) })).toMatchObject({ max_parallel: expected, rate_limit: null })
  })

  it("both keys of a rotation are known while they overlap", async () => {
    const user = await gate.createUser()
    const old = await gate.createKey(user)
    const token = await gate.platform.tokenOf(user)
    const next = await gate.platform.request("POST", `/api/keys/${old.id}/rotate`, { token, body: { overlap_hours: 1 } })
    for (const key of [old.key, next.body.key])
      expect(await gate.identify({ api_key_hash: hashOf(key) })).toMatchObject({ known: true })
  })

  it("notes that the key is in use, at most once a minute", async () => {
    const key = await gate.createKey(await gate.createUser())
    const used = () =>
      gate.platform.sql<{ last_used: string }>("SELECT last_used FROM api_keys WHERE id = ?", [key.id])[0]?.last_used
    expect(used()).toBe("")
    await gate.identify({ api_key_hash: hashOf(key.key) })
    const first = used()
    expect(first).not.toBe("")
    await gate.identify({ api_key_hash: hashOf(key.key) })
    expect(used()).toBe(first)
    await gate.platform.restart({ clock: inMs(61_000) })
    await gate.identify({ api_key_hash: hashOf(key.key) })
    expect((used() as string) > (first as string)).toBe(true)
  })
})

describe("by an account of the tenant's chat", () => {
  const link = (userId: string, chatUserId: string, tenantId = gate.tenant.id) =>
    gate.platform.superuser
      .collection("chat_accounts")
      .create({ tenant_id: tenantId, user_id: userId, chat_user_id: chatUserId, state: "active" })

  it("answers the person whom provisioning linked to it, whatever address the chat has", async () => {
    const user = await gate.createUser({ models: [MODEL], rate_limit: 9 })
    await link(user.id, "chat-1")
    const expected = {
      ...{ known: true, user_id: user.id, email: user.email, status: "active", models: [MODEL], rate_limit: 9 },
      ...{ max_parallel: null, ttl: 30 },
    }
    expect(await gate.identify({ user: { id: "chat-1" } })).toEqual(expected)
    const colleague = await gate.createUser()
    expect(await gate.identify({ user: { id: "chat-1", email: colleague.email } })).toEqual(expected)
  })

  it("by address only if we verified it, in any case and without spaces around it", async () => {
    const [verified, unverified] = [await gate.createUser(), await gate.createUser({}, { verified: false })]
    for (const email of [verified.email, ` ${verified.email.toUpperCase()} `]) {
      expect(await gate.identify({ user: { id: "never-linked", email } })).toMatchObject({ known: true, user_id: verified.id })
      expect(await gate.identify({ user: { email } })).toMatchObject({ known: true, user_id: verified.id })
    }
    expect(await gate.identify({ user: { email: unverified.email } })).toMatchObject({ known: false, code: "unknown_identity" })
  })

  it("the same account id in another tenant's chat is somebody else", async () => {
    const other = await gate.ofAnotherTenant()
    const [mine, theirs] = [await gate.createUser(), await other.createUser()]
    await link(mine.id, "same-id")
    await link(theirs.id, "same-id", other.tenant.id)
    expect(await gate.identify({ user: { id: "same-id" } })).toMatchObject({ user_id: mine.id })
    expect(await other.identify({ user: { id: "same-id" } })).toMatchObject({ user_id: theirs.id })
  })

  it("a person without a product is known and may use nothing", async () => {
    const user = await gate.createUser({}, { product_id: "" })
    expect(await gate.identify({ user: { email: user.email } })).toMatchObject({ known: true, models: [], rate_limit: null })
  })
})
