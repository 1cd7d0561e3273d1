/** The guarantee: the stock logger's three framings are the same events, and an event is known again however it comes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Answer } from "../../support/platform"
import { books, shapeProblems, startTwoTenants, type TwoTenants, usageRow } from "../two-tenants"
import { aborted, CHAT_COST, chat, eventIdOf, failure, idOf, speech, startNow } from "./payloads"

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

type Json = Record<string, unknown>
const ROUTE = "/api/usage/litellm"
const post = (body: string, type = "application/json"): Promise<Answer> =>
  scene.platform.request("POST", ROUTE, { token: `Bearer ${scene.a.ingestKey}`, body, headers: { "Content-Type": type } })
const verdicts = (answer: Answer): string[] => answer.body.results.map((r: { verdict: string }) => r.verdict)

const FRAMINGS: Record<string, (payloads: Json[]) => Promise<Answer[]>> = {
  "an array": async (payloads) => [await post(JSON.stringify(payloads))],
  "an indented array": async (payloads) => [await post(JSON.stringify(payloads, null, 2))],
  "single objects": (payloads) => Promise.all(payloads.map((payload) => post(JSON.stringify(payload)))),
  "indented single objects": (payloads) => Promise.all(payloads.map((payload) => post(JSON.stringify(payload, null, 2)))),
  NDJSON: async (payloads) => [await post(payloads.map((payload) => JSON.stringify(payload)).join("\n"), "application/x-ndjson")],
  "NDJSON with an empty last line": async (payloads) => [await post(`${payloads.map((p) => JSON.stringify(p)).join("\n")}\n`)],
  "NDJSON with CRLF": async (payloads) => [await post(payloads.map((p) => JSON.stringify(p)).join("\r\n"))],
}
const names = Object.keys(FRAMINGS)
const sendAs = async (framing: string, payloads: Json[]) =>
  (await FRAMINGS[framing]?.(payloads))?.flatMap((a) => a.body.results) ?? []

describe.each(names)("as %s", (framing) => {
  it("the same payloads get the same verdicts and costs", async () => {
    const payloads = [chat(), failure(), aborted(), speech(), chat({ prompt_tokens: "7" })]
    const results = await sendAs(framing, payloads)
    expect(results.map((r) => [r.event_id, r.verdict, r.cost])).toEqual([
      [idOf(payloads[0] as Json), "accepted", CHAT_COST],
      [idOf(payloads[1] as Json), "accepted", "0.000000000"],
      [idOf(payloads[2] as Json), "accepted", "0.000149040"],
      [idOf(payloads[3] as Json), "quarantined", "0.000000000"],
      [idOf(payloads[4] as Json), "rejected", undefined],
    ])
  })

  it("what came in another framing is a duplicate with the first cost, and nothing moves", async () => {
    const payloads = [chat(), aborted()]
    const [first] = await sendAs("an array", payloads)
    const before = books(scene.platform)
    for (const other of names) {
      const again = await sendAs(other, payloads)
      expect(again.map((r) => r.verdict)).toEqual(["duplicate", "duplicate"])
      expect(again[0].cost).toBe(first.cost)
    }
    expect(books(scene.platform)).toEqual(before)
  })
})

describe("the event id", () => {
  const fractions = ["1795417482.474588", "1795417482.5", "1795417482.0", "1795417482"]
  const wholeSecond = Math.floor(Date.now() / 1_000)
  it.each(fractions.map((text) => text.replace("1795417482", String(wholeSecond))))(
    "is made of the startTime as sent: %s",
    async (startTime) => {
      const payload = chat({ startTime: 0 })
      const text = JSON.stringify(payload).replace('"startTime":0', `"startTime":${startTime}`)
      const id = eventIdOf(payload.id, "success", startTime)
      for (const body of [text, `[${text}]`, `${text}\n${JSON.stringify(chat())}`, text.replaceAll('":', '": ')]) {
        expect((await post(body)).body.results[0].event_id).toBe(id)
      }
      expect(usageRow(scene.platform, id)).toBeDefined()
    },
  )

  it("is right for each of a batch in which whole seconds are written both ways", async () => {
    const [one, two] = [chat({ startTime: 0 }), chat({ startTime: 0 })]
    const withTime = (payload: Json, time: string) => JSON.stringify(payload).replace('"startTime":0', `"startTime": ${time}`)
    const body = `[${withTime(one, `${wholeSecond}.0`)},${withTime(two, `${wholeSecond - 1}`)}]`
    const { results } = (await post(body)).body
    expect(results[0].event_id).toBe(eventIdOf(one.id, "success", `${wholeSecond}.0`))
    expect(results[1].event_id).toBe(eventIdOf(two.id, "success", `${wholeSecond - 1}`))
  })

  it("tells a failure and its fallback apart although they share an id", async () => {
    const call = chat()
    const failed = failure({ id: call.id, startTime: (call.startTime as number) - 0.1 })
    expect(verdicts(await post(JSON.stringify([failed, call])))).toEqual(["accepted", "accepted"])
  })

  it("is the same on the events route: what LiteLLM delivered is a duplicate there", async () => {
    const payload = chat()
    await post(JSON.stringify(payload))
    const before = books(scene.platform)
    const own = {
      ...{
        event_id: idOf(payload),
        model: "gpt-4o",
        provider: "openai",
        status: "success",
        tokens_input: 1_000,
        tokens_cache_read: 200,
      },
      ...{ tokens_output: 50, timestamp: new Date((payload.startTime as number) * 1_000).toISOString(), api_key_id: "" },
    }
    const [result] = (await scene.platform.ingest(scene.a.ingestKey, { events: [own] })).body.results
    expect([result.verdict, result.cost]).toEqual(["duplicate", CHAT_COST])
    expect(books(scene.platform)).toEqual(before)
  })

  it("with another count is a conflict that names the field", async () => {
    const payload = chat()
    await post(JSON.stringify(payload))
    const [result] = (await post(JSON.stringify({ ...payload, completion_tokens: 51 }))).body.results
    expect(result).toMatchObject({ verdict: "conflict", message: expect.stringContaining("tokens_output") })
  })
})

describe("what is refused", () => {
  it.each([
    ["no payload", "[]", 400, "empty_batch"],
    ["a number", "5", 400, "invalid_body"],
    ["text", '"x"', 400, "invalid_body"],
    ["an empty body", "", 400, "invalid_json"],
    ["a broken second line of NDJSON", `${JSON.stringify(chat())}\n{"id":}`, 400, "invalid_json"],
    ["NaN", JSON.stringify(chat()).replace("1000", "NaN"), 400, "invalid_json"],
    ["1e309", JSON.stringify(chat()).replace("1000", "1e309"), 400, "invalid_json"],
    ["1,001 payloads", `[${Array(1_001).fill("{}").join()}]`, 413, "too_many_events"],
  ])("%s", async (_name, body, status, code) => {
    const before = books(scene.platform)
    const answer = await post(body)
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(shapeProblems(answer)).toEqual([])
    expect(books(scene.platform)).toEqual(before)
  })

  it.each([
    ["a payload that is no object", 5, "events[1] must be an object"],
    ["no id", chat({ id: undefined }), "events[1].id"],
    ["no status", chat({ status: undefined }), "events[1].status"],
    ["no model", chat({ model: undefined }), "events[1].model"],
    ["negative tokens", chat({ prompt_tokens: -5 }), "events[1].tokens_input"],
    ["half a token", chat({ completion_tokens: 0.5 }), "events[1].tokens_output"],
    ["no start", chat({ startTime: null }), "events[1].timestamp"],
    ["a start an hour ahead", chat({ startTime: startNow() + 3_600 }), "events[1].timestamp"],
  ])("one payload of three with %s, by its index, the others are booked", async (_name, bad, message) => {
    const answer = await post(JSON.stringify([chat(), bad, chat()]))
    expect(verdicts(answer)).toEqual(["accepted", "rejected", "accepted"])
    expect(answer.body.results[1].message).toContain(message)
  })
})
