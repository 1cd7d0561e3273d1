import { ApiProblem } from "../../contract/error-codes"
import { SCOPES } from "../../contract/oauth"
import { publicUrl } from "../../pocketbase/public-url"
import { pathParam } from "../../pocketbase/request"
import { answer } from "../../pocketbase/respond"
import { findStackBySlug } from "../../pocketbase/stores/tenant-stacks"

/**
 * GET /oauth2/{slug}/.well-known/openid-configuration. Without jwks_uri and signing algorithms, because no id_token is
 * issued: Open WebUI's library looks for keys only when a token answer holds one, and asks userinfo otherwise.
 */
export function getOpenidConfiguration(e: core.RequestEvent): void {
  answer(e, () => {
    const slug = pathParam(e, "slug")
    if (!findStackBySlug($app, slug)) throw new ApiProblem("not_found", "there is no such chat")
    const issuer = `${publicUrl(e)}/oauth2/${slug}`
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      response_types_supported: ["code"],
      response_modes_supported: ["query"],
      grant_types_supported: ["authorization_code"],
      subject_types_supported: ["public"],
      scopes_supported: SCOPES,
      claims_supported: ["sub", "email", "email_verified", "name", "preferred_username"],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      code_challenge_methods_supported: ["S256"],
    }
  })
}
