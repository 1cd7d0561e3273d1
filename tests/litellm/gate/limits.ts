/** Money and rates: what a call may use is cut to what is left, and what several workers let through together is exact. */
import OpenAI from "openai"
import { expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import { MARKER } from "../../support/fake-openai"
import { anthropic, CHAT, CLAUDE, costOf, EMBEDDING, errorOf, type House, openai, type Person, type Scene, say } from "./scene"

type Stage = () => { scene: Scene; house: House }
type Run = (house: House, key: string, text: string) => PromiseLike<unknown>

const MODEL = "gpt-4o"
const ANTHROPIC_LIMIT = { max_tokens: 5_000 }
const THINKING = { thinking: { type: "enabled", budget_tokens: 4_000 } } as const

/** Name, budget in EUR, answers a call, what is asked. */
const CLAMPED: [name: string, budget: number, answers: number, run: Run][] = [
  ["chat", 0.001, 1, (h, k, t) => chat(h, k, t, { max_tokens: 5_000 })],
  ["chat by the newer name of the limit", 0.001, 1, (h, k, t) => chat(h, k, t, { max_completion_tokens: 5_000 })],
  ["chat with both names", 0.001, 1, (h, k, t) => chat(h, k, t, { max_tokens: 5_000, max_completion_tokens: 6_000 })],
  ["chat without a limit", 0.001, 1, (h, k, t) => chat(h, k, t)],
  ["chat with three answers", 0.001, 3, (h, k, t) => chat(h, k, t, { max_tokens: 2_000, n: 3 })],
  ["chat with tools", 0.001, 1, (h, k, t) => chat(h, k, t, { max_tokens: 5_000, tools: [TOOL] })],
  ["responses", 0.001, 1, (h, k, t) => openai(h, k).responses.create({ model: CHAT, input: t, max_output_tokens: 5_000 })],
  ["responses without a limit", 0.001, 1, (h, k, t) => openai(h, k).responses.create({ model: CHAT, input: t })],
  ["messages", 0.01, 1, (h, k, t) => anthropic(h, k).messages.create({ model: CLAUDE, ...say(t), ...ANTHROPIC_LIMIT })],
  [
    ...(["messages that think", 0.01, 1] as const),
    (h, k, t) => anthropic(h, k).messages.create({ model: CLAUDE, ...say(t), ...ANTHROPIC_LIMIT, ...THINKING }),
  ],
]
const TOOL = { type: "function" as const, function: { name: "weather", parameters: { type: "object", properties: {} } } }

const BROKE: [name: string, run: Run][] = [
  ["chat", (h, k, t) => chat(h, k, t)],
  ["chat, streamed", (h, k, t) => openai(h, k).chat.completions.create({ model: CHAT, ...say(t), stream: true })],
  ["embeddings", (h, k, t) => openai(h, k).embeddings.create({ model: EMBEDDING, input: t })],
  ["responses", (h, k, t) => openai(h, k).responses.create({ model: CHAT, input: t })],
  ["responses, streamed", (h, k, t) => openai(h, k).responses.create({ model: CHAT, input: t, stream: true })],
]

export function describeLimits(stage: Stage): void {
  it.each(CLAMPED)("%s: what is left is the limit that arrives upstream", async (name, budget, answers, run) => {
    const { scene, house } = stage()
    const person = await scene.person(house, { budget_included: budget })
    const text = `${MARKER.full} clamped: ${name}`
    await run(house, person.key, text)
    await house.proxy.delivered()
    const [hold] = scene.holds(person)
    expect(hold).toMatchObject({ clamped: 1, state: "settled" })
    const limit = Math.floor((hold?.max_tokens ?? 0) / answers)
    expect(scene.arrived(text).map((call) => call.limit)).toEqual([limit])
    const [row] = scene.usage(person)
    expect(row).toMatchObject({ tokens_input: 1, tokens_output: limit * answers })
    const { total_nano, used_nano } = scene.budget(person)
    expect(used_nano).toBeLessThanOrEqual(total_nano)
    expect(used_nano).toBeGreaterThan(total_nano * 0.9)
  })

  it("a thinking budget fits into the limit that was cut", () => {
    const [call] = stage().scene.arrived("clamped: messages that think")
    const budget = (call?.body.thinking as { budget_tokens: number } | undefined)?.budget_tokens
    expect(budget).toBeLessThan(call?.limit ?? 0)
    expect(budget).toBeGreaterThanOrEqual(1_024)
  })

  it("a limit that can be paid arrives as it was asked, none as the product's default", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    await chat(house, person.key, "affordable", { max_tokens: 77 })
    await chat(house, person.key, "unlimited")
    expect(scene.arrived("affordable").map(({ limit }) => limit)).toEqual([77])
    expect(scene.arrived("unlimited").map(({ limit }) => limit)).toEqual([8_192])
    await house.proxy.delivered()
    expect(scene.holds(person)).toMatchObject([
      { max_tokens: 77, clamped: 0 },
      { max_tokens: 8_192, clamped: 0 },
    ])
  })

  it.each(BROKE)("%s: an empty budget is 402 with our code and a sentence, and no call upstream", async (name, run) => {
    const { scene, house } = stage()
    const person = await scene.person(house, { budget_included: 0 })
    const error = await errorOf(run(house, person.key, `broke: ${name}`))
    expect(error).toMatchObject({ status: 402, code: "budget_exhausted", type: "budget_exhausted", param: null })
    expect(error.message).toMatch(
      /^402 Your personal limit cannot pay for this call: 0\.00.* EUR.* It resets on \d{4}-\d\d-\d\d\.$/,
    )
    expect(scene.arrived(`broke: ${name}`)).toEqual([])
    scene.expectNothingBooked(person)
  })

  it("messages: an empty budget is Anthropic's error with the same sentence", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house, { budget_included: 0 })
    const body = { model: CLAUDE, ...say("broke: messages"), ...ANTHROPIC_LIMIT }
    const error = await anthropic(house, person.key)
      .messages.create(body)
      .catch((reason) => reason)
    expect(error).toMatchObject({
      status: 402,
      error: { type: "error", error: { message: expect.stringMatching(/^Your personal limit/) } },
    })
    expect(JSON.stringify(error.error)).toContain("budget_exhausted")
    expect(scene.arrived("broke: messages")).toEqual([])
    scene.expectNothingBooked(person)
  })

  it("200 calls at once on 1 EUR, over two workers: not a nano-euro more is used, and the rest is 402", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house, { budget_included: 1 })
    const text = `${MARKER.waiting} ${MARKER.full} two hundred`
    const { passed, refused, workers } = await burst(stage(), person, 200, text, { model: MODEL, max_tokens: 1_000 })
    expect({ calls: passed + refused.length, workers }).toEqual({ calls: 200, workers: 2 })
    expect(refused.every(({ status, code }) => status === 402 && code === "budget_exhausted")).toBe(true)
    const rows = scene.usage(person)
    expect(rows).toHaveLength(passed)
    // Every call was as dear as it could be; the last one got what the others had left.
    const costs = rows.map(({ tokens_output }) =>
      costOf(MODEL, { prompt: 1, cached: 0, completion: tokens_output, reasoning: 0 }),
    )
    expect(rows.map(({ cost_nano }) => BigInt(cost_nano))).toEqual(costs)
    const { total_nano, used_nano } = scene.budget(person)
    expect(BigInt(used_nano)).toBe(costs.reduce((sum, cost) => sum + cost, 0n))
    expect(total_nano).toBe(1_000_000_000)
    expect(used_nano).toBeLessThanOrEqual(total_nano)
    expect(used_nano).toBeGreaterThan(0.9 * total_nano)
    expect(scene.holds(person).map(({ state }) => state)).toEqual(Array(passed).fill("settled"))
  })

  it("20 calls a minute, over two workers: exactly 20 of 30 pass, the others learn when to come back", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house, { rate_limit: 20 })
    const { passed, refused } = await burst(stage(), person, 30, `${MARKER.waiting} rated`)
    expect({ passed, refused: refused.map(({ code }) => code) }).toEqual({ passed: 20, refused: Array(10).fill("rate_limited") })
    for (const error of refused) {
      expect(error.status).toBe(429)
      expect(Number(error.headers?.get("retry-after"))).toBeGreaterThanOrEqual(1)
      expect(Number(error.headers?.get("retry-after"))).toBeLessThanOrEqual(60)
    }
    expect(scene.usage(person)).toHaveLength(20)
  })

  it.each([
    ["product", { max_parallel: 3 }, {}],
    ["key", {}, { max_parallel: 3 }],
  ])("three calls at a time by the %s: exactly three run, and then others may", async (whose, terms, keyTerms) => {
    const { scene, house } = stage()
    const person = await scene.person(house, terms, keyTerms)
    const { passed, refused } = await burst(stage(), person, 9, `${MARKER.waiting} abreast by the ${whose}`)
    expect({ passed, refused: refused.map(({ code }) => code) }).toEqual({
      passed: 3,
      refused: Array(6).fill("too_many_parallel"),
    })
    for (const error of refused) {
      expect(error.status).toBe(429)
      expect(error.headers?.get("retry-after")).toMatch(/^\d+$/)
    }
    await chat(house, person.key, "and one more")
  })
}

/** All at once; nothing is answered until each call has either reached the provider or been refused. */
async function burst({ scene, house }: ReturnType<Stage>, person: Person, count: number, text: string, more: object = {}) {
  const refused: InstanceType<typeof OpenAI.APIError>[] = []
  const one = async (): Promise<boolean> => {
    try {
      await chat(house, person.key, text, more)
      return true
    } catch (error) {
      // Anything but an answer is no refusal.
      if (!(error instanceof OpenAI.APIError) || error.status === undefined) throw error
      refused.push(error)
      return false
    }
  }
  const calls = Promise.all(Array.from({ length: count }, one))
  const settled = () => scene.arrived(text).length + refused.length === count
  await Promise.race([calls, waitUntil("each call is running or refused", settled)])
  const { calls: open } = await house.proxy.spoolRows()
  scene.upstream.release()
  const passed = (await calls).filter(Boolean).length
  await house.proxy.delivered()
  return { passed, refused, workers: new Set(open.map(({ worker }) => worker)).size }
}

function chat(house: House, key: string, text: string, more: object = {}) {
  return openai(house, key).chat.completions.create({ model: CHAT, ...say(text), ...more })
}
