/** The guarantee: a person in the chat reads a refusal in the tenant's language, a program with a key in English; the stored row says the same. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Gate, MODEL } from "../gate"

let gate: Gate
beforeAll(async () => {
  gate = await Gate.start()
})
afterAll(() => gate?.platform.stop())

const GERMAN = /(Bitte|Ihre Verwaltung kann) /
const ENGLISH = /([Pp]lease|administrator can) /

type Before = (own: Gate, userId: string) => Promise<unknown>

/** [what refuses, terms of the product, what happens before, the question] */
const CASES: [string, Record<string, unknown>, Before | null, Record<string, unknown>][] = [
  ["budget_exhausted", {}, (own, userId) => own.settle(userId, 1_000_000), {}],
  ["model_not_allowed", { models: ["embed"] }, null, {}],
  ["model_unpriced", {}, null, { model: "unheard-of" }],
  ["rate_limited", { rate_limit: 1 }, (own, userId) => own.grant({ user_id: userId }), {}],
  ["too_many_parallel", { max_parallel: 1 }, (own, userId) => own.grant({ user_id: userId }), {}],
  ["user_suspended", {}, (own, id) => own.platform.superuser.collection("users").update(id, { status: "suspended" }), {}],
]

describe.each<[string, Record<string, unknown>, RegExp, RegExp]>([
  ["German", { language: "de" }, GERMAN, ENGLISH],
  ["English", { language: "en" }, ENGLISH, GERMAN],
  ["not chosen", {}, GERMAN, ENGLISH],
])("a tenant whose language is %s", (_name, data, inChat, never) => {
  let own: Gate
  beforeAll(async () => {
    own = await gate.ofAnotherTenant(data)
  })

  it.each(CASES)("%s", async (code, terms, before, question) => {
    const user = await own.createUser(terms)
    const key = await own.createKey(user)
    await before?.(own, user.id)
    const chat = await own.ask({ user_id: user.id, ...question })
    expect(chat).toMatchObject({ code, message: expect.stringMatching(inChat) })
    expect(chat.message).not.toMatch(never)
    expect(own.refusal(chat.refusal_id)?.message).toBe(chat.message)
    const program = await own.ask({ user_id: user.id, api_key_id: key.id, ...question })
    expect(program).toMatchObject({ code, message: expect.stringMatching(ENGLISH) })
    expect(program.message).not.toMatch(GERMAN)
    expect(own.refusal(program.refusal_id)?.message).toBe(program.message)
  })

  it("somebody unknown, by chat and by key", async () => {
    expect((await own.ask({ user_id: "nobody" })).message).toMatch(inChat)
    expect((await own.ask({ user_id: "nobody", api_key_id: "nokey" })).message).toMatch(ENGLISH)
  })
})

it("a change of the tenant's language is in the very next sentence", async () => {
  const own = await gate.ofAnotherTenant()
  const user = await own.createUser({ models: ["embed"] })
  const message = async () => (await own.ask({ user_id: user.id })).message
  expect(await message()).toBe(`Das Modell ${MODEL} gehört nicht zu Ihrem Produkt. Bitte wenden Sie sich an Ihre Verwaltung.`)
  await own.platform.superuser.collection("tenants").update(own.tenant.id, { language: "en" })
  expect(await message()).toBe(`The model ${MODEL} is not part of your product. Please ask your administrator.`)
})
