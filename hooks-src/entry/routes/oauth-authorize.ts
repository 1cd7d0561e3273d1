import type { SignInContext } from "../../contract/oauth"
import { AUTHORIZE_FIELDS } from "../../domain/oauth-request"
import { requireCaller } from "../../pocketbase/auth"
import { readObject } from "../../pocketbase/read-body"
import { pathParam, queryParam } from "../../pocketbase/request"
import { answerSecret, refuse } from "../../pocketbase/respond"
import { renderSignInPage, signInHeaders } from "../../pocketbase/sign-in-page"
import { authorizeChat, openSignIn } from "../../usecases/sign-in-to-chat"

const STATUS: Record<SignInContext["problem"], number> = {
  "": 200,
  bad_request: 400,
  tenant_suspended: 403,
  unknown_chat: 404,
}

/** GET /oauth2/{slug}/authorize: the page, also for a request that cannot work: a person reads the answer. */
export function getAuthorize(e: core.RequestEvent): void {
  try {
    const query = Object.fromEntries(AUTHORIZE_FIELDS.map((name) => [name, queryParam(e, name)]))
    const context = openSignIn(pathParam(e, "slug"), query)
    const page = require(`${__hooks}/sign-in-page.js`)
    for (const [name, value] of Object.entries(signInHeaders(page))) e.response.header().set(name, value)
    e.html(STATUS[context.problem], renderSignInPage(page, context))
  } catch (thrown) {
    refuse(e, thrown)
  }
}

/** POST /oauth2/{slug}/authorize: a code for the signed-in user, and where the page takes it. */
export function postAuthorizeChat(e: core.RequestEvent): void {
  answerSecret(e, () => authorizeChat(requireCaller(e), pathParam(e, "slug"), readObject(e)))
}
