/**
 * The guarantee: nobody with a key uses anything that is not billed to that key's owner, whatever is put into body, headers,
 * query or path; and LiteLLM's own administrator key opens nothing.
 */
import { request } from "node:http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { chatUsage, embeddingUsage, type FakeOpenai, MARKER, startFakeOpenai } from "../../support/fake-openai"
import { describeBrokenCalls } from "./broken-calls"
import { describeChatIdentity } from "./chat-identity"
import {
  CLOSED_ROUTES,
  DEAR,
  everythingAtOnce,
  forbidden,
  type Hole,
  ineffective,
  OTHER_ROUTES,
  REFUSED,
  SECOND_CALLS,
} from "./holes-table"
import { CHAT, CLAUDE, EMBEDDING, type House, INSTALL_AND_START_MS, OWN_CONNECTION, type Person, Scene, say } from "./scene"

interface Tried {
  person: Person
  text: string
  status: number
  answer: string
}

let scene: Scene
let house: House
let attacker: Person
let victim: Person
let trap: FakeOpenai
const tried = new Map<string, Tried>()

beforeAll(async () => {
  scene = await Scene.start(1)
  house = scene.houses[0] as House
  trap = await startFakeOpenai()
  attacker = await scene.person(house)
  victim = await scene.person(house)
  const holes = [...ineffective(victim.id), ...forbidden(victim.id, trap.url)]
  const second = SECOND_CALLS.map((hole) => ({ ...hole, marker: MARKER.broken }))
  const attempts = [
    ...holes.map(async (hole) => tried.set(hole.name, await attempt(attacker, hole, `hole <${hole.name}>`))),
    ...second.map(async (hole) => tried.set(hole.name, await attempt(victim, hole, `second call <${hole.name}>`))),
  ]
  await Promise.all(attempts)
  await house.proxy.delivered()
}, INSTALL_AND_START_MS)

afterAll(async () => {
  await trap?.stop()
  await scene?.stop()
}, 60_000)

describe("a call that tries to run unseen, cheaper, elsewhere or in another's name runs as any other", () => {
  it.each(ineffective("").map(({ name }) => name))("%s", (name) => {
    const { person, text, status, answer } = outcome(name)
    expect(status, answer).toBe(200)
    expect(answer).toContain("lazy")
    const [call, ...more] = scene.arrived(text)
    expect(more).toEqual([])
    expect(call).toMatchObject({ path: "/v1/chat/completions", body: { model: CHAT }, limit: 8_192 })
    expect(Object.keys(call?.body ?? {}).filter((field) => !SENT.has(field))).toEqual([])
    expect(call?.headers.authorization).toBe("Bearer x-openai_api_key")
    expect(JSON.stringify([call?.body, call?.headers])).not.toContain(victim.id)
    expect(Object.keys(call?.headers ?? {}).filter((header) => /litellm|beta|organization|x-extra/.test(header))).toEqual([])
    scene.expectBookedOnce(person, CHAT, chatUsage(text))
  })
})

describe("the same, much of it at once, on the other routes", () => {
  it.each(OTHER_ROUTES)("%s", async (path, model, words) => {
    const person = await scene.person(house)
    const text = `${MARKER.slow} at once on ${path}`
    const { body, headers } = everythingAtOnce(victim.id)
    const { status, answer } = await send(path, person.key, { model, ...words(text), ...body }, headers)
    expect(status, answer).toBe(200)
    await house.proxy.delivered()
    const [call, ...more] = scene.arrived(text)
    expect(more).toEqual([])
    expect(call?.body.model).toBe(model)
    expect(JSON.stringify([call?.body, call?.headers])).not.toContain(victim.id)
    expect(JSON.stringify(call?.body)).not.toMatch(/no-log|900000|fallbacks|flex|mock|"store":true/)
    const row = scene.expectBookedOnce(person, model, model === EMBEDDING ? embeddingUsage([text]) : chatUsage(text))
    expect(row.call_id).not.toBe("fixed")
  })
})

describe("a call with what LiteLLM itself forbids does not run", () => {
  it.each(forbidden("", "").map(({ name }) => name))("%s", (name) => {
    const { person, text, status } = outcome(name)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(scene.arrived(text)).toEqual([])
    scene.expectNothingBooked(person)
  })
})

it("none of it reached the attacker's server", () => expect(trap.calls).toEqual([]))

/** What LiteLLM sends for these calls. */
const SENT = new Set(["model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"])

