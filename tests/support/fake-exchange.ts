/** One call to the fake provider: what was asked, and the words of the answer at the pace that the markers ask for. */
import type { ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** Put one of these into a message to choose what happens to the call. */
export const MARKER = {
  /** most of the prompt was cached */
  cached: "[cached]",
  /** the upstream answers 500 */
  broken: "[broken]",
  /** the upstream answers 429: the provider's own limit */
  limited: "[limited]",
  /** the upstream answers 401: the provider key is wrong */
  unauthorized: "[unauthorized]",
  /** the connection of a stream dies after some words, before the usage chunk */
  cut: "[cut]",
  /** a word takes a tenth of a second, an answer in one piece a second */
  slow: "[slow]",
  /** the upstream answers when release() is called */
  waiting: "[waiting]",
  /** the upstream does not say what it used */
  untold: "[untold]",
  /** one token in, and every token out that the limit allows: no call can cost more than was asked for */
  full: "[full]",
} as const

/** Tokens as OpenAI counts them: `cached` is a part of `prompt`, `reasoning` a part of `completion`. */
export interface FakeUsage {
  prompt: number
  cached: number
  completion: number
  reasoning: number
}

export interface Exchange {
  response: ServerResponse
  body: Record<string, unknown>
  /** Everything that the conversation says. */
  text: string
  serial: number
  usage: FakeUsage
}

export const ANSWER = "the quick brown fox jumps over the lazy dog ".repeat(3).trim().split(" ")
export const SLOW_ANSWER_MS = 1_000
const SLOW_WORD_MS = 100
const WORDS_BEFORE_CUT = 7

/** The answer word by word; ends early, with the connection, if the call shall be cut or the client is gone. */
export async function* words({ response, text }: Exchange): AsyncGenerator<string> {
  for (const [index, word] of ANSWER.entries()) {
    if (text.includes(MARKER.cut) && index === WORDS_BEFORE_CUT) {
      // Give what was written time to leave, so that the client sees a stream that dies and not a refused call.
      await sleep(50)
      response.destroy()
    }
    if (response.destroyed) return
    yield `${word} `
    if (text.includes(MARKER.slow)) await sleep(SLOW_WORD_MS)
  }
}

/** The function that the client offered, as the model calls it; undefined if there is none to call. */
export function toolCall({ body }: Exchange): { name: string; arguments: string } | undefined {
  const [tool] = (Array.isArray(body.tools) ? body.tools : []) as { name?: string; function?: { name?: string } }[]
  const name = tool?.function?.name ?? tool?.name
  return name === undefined ? undefined : { name, arguments: JSON.stringify({ city: "Berlin" }) }
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}

/** A writer of server-sent events; with a `type` in the event its name is sent too, as Anthropic and the Responses API do. */
export function eventStream(response: ServerResponse): (event: object) => void {
  response.writeHead(200, { "content-type": "text/event-stream" })
  return (event) => {
    const name = "type" in event ? `event: ${String(event.type)}\n` : ""
    response.write(`${name}data: ${JSON.stringify(event)}\n\n`)
  }
}
