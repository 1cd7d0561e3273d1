/** The OAuth part of the contract (RFC 6749, 6750, 7636): its error names, and the shape that its clients expect of them. */

export const OAUTH_ERROR_STATUS = {
  invalid_request: 400,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  invalid_client: 401,
  invalid_token: 401,
  access_denied: 403,
  temporarily_unavailable: 503,
} as const

export type OAuthErrorName = keyof typeof OAUTH_ERROR_STATUS

/** A refusal by the token or userinfo endpoint; the description is for a log and holds neither secret nor address. */
export class OAuthProblem extends Error {
  constructor(
    readonly error: OAuthErrorName,
    readonly description: string,
  ) {
    super(description)
  }
}

export const SCOPES = ["openid", "email", "profile"] as const

/** How long a code can be exchanged, and how long the token works that it buys. Both are used within seconds. */
export const CODE_TTL_MS = 60_000
export const TOKEN_TTL_MS = 600_000

/** What the authorize page is told by the server; `problem` replaces the form by a sentence. */
export interface SignInContext {
  language: "de" | "en"
  slug: string
  tenantName: string
  /** Where "back" leads; empty if the request does not name a chat of ours. */
  chatUrl: string
  problem: "" | "unknown_chat" | "tenant_suspended" | "bad_request"
}
