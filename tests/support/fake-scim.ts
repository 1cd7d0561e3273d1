/**
 * The SCIM API and the sign-in of Open WebUI 0.12.4, as far as accounts go: by the subject of the sign-in, never merged by
 * address. An account that a sign-in made is found by externalId through its subject, and one that neither SCIM nor a sign-in
 * made does not exist for SCIM.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface ChatUser {
  id: string
  email: string
  name: string
  role: "user" | "pending" | "admin"
  /** Subject of its sign-in; empty if it never signed in with us. */
  sub: string
  externalId: string | null
}

export interface FakeScim {
  /** Base of the API, as a stack's scim_url. */
  url: string
  token: string
  users: ChatUser[]
  calls: { method: string; path: string; status: number }[]
  /** Every call is answered with this status while it is not 0. */
  broken: number
  /** Runs before a call is answered, to let something happen meanwhile. */
  before: (method: string, path: string) => Promise<void> | void
  /** What happens in the chat when somebody arrives with these claims: their account, or why they are turned away. */
  signIn(claims: { sub: string; email?: string; name?: string }): ChatUser | "email taken"
  stop(): Promise<void>
}

export async function startFakeScim(): Promise<FakeScim> {
  const server = createServer((request, response) => {
    handle(fake, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const fake: FakeScim = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/scim/v2`,
    token: "scim-token-of-the-fake",
    users: [],
    calls: [],
    broken: 0,
    before: () => undefined,
    signIn: (claims) => signIn(fake.users, claims),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return fake
}

function signIn(users: ChatUser[], claims: { sub: string; email?: string; name?: string }): ChatUser | "email taken" {
  const known = users.find((user) => user.sub === claims.sub)
  if (known) return known
  const email = (claims.email ?? "").toLowerCase()
  if (users.some((user) => user.email === email)) return "email taken"
  const made: ChatUser = {
    id: `owui-${users.length + 1}`,
    email,
    name: claims.name ?? email,
    role: "user",
    sub: claims.sub,
    externalId: null,
  }
  users.push(made)
  return made
}

async function handle(fake: FakeScim, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", "http://chat")
  const path = url.pathname.replace("/api/v1/scim/v2", "")
  const method = request.method ?? ""
  let text = ""
  for await (const chunk of request) text += chunk
  await fake.before(method, path)
  const answer = (status: number, body: unknown) => {
    fake.calls.push({ method, path: path + decodeURIComponent(url.search), status })
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body))
  }
  if (fake.broken !== 0) return answer(fake.broken, { detail: "broken" })
  if (request.headers.authorization !== `Bearer ${fake.token}`) return answer(401, { detail: "Invalid SCIM token" })
  const visible = fake.users.filter((user) => user.sub !== "" || user.externalId !== null)
  if (method === "GET" && path === "/Users") {
    const found = filtered(visible, url.searchParams.get("filter") ?? "")
    return answer(200, { totalResults: found.length, itemsPerPage: found.length, startIndex: 1, Resources: found.map(toScim) })
  }
  const user = visible.find((candidate) => path === `/Users/${candidate.id}`)
  if (!user) return answer(404, { detail: "not found" })
  if (method !== "PATCH") return answer(405, { detail: "Method Not Allowed" })
  const problem = patch(user, JSON.parse(text))
  return problem === "" ? answer(200, toScim(user)) : answer(400, { detail: problem })
}

function filtered(users: ChatUser[], filter: string): ChatUser[] {
  const wanted = filter.split('"')[1] ?? ""
  if (filter.includes("userName eq")) return users.filter((user) => user.email.toLowerCase() === wanted.toLowerCase())
  if (!filter.includes("externalId eq")) return users
  const linked = users.find((user) => user.externalId === wanted) ?? users.find((user) => user.sub === wanted)
  return linked ? [linked] : []
}

function patch(user: ChatUser, body: { Operations: { op: string; path: string; value: unknown }[] }): string {
  for (const { op, path, value } of body.Operations) {
    if (op !== "replace" && op !== "add") return `Unsupported PATCH operation: ${op}`
    if (path === "active") {
      if (typeof value !== "boolean") return "active must be a boolean"
      if (user.role !== "admin") user.role = value ? "user" : "pending"
    } else if (typeof value !== "string") return `${path} must be a string`
    else if (path === "userName") user.email = value
    else if (path === "displayName") user.name = value
    else if (path === "externalId") user.externalId = value
    else return `Unsupported PATCH path: ${path}`
  }
  return ""
}

function toScim(user: ChatUser): Record<string, unknown> {
  return {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    id: user.id,
    externalId: user.externalId,
    userName: user.email,
    displayName: user.name,
    emails: [{ value: user.email, type: "work", primary: true }],
    active: user.role !== "pending",
  }
}
