/** Who may call, as of this moment: models, suspended people and tenants, and the life of a key. */
import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import { CHAT, errorOf, type House, openai, type Person, type Scene, say } from "./scene"

type Stage = () => { scene: Scene; house: House }

export function describeStanding(stage: Stage): void {
  const call = (key: string, text: string, model = CHAT) =>
    openai(stage().house, key).chat.completions.create({ model, ...say(text) })

  /** The call is refused, nothing reaches the provider, and nothing more is booked. */
  async function expectRefused(person: Person, key: string, status: number, code: string, model = CHAT): Promise<void> {
    const { scene, house } = stage()
    await house.proxy.delivered()
    const before = scene.usage(person).length
    const text = `refused: ${code} ${person.id}`
    const error = await errorOf(call(key, text, model))
    expect(error).toMatchObject({ status, code })
    expect(error.message).toMatch(/^\d{3} [A-Z].{10,}\.$/)
    await house.proxy.delivered()
    expect(scene.arrived(text)).toEqual([])
    expect(scene.usage(person)).toHaveLength(before)
    expect(scene.holds(person).filter(({ state }) => state === "open")).toEqual([])
  }

  it.each([
    ["product", { models: [CHAT] }, {}],
    ["key", {}, { models: [CHAT] }],
  ])("a model that the %s does not have is 403, and is not listed", async (_whose, terms, keyTerms) => {
    const { scene, house } = stage()
    const person = await scene.person(house, terms, keyTerms)
    await expectRefused(person, person.key, 403, "model_not_allowed", "gpt-4o")
    await call(person.key, "allowed")
    const listed = []
    for await (const model of openai(house, person.key).models.list()) listed.push(model.id)
    expect(listed).toEqual([CHAT])
  })

  it("a model that the config has and the price book has not is 403", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    await expectRefused(person, person.key, 403, "model_unpriced", "o4-mini")
  })

  it.each([
    ["the person", "users", (person: Person) => person.id, "user_suspended"],
    ["the tenant", "tenants", (person: Person) => person.tenantId, "tenant_suspended"],
  ])("%s suspended between two calls: the second is 403, and after that all is as before", async (_who, collection, id, code) => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    const records = scene.platform.superuser.collection(collection)
    await call(person.key, "before")
    await records.update(id(person), { status: "suspended" })
    try {
      await expectRefused(person, person.key, 403, code)
    } finally {
      await records.update(id(person), { status: "active" })
    }
    await call(person.key, "after")
    await house.proxy.delivered()
    expect(scene.usage(person)).toHaveLength(2)
  })

  it("a rotated key: the new one and the old one work, until the overlap ends", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    await call(person.key, "old, before")
    const rotated = await scene.post(person, `/api/keys/${person.keyId}/rotate`, { overlap_hours: 3 / 3_600 })
    await call(person.key, "old, in the overlap")
    await call(rotated.key, "new")
    await sleep(Math.max(0, Date.parse(rotated.old_key_expires_at) - Date.now()) + 100)
    await expectRefused(person, person.key, 401, "key_expired")
    await call(rotated.key, "new, later")
    await house.proxy.delivered()
    expect(scene.usage(person).map(({ api_key_id }) => api_key_id)).toEqual([person.keyId, person.keyId, rotated.id, rotated.id])
  })

  it("a revoked key is 401 at once, other keys go on", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    const other = await scene.createKey(person)
    await call(person.key, "before")
    await scene.post(person, `/api/keys/${person.keyId}/revoke`)
    await expectRefused(person, person.key, 401, "key_revoked")
    await call(other.key, "other")
  })

  it("an expired key is 401", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    const { key, keyId } = await scene.createKey(person, { expires_at: new Date(Date.now() + 2_000).toISOString() })
    await call(key, "in time")
    await sleep(2_100)
    await expectRefused(person, key, 401, "key_expired")
    await house.proxy.delivered()
    expect(scene.usage(person).map(({ api_key_id }) => api_key_id)).toEqual([keyId])
  })

  it("a key's own limit refuses with the key's name for it, others of the same person go on", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    const small = await scene.createKey(person, { limit: "0.000000001" })
    const error = await errorOf(call(small.key, "little money"))
    expect(error).toMatchObject({
      status: 402,
      code: "budget_exhausted",
      message: expect.stringContaining("limit of this API key"),
    })
    await call(person.key, "other money")
  })

  it("a key that nobody has, or none at all, is 401", async () => {
    for (const key of [`sk-cf-${"x".repeat(43)}`, "sk-", "not-a-key"]) {
      expect(await errorOf(call(key, "stranger"))).toMatchObject({ status: 401, code: "unknown_identity" })
    }
    const { house, scene } = stage()
    const bare = await fetch(`${house.proxy.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: CHAT, ...say("stranger") }),
    })
    expect(bare.status).toBe(401)
    expect(scene.arrived("stranger")).toEqual([])
  })
}