describe("a call that fails upstream is not made a second time", () => {
  it.each(SECOND_CALLS.map(({ name }) => name))("%s", (name) => {
    const { person, text, status } = outcome(name)
    expect(status).toBe(500)
    expect(scene.arrived(text).map(({ body }) => body.model)).toEqual([CHAT])
    scene.expectNothingBooked(person)
  })

  it("and no other words came in its place", () => expect(scene.arrived("[fallback]")).toEqual([]))
})

describe("a call that asks for something else than it would get is 400", () => {
  it.each(REFUSED)("$name", async ({ name, path = "/v1/chat/completions", body }) => {
    const person = await scene.person(house)
    const before = scene.upstream.calls.length
    const words = path === "/v1/responses" ? {} : say(`refused: ${name}`)
    const { status, answer } = await send(path, person.key, { model: CHAT, ...words, ...body })
    expect(status, answer).toBe(400)
    expect(JSON.parse(answer).error).toMatchObject({ message: expect.any(String) })
    expect(scene.upstream.calls.length).toBe(before)
    scene.expectNothingBooked(person)
  })
})

it("another model in the query is the one that is asked for, held and paid, or refused", async () => {
  const [narrow, wide] = [await scene.person(house, { models: [CHAT] }), await scene.person(house)]
  for (const person of [narrow, wide]) {
    const text = `model in the query ${person.id}`
    const { status } = await send(`/v1/chat/completions?model=${DEAR}`, person.key, { model: CHAT, ...say(text) })
    await house.proxy.delivered()
    const [call] = scene.arrived(text)
    expect(status).toBe(call === undefined ? 403 : 200)
    if (call) scene.expectBookedOnce(person, String(call.body.model), chatUsage(text))
    else scene.expectNothingBooked(person)
    expect(person === narrow && call?.body.model === DEAR).toBe(false)
  }
})

it("two calls with the same call id are two", async () => {
  const person = await scene.person(house)
  const headers = { "x-litellm-call-id": "fixed", "x-litellm-trace-id": "fixed", "x-litellm-session-id": "fixed" }
  for (const text of ["same id, first", "same id, second"])
    await send("/v1/chat/completions", person.key, { model: CHAT, ...say(text) }, headers)
  await house.proxy.delivered()
  const rows = scene.usage(person, person.keyId)
  expect(rows).toHaveLength(2)
  expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(2)
  expect(rows.map(({ call_id }) => call_id)).not.toContain("fixed")
})

it("the same question twice is asked and paid twice", async () => {
  const person = await scene.person(house)
  const body = { model: CHAT, ...say("asked twice"), caching: true, cache: { ttl: 600 } }
  for (const _ of [1, 2]) await send("/v1/chat/completions", person.key, body)
  await house.proxy.delivered()
  expect(scene.arrived("asked twice")).toHaveLength(2)
  expect(scene.usage(person, person.keyId).map(({ cost_nano }) => cost_nano > 0)).toEqual([true, true])
})

