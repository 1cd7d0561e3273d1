/** The way from the platform to the chat's SCIM API, which a test can close: a stack that does not answer. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface ScimDoor {
  /** Base of the SCIM API behind the door. */
  url: string
  open: boolean
  stop(): Promise<void>
}

export async function startScimDoor(chatUrl: string): Promise<ScimDoor> {
  const door: ScimDoor = { url: "", open: true, stop: () => Promise.resolve() }
  const server = createServer((request, response) => {
    if (door.open) pass(chatUrl, request, response).catch(() => response.writeHead(502).end())
    else response.writeHead(503).end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  door.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/scim/v2`
  door.stop = () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return door
}

async function pass(chatUrl: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const method = request.method ?? "GET"
  const answer = await fetch(`${chatUrl}${request.url ?? ""}`, {
    method,
    headers: { authorization: request.headers.authorization ?? "", "content-type": "application/json" },
    ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
  })
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(await answer.text())
}
