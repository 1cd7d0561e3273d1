/** A chat's SCIM API (Open WebUI's), blocking, never inside a transaction. Only ids, addresses, names and a flag go there. */

const TIMEOUT_S = 10

/** An account as the chat describes it. */
export interface ScimUser {
  id: string
  externalId: string | null
  userName: string
  displayName: string
  active: boolean
}

export interface ScimTarget {
  /** Base URL without a slash at the end. */
  url: string
  token: string
}

/** The receiver answered something else than success: the message says which call and which status, nothing of the body. */
export class ScimFailure extends Error {
  constructor(
    call: string,
    readonly status: number,
  ) {
    super(`SCIM ${call} answered ${status}`)
  }
}

/** The account with this externalId, which Open WebUI also looks up among the subjects of its sign-ins; null if none. */
export function findScimUser(target: ScimTarget, externalId: string): ScimUser | null {
  const filter = encodeURIComponent(`externalId eq "${externalId}"`)
  const { status, json } = send(target, "GET", `/Users?filter=${filter}`)
  if (status !== 200) throw new ScimFailure("GET /Users", status)
  const users = (json as { Resources?: ScimUser[] } | null)?.Resources
  if (!Array.isArray(users)) throw new ScimFailure("GET /Users without Resources", status)
  return users[0] ?? null
}

/** Replaces these attributes and no others. False: the chat does not know the account any more. */
export function patchScimUser(target: ScimTarget, id: string, changes: Record<string, string | boolean>): boolean {
  const Operations = Object.entries(changes).map(([path, value]) => ({ op: "replace", path, value }))
  const body = { schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations }
  const { status } = send(target, "PATCH", `/Users/${encodeURIComponent(id)}`, body)
  if (status === 404) return false
  if (status !== 200) throw new ScimFailure("PATCH /Users/{id}", status)
  return true
}

function send(target: ScimTarget, method: string, path: string, body?: unknown): { status: number; json: unknown } {
  const answer = $http.send({
    url: target.url + path,
    method,
    headers: { Authorization: `Bearer ${target.token}`, "Content-Type": "application/json", Accept: "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    timeout: TIMEOUT_S,
  })
  return { status: answer.statusCode, json: answer.json }
}
