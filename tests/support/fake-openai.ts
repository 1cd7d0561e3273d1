/**
 * An upstream that speaks OpenAI's protocol: chat completions (plain and streamed) and embeddings.
 * What it counts depends on the text alone, by a rule that no tokenizer would agree with: a test that
 * sees these numbers arrive knows that they are the provider's and not somebody's estimate.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** Put one of these into a message to choose what happens to the call. */
export const MARKER = {
  /** most of the prompt was cached */
  cached: "[cached]",
  /** the upstream answers 500 */
  broken: "[broken]",
  /** the connection of a stream dies after some words, before the usage chunk */
  cut: "[cut]",
} as const

/** Tokens as OpenAI counts them: `cached` is a part of `prompt`, `reasoning` a part of `completion`. */
export interface FakeUsage {
  prompt: number
  cached: number
  completion: number
  reasoning: number
}

export interface FakeOpenai {
  /** base URL including /v1 */
  url: string
  /** bodies of the calls in the order they came in */
  calls: { path: string; body: Record<string, unknown> }[]
  stop(): Promise<void>
}

const ANSWER = "the quick brown fox jumps over the lazy dog ".repeat(3).trim().split(" ")
const WORDS_BEFORE_CUT = 7

/** The usage that the fake reports for a chat whose messages, joined by a line feed, are `text`. */
export function chatUsage(text: string): FakeUsage {
  const prompt = 1_003 + 7 * text.length
  const cached = text.includes(MARKER.cached) ? 128 * Math.floor(prompt / 200) : 0
  return { prompt, cached, completion: 211 + 3 * text.length, reasoning: 64 }
}

/** The usage that the fake reports for embedding these texts. */
export function embeddingUsage(texts: string[]): FakeUsage {
  return { prompt: 17 + 5 * texts.join("").length, cached: 0, completion: 0, reasoning: 0 }
}

/** Starts the upstream on a free port of the loopback interface. */
export async function startFakeOpenai(): Promise<FakeOpenai> {
  const calls: FakeOpenai["calls"] = []
  const server = createServer((request, response) => {
    handle(request, response, calls).catch((error: unknown) => sendError(response, 400, String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/v1`, calls, stop: () => closeServer(server) }
}

async function handle(request: IncomingMessage, response: ServerResponse, calls: FakeOpenai["calls"]): Promise<void> {
  const path = request.url ?? ""
  const body = await readJson(request)
  calls.push({ path, body })
  if (path === "/v1/embeddings") return sendEmbeddings(response, body)
  if (path !== "/v1/chat/completions") return sendError(response, 404, `no route ${path}`)
  const text = messageText(body)
  if (text.includes(MARKER.broken)) return sendError(response, 500, "upstream exploded")
  if (body.stream === true) return streamChat(response, body, text, calls.length)
  sendJson(response, 200, {
    ...head("chat.completion", body, calls.length),
    choices: [{ index: 0, message: { role: "assistant", content: ANSWER.join(" ") }, finish_reason: "stop" }],
    usage: wireUsage(chatUsage(text)),
  })
}

async function streamChat(response: ServerResponse, body: Record<string, unknown>, text: string, serial: number): Promise<void> {
  const common = head("chat.completion.chunk", body, serial)
  const send = (part: object) => response.write(`data: ${JSON.stringify({ ...common, ...part })}\n\n`)
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const [index, word] of ANSWER.entries()) {
    if (text.includes(MARKER.cut) && index === WORDS_BEFORE_CUT) {
      // Give what was written time to leave, so that the client sees a stream that dies and not a refused call.
      await new Promise((resolve) => setTimeout(resolve, 50))
      response.destroy()
      return
    }
    send({ choices: [{ index: 0, delta: { role: "assistant", content: `${word} ` }, finish_reason: null }] })
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
  // As with OpenAI, a stream tells its usage only to a client that asked for it.
  const options = body.stream_options as { include_usage?: boolean } | undefined
  if (options?.include_usage === true) send({ choices: [], usage: wireUsage(chatUsage(text)) })
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

function messageText(body: Record<string, unknown>): string {
  const messages = Array.isArray(body.messages) ? (body.messages as { content?: unknown }[]) : []
  return messages.map((message) => String(message.content)).join("\n")
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
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