it("a body that is a form is billed or refused", async () => {
  const person = await scene.person(house)
  const form = new URLSearchParams({ model: CHAT, messages: JSON.stringify(say("in a form").messages), "no-log": "true" })
  const answer = await fetch(`${house.proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: bearer(person.key),
    body: form,
  })
  await answer.text()
  await house.proxy.delivered()
  expect(scene.usage(person, person.keyId)).toHaveLength(answer.ok ? 1 : 0)
  expect(scene.arrived("in a form")).toHaveLength(answer.ok ? 1 : 0)
})

it.each(["x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key", "Ocp-Apim-Subscription-Key"])(
  "a second key in %s changes nothing about who pays",
  async (header) => {
    const person = await scene.person(house)
    const other = await scene.person(house)
    const text = `two keys: ${header}`
    const { status } = await send("/v1/chat/completions", person.key, { model: CHAT, ...say(text) }, { [header]: other.key })
    expect(status).toBe(200)
    await house.proxy.delivered()
    // Whichever LiteLLM takes: the owner of that very key pays.
    const rows = [...scene.usage(person, person.keyId), ...scene.usage(other, other.keyId)]
    expect(rows).toHaveLength(1)
    expect(scene.usage(other, person.keyId)).toEqual([])
    expect(scene.usage(person, other.keyId)).toEqual([])
  },
)

describe("routes that are not on the gate's list", () => {
  it.each([
    ["a person's key", () => attacker.key],
    ["the chat's key", () => house.proxy.secrets.owuiKey],
    ["LiteLLM's own administrator key", () => house.proxy.secrets.masterKey],
    ["no key", () => ""],
  ])("give nothing to %s", async (_whose, key) => {
    const before = scene.upstream.calls.length
    const open: string[] = []
    for (const [method, path] of CLOSED_ROUTES) {
      const status = await rawStatus(method, path, key())
      // 307: to the same path without a slash at its end, before anything has happened.
      if (status < 400 && status !== 307) open.push(`${method} ${path}: ${status}`)
    }
    expect(open).toEqual([])
    expect(scene.upstream.calls.length).toBe(before)
  })

  it("WebSockets of the realtime API are not opened", async () => {
    for (const key of [attacker.key, house.proxy.secrets.masterKey]) {
      for (const path of [`/v1/realtime?model=${CHAT}`, `/realtime?model=${CHAT}`, "/v1/responses", "/mcp"]) {
        expect([path, await upgrade(path, key)]).toEqual([path, expect.not.stringContaining("101")])
      }
    }
  })
})

it("LiteLLM's own administrator key calls no model and lists none", async () => {
  const { masterKey } = house.proxy.secrets
  const { status, answer } = await send("/v1/chat/completions", masterKey, { model: CHAT, ...say("master") })
  expect({ status, code: JSON.parse(answer).error.code }).toEqual({ status: 401, code: "unknown_identity" })
  expect(await rawStatus("GET", "/v1/models", masterKey)).toBe(401)
  expect(scene.arrived("master")).toEqual([])
})

it.each([CHAT, CLAUDE])("counting the tokens of a call to %s beforehand costs nothing and holds nothing back", async (model) => {
  const person = await scene.person(house)
  const text = `count me for ${model}`
  await send("/v1/messages/count_tokens", person.key, { model, ...say(text) })
  await house.proxy.delivered()
  expect(scene.arrived(text).filter(({ path }) => !/_tokens$/.test(path))).toEqual([])
  scene.expectNothingBooked(person)
})

describe("a call that breaks", () => describeBrokenCalls(() => ({ scene, house })))

describe("the chat's calls", () => describeChatIdentity(() => ({ scene, house })))

it("the victim has paid for nothing that others did, and the books are sound", async () => {
  const own = scene.usage(victim).filter(({ api_key_id }) => api_key_id === victim.keyId)
  expect(own).toEqual([])
  await scene.expectSoundBooks()
})

function outcome(name: string): Tried {
  const found = tried.get(name)
  if (found === undefined) throw new Error(`"${name}" was not tried`)
  return found
}

async function attempt(by: Person, { body, headers, marker = "", query = "" }: Hole, words: string): Promise<Tried> {
  const person = await scene.withNewKey(by)
  const text = `${marker}${words}`
  const { status, answer } = await send(
    `/v1/chat/completions${query}`,
    person.key,
    { model: CHAT, ...say(text), ...body },
    headers,
  )
  return { person, text, status, answer }
}

async function send(path: string, key: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(house.proxy.url + path, {
    method: "POST",
    headers: { ...OWN_CONNECTION, ...bearer(key), "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  })
  return { status: answer.status, answer: await answer.text() }
}

function bearer(key: string): Record<string, string> {
  return key === "" ? {} : { authorization: `Bearer ${key}` }
}

/** The path as it is: fetch would tidy it up. */
function rawStatus(method: string, path: string, key: string): Promise<number> {
  const body = method === "GET" ? "" : JSON.stringify({ model: CHAT, ...say("closed route"), input: "closed route" })
  const { hostname, port } = new URL(house.proxy.url)
  const headers = { ...bearer(key), "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode ?? 0))
    })
    call.on("error", reject).end(body)
  })
}

/** The first line of the answer to a WebSocket handshake; a server that hangs up has not opened one either. */
function upgrade(path: string, key: string): Promise<string> {
  const { hostname, port } = new URL(house.proxy.url)
  const headers = {
    ...bearer(key),
    ...{
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  }
  return new Promise((resolve) => {
    const call = request({ hostname, port, path, headers, agent: false })
    call.on("upgrade", (answer, socket) => {
      socket.destroy()
      resolve(`${answer.statusCode}`)
    })
    call.on("response", (answer) => resolve(`${answer.resume().statusCode}`))
    call.on("error", () => resolve("closed"))
    call.end()
  })
}
