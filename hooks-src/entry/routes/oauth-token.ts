import { OAuthProblem } from "../../contract/oauth"
import { readBasicAuth, readForm } from "../../pocketbase/read-form"
import { pathParam } from "../../pocketbase/request"
import { answerOAuth } from "../../pocketbase/respond-oauth"
import { redeemChatCode } from "../../usecases/redeem-chat-code"

/** POST /oauth2/{slug}/token: a code and the client's secret for an opaque access token. */
export function postToken(e: core.RequestEvent): void {
  answerOAuth(e, () => {
    const form = readForm(e)
    const basic = readBasicAuth(e)
    if (basic && form.client_secret !== undefined)
      throw new OAuthProblem("invalid_request", "the client must prove itself in one way, not in two")
    if (basic && form.client_id !== undefined && form.client_id !== basic.id)
      throw new OAuthProblem("invalid_request", "client_id is not the one of the Authorization header")
    const inBody = form.client_secret === undefined ? null : { id: form.client_id ?? "", secret: form.client_secret }
    return redeemChatCode(pathParam(e, "slug"), basic ?? inBody, form)
  })
}
