/**
 * A reverse proxy that can be told to fail, put between LiteLLM and the platform (or the provider): its address stays the
 * same while what stands behind it is restarted elsewhere. It understands whole HTTP requests, so that it can cut a connection
 * at the worst moment: after the server has committed and before the client has the answer.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "./platform"

export type Fault =
  /** forwards everything */
  | { kind: "pass" }
  /** nobody listens; open connections are reset */
  | { kind: "refuse" }
  /** takes the request and never answers; the server behind it hears nothing */
  | { kind: "black hole" }
  /** the server behind it has done its work and answered, the client's connection breaks before a byte of that */
  | { kind: "cut after commit" }
  /** as black hole, but the server behind it has done its work: its answer is never passed on */
  | { kind: "mute after commit" }
  /** answers in the server's place */
  | { kind: "status"; status: number; retryAfter?: number }
  /** passes the answer on after so many milliseconds */
  | { kind: "slow"; ms: number }
  /** passes each event of a streamed answer on after a pause of so many milliseconds */
  | { kind: "trickle"; ms: number }

export interface Passed {
  method: string
  /** without the query */
  path: string
  fault: Fault["kind"]
  /** The answer's status of the server behind it, undefined if it was not asked or did not answer. */
  status?: number
}

export interface UnreliableCenter {
  readonly url: string
  /** Every request that came in, in order. */
  readonly seen: Passed[]
  /** From now on; `only` limits the fault to some paths (refuse concerns them all). Requests under way keep theirs. */
  become(fault: Fault, only?: (path: string) => boolean): Promise<void>
  stop(): Promise<void>
}

/** @param target what stands behind it; `url` is read for each request */
export async function startUnreliableCenter(target: { readonly url: string }): Promise<UnreliableCenter> {
  const center = new Center(target, await freePort())
  await center.listen()
  return center
}

const PASS: Fault = { kind: "pass" }

class Center implements UnreliableCenter {
  readonly url: string
  readonly seen: Passed[] = []
  private fault: Fault = PASS
  private only: (path: string) => boolean = () => true
  private server: Server | undefined

  constructor(
    private readonly target: { readonly url: string },
    private readonly port: number,
  ) {
    this.url = `http://127.0.0.1:${port}`
  }

  async become(fault: Fault, only: (path: string) => boolean = () => true): Promise<void> {
    this.fault = fault
    this.only = only
    if (fault.kind === "refuse") await this.stop()
    else await this.listen()
  }

  async listen(): Promise<void> {
    if (this.server) return
    const server = createServer((incoming, outgoing) => {
      // Whatever breaks on the way is, to the client, a connection that breaks.
      this.handle(incoming, outgoing).catch(() => outgoing.destroy())
    })
    this.server = server
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(this.port, "127.0.0.1", resolve)
    })
  }

  async stop(): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  private async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = (incoming.url ?? "/").split("?")[0] as string
    const fault = this.only(path) ? this.fault : PASS
    const passed: Passed = { method: incoming.method ?? "", path, fault: fault.kind }
    this.seen.push(passed)
    const body = await readAll(incoming)
    if (fault.kind === "black hole") return
    if (fault.kind === "status") return answerInstead(outgoing, fault)
    const answer = await this.forward(incoming, body)
    if (fault.kind === "cut after commit" || fault.kind === "mute after commit") {
      await readAll(answer)
      passed.status = answer.statusCode
      if (fault.kind === "cut after commit") outgoing.destroy()
      return
    }
    passed.status = answer.statusCode
    if (fault.kind === "slow") await sleep(fault.ms)
    await passOn(answer, outgoing, fault.kind === "trickle" ? fault.ms : 0)
  }

  private forward(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const base = new URL(this.target.url)
    const headers = { ...incoming.headers, host: base.host, "content-length": String(body.length) }
    // The body is whole by now, and each request has a connection of its own: nothing of one can spoil another.
    delete (headers as Record<string, unknown>)["transfer-encoding"]
    return new Promise((resolve, reject) => {
      const { method, url: path } = incoming
      const request = httpRequest({ hostname: base.hostname, port: base.port, agent: false, method, path, headers }, resolve)
      request.once("error", reject)
      request.end(body)
    })
  }
}

function answerInstead(outgoing: ServerResponse, fault: { status: number; retryAfter?: number }): void {
  const wait = fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) }
  const body = { code: "unavailable", message: "a test says so", data: {}, requestId: "test" }
  outgoing.writeHead(fault.status, { "content-type": "application/json", ...wait }).end(JSON.stringify(body))
}

async function passOn(answer: IncomingMessage, outgoing: ServerResponse, pauseMs: number): Promise<void> {
  const { connection: _, "keep-alive": __, ...headers } = answer.headers
  outgoing.writeHead(answer.statusCode ?? 502, headers)
  for await (const chunk of answer) {
    for (const piece of pauseMs > 0 ? eventsOf(chunk as Buffer) : [chunk as Buffer]) {
      if (outgoing.destroyed) return
      outgoing.write(piece)
      if (pauseMs > 0) await sleep(pauseMs)
    }
  }
  outgoing.end()
}

/** The events of a stream; a piece of one is a piece of its own. */
function eventsOf(chunk: Buffer): string[] {
  return chunk.toString("utf8").split(/(?<=\n\n)/)
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
