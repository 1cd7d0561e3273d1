/** Calls that do not end as they should: billed on what was used, once; nothing used, nothing billed, nothing held back. */
import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import { waitUntil } from "../../faults/books"
import { chatUsage, MARKER } from "../../support/fake-openai"
import { anthropic, CHAT, CLAUDE, type House, OWN_CONNECTION, openai, type Person, type Scene, say } from "./scene"

type Stage = () => { scene: Scene; house: House }
/** Streams an answer; `onWord` is told of each piece of text. */
type Stream = (house: House, key: string, text: string, onWord: (abort: AbortController) => void) => Promise<void>

const STREAMS: Record<string, Stream> = {
  chat: async (house, key, text, onWord) => {
    const abort = new AbortController()
    const body = { model: CHAT, ...say(text), stream: true } as const
    for await (const chunk of await openai(house, key).chat.completions.create(body, { signal: abort.signal })) {
      if (chunk.choices[0]?.delta.content) onWord(abort)
    }
  },
  responses: async (house, key, text, onWord) => {
    const abort = new AbortController()
    const body = { model: CHAT, input: text, stream: true } as const
    for await (const event of await openai(house, key).responses.create(body, { signal: abort.signal })) {
      if (event.type === "response.output_text.delta") onWord(abort)
    }
  },
  messages: async (house, key, text, onWord) => {
    const abort = new AbortController()
    const body = { model: CLAUDE, ...say(text), max_tokens: 1_000, stream: true } as const
    for await (const event of await anthropic(house, key).messages.create(body, { signal: abort.signal })) {
      if (event.type === "content_block_delta") onWord(abort)
    }
  },
}
const KINDS = Object.keys(STREAMS)

const PLAIN: Record<string, (house: House, key: string, text: string) => PromiseLike<unknown>> = {
  chat: (house, key, text) => openai(house, key).chat.completions.create({ model: CHAT, ...say(text) }),
  responses: (house, key, text) => openai(house, key).responses.create({ model: CHAT, input: text }),
  messages: (house, key, text) => anthropic(house, key).messages.create({ model: CLAUDE, ...say(text), max_tokens: 1_000 }),
}

