import { ApiProblem, ERROR_STATUS, type ErrorCode } from "../contract/error-codes"
import { error as logError } from "./log"
import { header, pathOf } from "./request"

const RETRY_AFTER_S = "5"

export function requestId(e: core.RequestEvent): string {
  return e.response.header().get("X-Request-Id")
}

export function problem(e: core.RequestEvent, code: ErrorCode, message: string, data: Record<string, unknown> = {}): void {
  const status = ERROR_STATUS[code]
  if (status === 401) e.response.header().set("WWW-Authenticate", 'Bearer realm="CloudFreedom"')
  if (status === 503) e.response.header().set("Retry-After", RETRY_AFTER_S)
  send(e, status, { code, message, data, requestId: requestId(e) })
}

/**
 * Runs an own route: what it returns is the 200 body. An ApiProblem is the caller's to mend; anything else (SQLite error,
 * full disk, our own bug) is ours and answers 503, because a sender that drops events on 4xx would lose usage.
 */
export function answer(e: core.RequestEvent, work: () => unknown): void {
  let body: unknown
  try {
    body = work()
  } catch (thrown) {
    refuse(e, thrown)
    return
  }
  send(e, 200, body)
}

/** The same for an answer that shows a secret this once: no cache on the way may keep it. */
export function answerSecret(e: core.RequestEvent, work: () => unknown): void {
  e.response.header().set("Cache-Control", "no-store")
  answer(e, work)
}

/** Our own JSON text: the host's e.json walks the object through Go, which is slower and loses the order of the keys. */
export function send(e: core.RequestEvent, status: number, body: unknown): void {
  e.response.header().set("Content-Type", "application/json")
  e.string(status, JSON.stringify(body))
}

export function refuse(e: core.RequestEvent, thrown: unknown): void {
  if (thrown instanceof ApiProblem) {
    problem(e, thrown.code, thrown.message, thrown.data)
    return
  }
  logError("request failed", { requestId: requestId(e), path: pathOf(e), error: String(thrown) })
  problem(e, "unavailable", "The request could not be processed right now. Nothing was changed; try again.")
}

const HOST_PROBLEMS: Record<number, [ErrorCode, string]> = {
  400: ["invalid_body", "The request could not be read."],
  401: ["not_signed_in", "Sign in first."],
  403: ["forbidden", "You may not do this."],
  404: ["not_found", "Not found."],
  413: ["body_too_large", "The body is larger than this route allows."],
}

/** Own paths keep our error shape even where the host refuses before our handler runs (body limit, bad token). */
export function aroundRequest(e: core.RequestEvent): void {
  e.response.header().set("X-Request-Id", newRequestId(e))
  try {
    e.next()
  } catch (thrown) {
    const status = (thrown as { value?: { status?: number } }).value?.status
    if (!isOwnPath(pathOf(e))) throw thrown
    const known = status === undefined ? undefined : HOST_PROBLEMS[status]
    if (known) problem(e, known[0], known[1])
    else refuse(e, thrown)
  }
}

const OWN = [
  "/api/usage/",
  "/api/budget",
  "/api/prices/",
  "/api/tenants/",
  "/api/ingest-keys/",
  "/api/keys",
  "/api/ready",
  "/oauth2/",
]

function isOwnPath(path: string): boolean {
  return OWN.some((prefix) => path.startsWith(prefix))
}

/** A caller's id is kept if it is harmless, so that their log and ours can be joined. */
function newRequestId(e: core.RequestEvent): string {
  const given = header(e, "X-Request-Id")
  return /^[A-Za-z0-9_.-]{8,64}$/.test(given) ? given : $security.pseudorandomString(20)
}
