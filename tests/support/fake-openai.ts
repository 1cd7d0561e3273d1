/**
 * An upstream that speaks OpenAI's protocol (chat completions and responses, plain and streamed, and embeddings) and
 * Anthropic's messages. What it counts depends on the text alone, by a rule that no tokenizer would agree with: a test that
 * sees these numbers arrive knows that they are the provider's and not somebody's estimate.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import {
  ANSWER,
  type Exchange,
  eventStream,
  type FakeUsage,
  MARKER,
  SLOW_ANSWER_MS,
  sendJson,
  toolCall,
  words,
} from "./fake-exchange"
import { answerMessages } from "./fake-messages"
import { answerResponses } from "./fake-responses"

export { type FakeUsage, MARKER } from "./fake-exchange"

export interface FakeCall {
  path: string
  body: Record<string, unknown>
  headers: IncomingHttpHeaders
  /** The output tokens that one answer may have at most, by whichever name the protocol has for it. */
  limit: number | undefined
  /** The connection was closed before the whole answer was written: by the caller or, if the call was to be cut, by us. */
  unfinished: boolean
}

export interface FakeOpenai {
  /** base URL including /v1 */
  url: string
  /** the calls in the order they came in */
  calls: FakeCall[]
  /** Answers the calls with the marker `waiting` that have come by now. */
  release(): void
  stop(): Promise<void>
}

/** The usage that the fake reports for a chat whose messages, joined by a line feed, are `text`; `limit`: of its output. */
export function chatUsage(text: string, limit = Number.POSITIVE_INFINITY): FakeUsage {
  if (text.includes(MARKER.full)) return { prompt: 1, cached: 0, completion: limit, reasoning: 0 }
  const prompt = 1_003 + 7 * text.length
  const cached = text.includes(MARKER.cached) ? 128 * Math.floor(prompt / 200) : 0
  const completion = Math.min(211 + 3 * text.length, limit)
  return { prompt, cached, completion, reasoning: Math.min(64, completion) }
}

/** The usage that the fake reports for embedding these texts. */
export function embeddingUsage(texts: string[]): FakeUsage {
  return { prompt: 17 + 5 * texts.join("").length, cached: 0, completion: 0, reasoning: 0 }
}

