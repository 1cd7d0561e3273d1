import { OAuthProblem } from "../../contract/oauth"
import { header, pathParam } from "../../pocketbase/request"
import { answerOAuth } from "../../pocketbase/respond-oauth"
import { readUserInfo } from "../../usecases/redeem-chat-code"

/** GET /oauth2/{slug}/userinfo: who signed in, for the access token in the Authorization header. */
export function getUserInfo(e: core.RequestEvent): void {
  answerOAuth(e, () => {
    const token = /^Bearer +(\S+)$/i.exec(header(e, "Authorization"))?.[1]
    if (token === undefined) throw new OAuthProblem("invalid_token", "send the access token as Authorization: Bearer …")
    return readUserInfo(pathParam(e, "slug"), token)
  })
}