export function describeBrokenCalls(stage: Stage): void {
  const one = async () => {
    const { scene, house } = stage()
    return { scene, house, person: await scene.person(house) }
  }

  it.each(KINDS)("%s: the client ends the stream: what was streamed is billed once", async (kind) => {
    const { scene, house, person } = await one()
    let words = 0
    await run(kind, house, person.key, `${MARKER.slow} the client goes, ${kind}`, (abort) => {
      if (++words === 6) abort.abort()
    })
    expect(words).toBeGreaterThanOrEqual(6)
    await house.proxy.delivered()
    expectEstimate(scene, person, { atLeast: 6, atMost: 27 })
    await waitUntil(
      "the provider's connection is closed too",
      () => scene.arrived(`the client goes, ${kind}`)[0]?.unfinished === true,
    )
  })

  it.each(Object.keys(PLAIN))("%s: the client leaves before the answer: it is billed once", async (kind) => {
    const { scene, house, person } = await one()
    const text = `${MARKER.waiting} the client leaves, ${kind}`
    const controller = new AbortController()
    const path = { chat: "chat/completions", responses: "responses", messages: "messages" }[kind]
    const body =
      kind === "responses"
        ? { model: CHAT, input: text }
        : { model: kind === "chat" ? CHAT : CLAUDE, ...say(text), max_tokens: 900 }
    const call = fetch(`${house.proxy.url}/v1/${path}`, {
      method: "POST",
      headers: { ...OWN_CONNECTION, authorization: `Bearer ${person.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: controller.signal,
    }).catch((error: Error) => error)
    await waitUntil("the call has arrived", () => scene.arrived(text).length === 1)
    controller.abort()
    expect(await call).toMatchObject({ name: "AbortError" })
    await sleep(200)
    scene.upstream.release()
    await house.proxy.delivered()
    const [row, ...more] = scene.usage(person)
    expect(more).toEqual([])
    expect(row?.tokens_input).toBeGreaterThan(0)
    expect(row?.cost_nano).toBeGreaterThan(0)
    expect(scene.holds(person)).toMatchObject([{ state: "settled", settled_by: row?.event_id }])
  })

  it.each(KINDS)("%s: the provider's connection dies in the stream: what came is billed once", async (kind) => {
    const { scene, house, person } = await one()
    let words = 0
    await run(kind, house, person.key, `${MARKER.cut} the provider goes, ${kind}`, () => words++)
    await house.proxy.delivered()
    expect(scene.arrived(`the provider goes, ${kind}`)).toHaveLength(1)
    expectEstimate(scene, person, { atLeast: words, atMost: 27 })
  })

  it.each(KINDS)("%s: a stream that does not tell its usage is billed by estimate", async (kind) => {
    // Anthropic always tells it: nothing else is known of such a stream.
    if (kind === "messages") return
    const { scene, house, person } = await one()
    let words = 0
    await run(kind, house, person.key, `${MARKER.untold} nothing is told, ${kind}`, () => words++)
    expect(words).toBe(27)
    await house.proxy.delivered()
    expectEstimate(scene, person, { atLeast: 20, atMost: 60 })
  })

  it.each(["chat", "responses"])("%s: an answer that does not tell its usage is billed all the same", async (kind) => {
    const { scene, house, person } = await one()
    await PLAIN[kind]?.(house, person.key, `${MARKER.untold} nothing is told at once, ${kind}`)
    await house.proxy.delivered()
    expectEstimate(scene, person, { atLeast: 0, atMost: 60 })
  })

  it.each(
    KINDS.flatMap((kind) =>
      (["broken", "limited", "unauthorized"] as const).flatMap((marker) =>
        [false, true].map((streamed) => ({ kind, marker, streamed })),
      ),
    ),
  )("$kind, the provider says it is $marker (streamed: $streamed): nothing is billed, the hold is given back", async (broken) => {
    const { scene, house, person } = await one()
    const text = `${MARKER[broken.marker]} ${broken.kind} ${broken.streamed}`
    const call = broken.streamed
      ? STREAMS[broken.kind]?.(house, person.key, text, () => undefined)
      : PLAIN[broken.kind]?.(house, person.key, text)
    const error = await Promise.resolve(call).then(
      () => undefined,
      (reason) => reason,
    )
    expect(error?.status).toBeGreaterThanOrEqual(400)
    expect(scene.arrived(text)).toHaveLength(1)
    await house.proxy.delivered()
    scene.expectNothingBooked(person)
    expect(scene.holds(person)).toMatchObject([{ state: "released" }])
  })

  it("a call that fails before the provider gives its hold back", async () => {
    const { scene, house, person } = await one()
    const body = { model: CHAT, messages: [{ role: "nobody", content: { not: "text" } }] } as never
    const error = await openai(house, person.key)
      .chat.completions.create(body)
      .catch((reason) => reason)
    await house.proxy.delivered()
    if (error.status === undefined) scene.expectBookedOnce(person, CHAT, chatUsage("[object Object]"))
    else scene.expectNothingBooked(person)
  })
}

async function run(
  kind: string,
  house: House,
  key: string,
  text: string,
  onWord: (abort: AbortController) => void,
): Promise<void> {
  // However it ends for the client (an error in the stream, an end without the last line, its own abort): the booking counts.
  await STREAMS[kind]?.(house, key, text, onWord).catch((error: Error) => expect(error).toBeInstanceOf(Error))
}

function expectEstimate(scene: Scene, person: Person, output: { atLeast: number; atMost: number }): void {
  const rows = scene.usage(person)
  expect(rows).toHaveLength(1)
  const [row] = rows
  expect(row).toMatchObject({ price_status: "estimated", tenant_id: person.tenantId, api_key_id: person.keyId })
  expect(row?.tokens_input).toBeGreaterThan(0)
  expect(row?.tokens_output).toBeGreaterThanOrEqual(output.atLeast)
  expect(row?.tokens_output).toBeLessThanOrEqual(output.atMost)
  expect(row?.cost_nano).toBeGreaterThan(0)
  expect(scene.holds(person)).toMatchObject([{ state: "settled", settled_by: row?.event_id }])
}