/** Starts the upstream on a free port of the loopback interface. */
export async function startFakeOpenai(): Promise<FakeOpenai> {
  const calls: FakeCall[] = []
  const waiting: (() => void)[] = []
  const released = () => new Promise<void>((resolve) => waiting.push(resolve))
  const release = () => {
    for (const resolve of waiting.splice(0)) resolve()
  }
  const server = createServer((request, response) => {
    handle(request, response, calls, released).catch((error: unknown) => sendError(response, 400, String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v1`, calls, release, stop: () => closeServer(server) }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  calls: FakeCall[],
  released: () => Promise<void>,
): Promise<void> {
  const path = (request.url ?? "").split("?")[0] ?? ""
  const body = await readJson(request)
  const call: FakeCall = { path, body, headers: request.headers, limit: limitOf(body), unfinished: false }
  response.on("close", () => {
    call.unfinished = !response.writableEnded
  })
  const serial = calls.push(call)
  if (path === "/v1/embeddings") return sendEmbeddings(response, body)
  const answer = ANSWERS[path]
  if (answer === undefined) return sendError(response, 404, `no route ${path}`)
  const text = conversationText(body)
  const { [MARKERS.find((marker) => text.includes(marker)) ?? ""]: refused } = REFUSALS
  if (refused) return sendError(response, ...refused)
  if (text.includes(MARKER.waiting)) await released()
  if (text.includes(MARKER.slow) && body.stream !== true) await sleep(SLOW_ANSWER_MS)
  const choices = typeof body.n === "number" ? body.n : 1
  const one = chatUsage(text, call.limit)
  await answer({ response, body, text, serial, usage: { ...one, completion: one.completion * choices } })
}

const ANSWERS: Record<string, (exchange: Exchange) => Promise<void>> = {
  "/v1/chat/completions": answerChat,
  "/v1/responses": answerResponses,
  "/v1/messages": answerMessages,
}

const REFUSALS: Record<string, [status: number, message: string]> = {
  [MARKER.broken]: [500, "upstream exploded"],
  [MARKER.limited]: [429, "upstream is busy"],
  [MARKER.unauthorized]: [401, "upstream does not know this key"],
}
const MARKERS = Object.keys(REFUSALS)

function limitOf(body: Record<string, unknown>): number | undefined {
  const limit = body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens
  return typeof limit === "number" ? limit : undefined
}

async function answerChat(exchange: Exchange): Promise<void> {
  const { body, response, serial, text, usage } = exchange
  if (body.stream === true) return streamChat(exchange)
  const tool = toolCall(exchange)
  const tool_calls = tool && [{ id: "call_fake", type: "function", function: tool }]
  const message = { role: "assistant", content: tool ? null : ANSWER.join(" "), ...(tool_calls ? { tool_calls } : {}) }
  const choices = Array.from({ length: Number(body.n ?? 1) }, (_, index) => {
    return { index, message, finish_reason: tool ? "tool_calls" : "stop" }
  })
  const told = text.includes(MARKER.untold) ? {} : { usage: wireUsage(usage) }
  sendJson(response, 200, { ...head("chat.completion", body, serial), choices, ...told })
}

async function streamChat(exchange: Exchange): Promise<void> {
  const { body, response, serial, text, usage } = exchange
  const common = head("chat.completion.chunk", body, serial)
  const write = eventStream(response)
  const send = (part: object) => write({ ...common, ...part })
  const choice = (delta: object, finish_reason: string | null = null) => send({ choices: [{ index: 0, delta, finish_reason }] })
  const tool = toolCall(exchange)
  if (tool) choice({ role: "assistant", tool_calls: [{ index: 0, id: "call_fake", type: "function", function: tool }] })
  else for await (const content of words(exchange)) choice({ role: "assistant", content })
  if (response.destroyed) return
  choice({}, tool ? "tool_calls" : "stop")
  // As with OpenAI, a stream tells its usage only to a client that asked for it.
  const options = body.stream_options as { include_usage?: boolean } | undefined
  if (options?.include_usage === true && !text.includes(MARKER.untold)) send({ choices: [], usage: wireUsage(usage) })
  response.end("data: [DONE]\n\n")
}

function sendEmbeddings(response: ServerResponse, body: Record<string, unknown>): void {
  const texts = (Array.isArray(body.input) ? body.input : [body.input]).map(String)
  const { prompt } = embeddingUsage(texts)
  sendJson(response, 200, {
    object: "list",
    model: body.model,
    data: texts.map((_, index) => ({ object: "embedding", index, embedding: [0.25, -0.5, 0.75] })),
    usage: { prompt_tokens: prompt, total_tokens: prompt },
  })
}

/** OpenAI answers with the dated snapshot behind the name that was asked for; so does the fake. */
function head(object: string, body: Record<string, unknown>, serial: number): object {
  return { id: `chatcmpl-fake-${serial}`, object, created: 1_700_000_000, model: `${String(body.model)}-2024-07-18` }
}

function wireUsage(usage: FakeUsage): object {
  return {
    prompt_tokens: usage.prompt,
    completion_tokens: usage.completion,
    total_tokens: usage.prompt + usage.completion,
    prompt_tokens_details: { cached_tokens: usage.cached, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoning, audio_tokens: 0 },
  }
}

/** What `messages`, or a response's `input`, say, each on a line; parts of one message follow each other. */
function conversationText(body: Record<string, unknown>): string {
  const conversation = body.messages ?? body.input
  if (!Array.isArray(conversation)) return String(conversation ?? "")
  return (conversation as { content?: unknown }[]).map(({ content }) => contentText(content)).join("\n")
}

function contentText(content: unknown): string {
  if (!Array.isArray(content)) return String(content)
  return (content as { text?: unknown }[]).map(({ text }) => (typeof text === "string" ? text : "")).join("")
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>
}

function sendError(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) response.destroy()
  else sendJson(response, status, { error: { message, type: "server_error", param: null, code: null } })
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
