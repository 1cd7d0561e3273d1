/** The calls that go through the real proxy, and what the platform must make of each. */
import { chatUsage, embeddingUsage, type FakeUsage, MARKER } from "../support/fake-openai"
import type { LitellmEvent } from "../support/litellm-recorder"

/** `stranger` has a key that the proxy does not know. */
export type Caller = "ada" | "ben" | "stranger"

export interface ProxyCall {
  name: string
  by: Caller
  path: string
  body: Record<string, unknown>
  httpStatus: number
  status: "success" | "failure"
  /** undefined: nothing was priced, so nobody minds what the row says */
  priceStatus?: "priced" | "estimated"
  /** what was used, from what the upstream said or, where it said nothing, from what LiteLLM made of it */
  usage(event: LitellmEvent): FakeUsage
}

const CHAT = "/v1/chat/completions"
const NOTHING: FakeUsage = { prompt: 0, cached: 0, completion: 0, reasoning: 0 }
const QUESTION = "Why is the sky blue?"
const CACHED_QUESTION = `${MARKER.cached} And why is it red in the evening?`
const TEXTS = ["first text to embed", "second"]

const COUNTED = { path: CHAT, httpStatus: 200, status: "success", priceStatus: "priced" } as const
const FAILED = { path: CHAT, httpStatus: 500, status: "failure", usage: () => NOTHING } as const

/** @param benId id of the user in whose name ada tries to call */
export function proxyCalls(benId: string): ProxyCall[] {
  return [...callsWithUsage(benId), ...callsThatFail()]
}

function callsWithUsage(benId: string): ProxyCall[] {
  const question = { ...COUNTED, usage: () => chatUsage(QUESTION) }
  const cached = { ...COUNTED, usage: () => chatUsage(CACHED_QUESTION) }
  const stream = { stream: true }
  const streamWithUsage = { stream: true, stream_options: { include_usage: true } }
  return [
    { ...question, name: "plain", by: "ada", body: chat("gpt-4o-mini", QUESTION) },
    { ...question, name: "streamed, usage not asked for", by: "ada", body: chat("gpt-4o", QUESTION, stream) },
    { ...cached, name: "prompt that was mostly cached", by: "ada", body: chat("gpt-4o-mini", CACHED_QUESTION) },
    { ...cached, name: "streamed with cached tokens", by: "ben", body: chat("gpt-4o", CACHED_QUESTION, streamWithUsage) },
    {
      ...COUNTED,
      name: "embedding",
      by: "ben",
      path: "/v1/embeddings",
      body: { model: "text-embedding-3-small", input: TEXTS },
      usage: () => embeddingUsage(TEXTS),
    },
    {
      ...question,
      name: "plain, the body names somebody else",
      by: "ada",
      body: chat("gpt-4o", QUESTION, { user: benId, metadata: { user_id: benId } }),
    },
  ]
}

function callsThatFail(): ProxyCall[] {
  return [
    {
      ...FAILED,
      name: "stream that dies: LiteLLM's own count, an estimate",
      by: "ben",
      body: chat("gpt-4o", `${MARKER.cut} ${QUESTION}`, { stream: true }),
      httpStatus: 200,
      priceStatus: "estimated",
      usage: (event) => ({ ...NOTHING, prompt: event.prompt_tokens, completion: event.completion_tokens }),
    },
    { ...FAILED, name: "upstream answers 500", by: "ada", body: chat("gpt-4o-mini", `${MARKER.broken} ${QUESTION}`) },
    { ...FAILED, name: "unknown model", by: "ben", httpStatus: 400, body: chat("no-such-model", QUESTION) },
    { ...FAILED, name: "unknown key", by: "stranger", httpStatus: 401, body: chat("gpt-4o-mini", QUESTION) },
  ]
}

function chat(model: string, content: string, more: object = {}): Record<string, unknown> {
  return { model, messages: [{ role: "user", content }], ...more }
}
