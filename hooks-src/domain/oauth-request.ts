/** What a chat asks of the sign-in: is the request one that the client may make? Nothing here touches a secret. */
import { SCOPES } from "../contract/oauth"

/** RFC 7636: 43 characters are the SHA-256 of the verifier in base64url. */
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/
const MAX_STATE = 1_000

export interface AuthorizeRequest {
  clientId: string
  redirectUri: string
  scope: string
  state: string
  codeChallenge: string
}

export type AuthorizeVerdict =
  | { verdict: "acceptable"; request: AuthorizeRequest }
  | { verdict: "refused"; field: string; message: string }

export const AUTHORIZE_FIELDS = [
  "client_id",
  "redirect_uri",
  "response_type",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
] as const

/**
 * Client and redirect URI come first and are compared exactly: unless both are right, nobody may be sent anywhere. PKCE with
 * S256 is required (`plain` would put the verifier itself into the URL), and so is a state.
 */
export function checkAuthorizeRequest(
  raw: Record<string, unknown>,
  client: { oauthClientId: string; oauthRedirectUri: string },
): AuthorizeVerdict {
  const refused = (field: string, message: string): AuthorizeVerdict => ({ verdict: "refused", field, message })
  for (const field of AUTHORIZE_FIELDS) if (typeof raw[field] !== "string") return refused(field, "must be a text")
  const sent = raw as Record<(typeof AUTHORIZE_FIELDS)[number], string>
  if (sent.client_id !== client.oauthClientId) return refused("client_id", "is not the client of this tenant")
  if (sent.redirect_uri !== client.oauthRedirectUri) return refused("redirect_uri", "is not the one that is registered")
  if (sent.response_type !== "code") return refused("response_type", "must be code")
  if (sent.code_challenge_method !== "S256") return refused("code_challenge_method", "must be S256")
  if (!CHALLENGE.test(sent.code_challenge)) return refused("code_challenge", "must be 43 characters of base64url")
  if (sent.state === "" || sent.state.length > MAX_STATE) return refused("state", `must have 1 to ${MAX_STATE} characters`)
  const scopes = sent.scope.split(" ").filter((name) => name !== "")
  if (!scopes.includes("openid") || scopes.some((name) => !(SCOPES as readonly string[]).includes(name)))
    return refused("scope", `must hold openid and nothing but ${SCOPES.join(", ")}`)
  return {
    verdict: "acceptable",
    request: {
      clientId: sent.client_id,
      redirectUri: sent.redirect_uri,
      scope: scopes.join(" "),
      state: sent.state,
      codeChallenge: sent.code_challenge,
    },
  }
}

/** The registered redirect URI with code and state added to its query. */
export function redirectWithCode(redirectUri: string, code: string, state: string): string {
  const separator = redirectUri.includes("?") ? "&" : "?"
  return `${redirectUri}${separator}code=${encodeURIComponent(code)}&state=${encodeURIComponent(state)}`
}

/** A code as it is stored, without its hash. Times are UTC milliseconds; `usedAt` is null until it is presented. */
export interface StoredCode {
  id: string
  userId: string
  clientId: string
  redirectUri: string
  scope: string
  codeChallenge: string
  expiresAtMs: number
  usedAtMs: number | null
}

export type CodeVerdict = "valid" | "replayed" | "expired" | "other_client" | "other_redirect_uri" | "wrong_verifier"

/** `challengeOfVerifier` is base64url(SHA-256(verifier)). A replay is told first: it takes back what the code has bought. */
export function judgeCode(
  code: StoredCode,
  presented: { clientId: string; redirectUri: string; verifier: string; challengeOfVerifier: string },
  nowMs: number,
): CodeVerdict {
  if (code.clientId !== presented.clientId) return "other_client"
  if (code.usedAtMs !== null) return "replayed"
  if (code.expiresAtMs <= nowMs) return "expired"
  if (code.redirectUri !== presented.redirectUri) return "other_redirect_uri"
  if (!VERIFIER.test(presented.verifier) || presented.challengeOfVerifier !== code.codeChallenge) return "wrong_verifier"
  return "valid"
}

/** Hex as the host's hashes come, to base64url as PKCE wants it. */
export function hexToBase64Url(hex: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  let text = ""
  for (let at = 0; at < hex.length; at += 6) {
    const part = hex.slice(at, at + 6)
    const bits = Number.parseInt(part.padEnd(6, "0"), 16)
    for (let i = 0; i < Math.ceil((part.length * 4) / 6); i++) text += alphabet[(bits >> (18 - 6 * i)) & 63]
  }
  return text
}

/** A form body by name; null if it cannot be decoded or names something twice, which OAuth forbids (RFC 6749, 3.2). */
export function parseForm(body: string): Record<string, string> | null {
  const fields: Record<string, string> = Object.create(null)
  for (const pair of body.split("&")) {
    if (pair === "") continue
    const at = pair.indexOf("=")
    const name = decodeFormText(at < 0 ? pair : pair.slice(0, at))
    const value = decodeFormText(at < 0 ? "" : pair.slice(at + 1))
    if (name === null || value === null || name in fields) return null
    fields[name] = value
  }
  return fields
}

/** One form-encoded text: + is a space; null if an escape is broken. */
export function decodeFormText(text: string): string | null {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "))
  } catch {
    return null
  }
}
