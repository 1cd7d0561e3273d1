/**
 * The guarantee: whatever kind of call a tenant's people make with their keys, by the providers' own SDKs, is answered, and is
 * one row of the right person, key, tokens and cost. Two tenants, each with its own LiteLLM from the template.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCron, waitUntil } from "../../faults/books"
import { KINDS, type Kind } from "./calls-table"
import { describeLimits } from "./limits"
import { CHAT, errorOf, type House, INSTALL_AND_START_MS, openai, type Person, Scene, say } from "./scene"
import { describeStanding } from "./standing"

let scene: Scene
let [alpha, beta]: House[] = []

beforeAll(async () => {
  scene = await Scene.start(2, 1)
  ;[alpha, beta] = scene.houses
}, INSTALL_AND_START_MS)
afterAll(() => scene?.stop(), 60_000)

describe.each([0, 1])("through the LiteLLM of tenant %i", (index) => {
  const made = new Map<string, { person: Person; text: string; answer: string }>()

  beforeAll(async () => {
    const house = scene.houses[index] as House
    const calls = KINDS.map(async (kind, n) => {
      const person = await scene.person(house)
      const text = `call ${n} of tenant ${index}`
      made.set(kind.name, { person, text, answer: await kind.run(house, person.key, text) })
    })
    await Promise.all(calls)
    await house.proxy.delivered()
  })

  it.each(KINDS)("$name", (kind: Kind) => {
    const { person, text, answer } = made.get(kind.name) as { person: Person; text: string; answer: string }
    expect(answer).toContain(kind.answer)
    expect(scene.arrived(text)).toHaveLength(1)
    scene.expectBookedOnce(person, kind.model, kind.usage(text))
  })
})

it("a key of one tenant is nobody's at the other's LiteLLM", async () => {
  const stranger = await scene.person(alpha as House)
  const text = "from next door"
  const error = await errorOf(openai(beta as House, stranger.key).chat.completions.create({ model: CHAT, ...say(text) }))
  expect(error).toMatchObject({ status: 401, code: "unknown_identity" })
  expect(scene.arrived(text)).toEqual([])
  scene.expectNothingBooked(stranger)
})

describe("money and rates", () => describeLimits(() => ({ scene, house: alpha as House })))

describe("people, models and keys", () => describeStanding(() => ({ scene, house: beta as House })))

it("the books are sound, and no hold outlives its time", async () => {
  await scene.expectSoundBooks()
  await Promise.all(scene.houses.map(({ proxy }) => proxy.stop()))
  await scene.platform.restart({ clock: new Date(Date.now() + 11 * 60_000).toISOString() })
  await runCron(scene.platform, "expire-holds")
  const open = () => scene.platform.sql("SELECT * FROM holds WHERE state = 'open'")
  await waitUntil("no hold is open", () => open().length === 0)
  await scene.expectCleanDoctor()
})
