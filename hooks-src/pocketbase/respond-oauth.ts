import { ApiProblem } from "../contract/error-codes"
import { OAUTH_ERROR_STATUS, type OAuthErrorName, OAuthProblem } from "../contract/oauth"
import { error as logError } from "./log"
import { header, pathOf } from "./request"
import { refuse, requestId, send } from "./respond"

const RETRY_AFTER_S = "5"

/**
 * Runs a token or userinfo request. Its refusals have OAuth's shape {error, error_description}, because its clients are
 * libraries that read nothing else; what the host refuses by itself (size, method) keeps the shape of the other routes.
 */
export function answerOAuth(e: core.RequestEvent, work: () => unknown): void {
  e.response.header().set("Cache-Control", "no-store")
  let body: unknown
  try {
    body = work()
  } catch (thrown) {
    if (thrown instanceof ApiProblem) refuse(e, thrown)
    else if (thrown instanceof OAuthProblem) refuseOAuth(e, thrown.error, thrown.description)
    else {
      logError("request failed", { requestId: requestId(e), path: pathOf(e), error: String(thrown) })
      refuseOAuth(e, "temporarily_unavailable", "try again")
    }
    return
  }
  send(e, 200, body)
}

function refuseOAuth(e: core.RequestEvent, error: OAuthErrorName, description: string): void {
  const headers = e.response.header()
  if (error === "invalid_token") headers.set("WWW-Authenticate", 'Bearer realm="CloudFreedom", error="invalid_token"')
  if (error === "invalid_client" && header(e, "Authorization") !== "")
    headers.set("WWW-Authenticate", 'Basic realm="CloudFreedom"')
  if (error === "temporarily_unavailable") headers.set("Retry-After", RETRY_AFTER_S)
  send(e, OAUTH_ERROR_STATUS[error], { error, error_description: description })
}
