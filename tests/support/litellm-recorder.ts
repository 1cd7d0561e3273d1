/**
 * Stands between LiteLLM's logger and the platform: passes every delivery on unchanged and keeps a copy,
 * so that a test can wait for an event, read what LiteLLM really sent, and send the very same bytes again.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

/** The part of LiteLLM's standard logging payload that tests look at. */
export interface LitellmEvent {
  id: string
  status: string
  startTime: number
  model: string
  stream: boolean | null
  prompt_tokens: number
  completion_tokens: number
  metadata: { user_api_key_user_id: string | null }
}

export interface EventVerdict {
  event_id: string
  verdict: string
  cost?: string
  code?: string
  message?: string
}

export interface Delivery {
  contentType: string
  authorization: string
  body: string
  events: LitellmEvent[]
  status: number
  answer: string
}

export interface Recorder {
  /** where LiteLLM's logger shall post to */
  url: string
  deliveries: Delivery[]
  /** all events so far, in the order they were delivered */
  events(): LitellmEvent[]
  /** Waits until at least `count` events have been delivered and answered. */
  waitForEvents(count: number, timeoutMs?: number): Promise<LitellmEvent[]>
  /** Delivers the same bytes with the same headers once more; not recorded. */
  resend(delivery: Delivery): Promise<{ status: number; answer: string }>
  stop(): Promise<void>
}

/** Starts a recorder in front of `target`, the complete URL of the route that takes LiteLLM's events. */
export async function startRecorder(target: string): Promise<Recorder> {
  const deliveries: Delivery[] = []
  const server = createServer((request, response) => {
    passOn(target, request, response, deliveries).catch((error: unknown) => response.writeHead(502).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const events = () => deliveries.flatMap((delivery) => delivery.events)
  return {
    url: `http://127.0.0.1:${port}/`,
    deliveries,
    events,
    waitForEvents: async (count, timeoutMs = 30_000) => {
      for (let waited = 0; events().length < count; waited += 50) {
        if (waited >= timeoutMs) throw new Error(`only ${events().length} of ${count} events came in ${timeoutMs} ms`)
        await sleep(50)
      }
      return events()
    },
    resend: (delivery) => post(target, delivery.contentType, delivery.authorization, delivery.body),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function passOn(target: string, request: IncomingMessage, response: ServerResponse, deliveries: Delivery[]): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString("utf8")
  const contentType = request.headers["content-type"] ?? ""
  const authorization = request.headers.authorization ?? ""
  const { status, answer } = await post(target, contentType, authorization, body)
  deliveries.push({ contentType, authorization, body, events: JSON.parse(body) as LitellmEvent[], status, answer })
  response.writeHead(status, { "content-type": "application/json" }).end(answer)
}

async function post(
  target: string,
  contentType: string,
  authorization: string,
  body: string,
): Promise<{ status: number; answer: string }> {
  const response = await fetch(target, {
    method: "POST",
    headers: { "content-type": contentType, authorization },
    body,
  })
  return { status: response.status, answer: await response.text() }
}
