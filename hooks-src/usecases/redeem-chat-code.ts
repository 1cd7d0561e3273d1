import { OAuthProblem, TOKEN_TTL_MS } from "../contract/oauth"
import type { ChatPerson } from "../domain/chat-access"
import { type CodeVerdict, hexToBase64Url, judgeCode } from "../domain/oauth-request"
import { dbTime, nowMs } from "../pocketbase/clock"
import { type Db, transaction } from "../pocketbase/db"
import { warn } from "../pocketbase/log"
import { newSecret } from "../pocketbase/secrets"
import { findChatAccount, findChatPerson } from "../pocketbase/stores/chat-accounts"
import { findCode, markCodeUsed } from "../pocketbase/stores/oauth-codes"
import { findToken, insertToken, revokeTokensOfCode } from "../pocketbase/stores/oauth-tokens"
import { findStackBySlug, type StackWithTenant } from "../pocketbase/stores/tenant-stacks"
import { enqueueUserSync } from "./provision-chat-user"
import { refusalNow, refusalSentence } from "./sign-in-to-chat"

/** The chat makes its account right after it has read userinfo; a little later there is something to link. */
const ACCOUNT_EXISTS_AFTER_MS = 5_000

const REFUSALS: Record<Exclude<CodeVerdict, "valid">, string> = {
  replayed: "the code was used before; what it bought is revoked",
  expired: "the code has expired",
  other_client: "the code was given to another client",
  other_redirect_uri: "redirect_uri is not the one that the code was given for",
  wrong_verifier: "code_verifier does not match the code_challenge",
}

/** The client's own proof, from a Basic header or from the body. */
export interface ClientCredentials {
  id: string
  secret: string
}

export interface ChatTokenAnswer {
  access_token: string
  token_type: "Bearer"
  /** Seconds. */
  expires_in: number
  scope: string
}

/**
 * Exchanges a code for an opaque token. Any try by the right client uses the code up; a second one also revokes the token.
 * @throws OAuthProblem invalid_client, unsupported_grant_type, invalid_request, invalid_grant
 */
export function redeemChatCode(slug: string, client: ClientCredentials | null, form: Record<string, string>): ChatTokenAnswer {
  requireClient(slug, client)
  if (form.grant_type === undefined) throw new OAuthProblem("invalid_request", "grant_type is missing")
  if (form.grant_type !== "authorization_code")
    throw new OAuthProblem("unsupported_grant_type", "grant_type must be authorization_code")
  const { code, redirect_uri: redirectUri, code_verifier: verifier } = form
  if (!code || !redirectUri || !verifier)
    throw new OAuthProblem("invalid_request", "code, redirect_uri and code_verifier are all needed")

  const accessToken = newSecret()
  const presented = { code, redirectUri, verifier, accessToken }
  const outcome = transaction((tx) => redeem(tx, slug, presented))
  if ("refused" in outcome) throw new OAuthProblem("invalid_grant", outcome.refused)
  return { access_token: accessToken, token_type: "Bearer", expires_in: TOKEN_TTL_MS / 1000, scope: outcome.scope }
}

function requireClient(slug: string, client: ClientCredentials | null): void {
  const stack = findStackBySlug($app, slug)
  const known = stack !== null && client !== null && client.id === stack.oauthClientId
  // Compared in constant time, and also for an unknown client: the answer's time tells nothing.
  const right = $security.equal($security.sha256(client?.secret ?? ""), stack?.oauthClientSecretHash ?? "")
  if (!known || !right) throw new OAuthProblem("invalid_client", "the client is unknown or its secret is wrong")
}

type Presented = { code: string; redirectUri: string; verifier: string; accessToken: string }

/** Refusals are values and not exceptions: that the code is used up must be saved with them. */
function redeem(tx: Db, slug: string, presented: Presented): { scope: string } | { refused: string } {
  const now = nowMs()
  const stack = findStackBySlug(tx, slug) as StackWithTenant
  const code = findCode(tx, stack.tenantId, $security.sha256(presented.code))
  if (!code) return { refused: "the code does not exist" }
  const challengeOfVerifier = hexToBase64Url($security.sha256(presented.verifier))
  const verdict = judgeCode(code, { ...presented, clientId: stack.oauthClientId, challengeOfVerifier }, now)
  markCodeUsed(tx, code.id, dbTime(now))
  if (verdict === "replayed") {
    const tokens = revokeTokensOfCode(tx, code.id, dbTime(now))
    warn("a sign-in code was presented twice", { tenant: stack.tenantId, user: code.userId, revokedTokens: tokens })
  }
  if (verdict !== "valid") return { refused: REFUSALS[verdict] }
  const refusal = refusalNow(stack, findChatPerson(tx, code.userId))
  if (refusal) return { refused: refusalSentence(refusal) }
  const { id: codeId, userId, scope } = code
  insertToken(tx, { hash: $security.sha256(presented.accessToken), codeId, tenantId: stack.tenantId, userId, scope }, now)
  return { scope }
}

export interface UserInfo {
  /** Our user id: what the chat's account is linked by (SCIM externalId). */
  sub: string
  email?: string
  email_verified?: true
  name?: string
  preferred_username?: string
}

/**
 * Who signed in, as far as the scope goes. Refuses whoever may no longer enter, unconfirmed addresses and the address of
 * the chat's own administrator.
 * @throws OAuthProblem invalid_token, access_denied
 */
export function readUserInfo(slug: string, accessToken: string): UserInfo {
  const stack = findStackBySlug($app, slug)
  const token = stack ? findToken($app, stack.tenantId, $security.sha256(accessToken)) : null
  if (!stack || !token) throw new OAuthProblem("invalid_token", "the token does not exist")
  if (token.revoked || token.expiresAtMs <= nowMs()) throw new OAuthProblem("invalid_token", "the token has expired")
  const person = findChatPerson($app, token.userId)
  const refusal = refusalNow(stack, person)
  if (refusal || !person) throw new OAuthProblem("access_denied", refusalSentence(refusal ?? "not_a_member"))
  if (!findChatAccount($app, stack.tenantId, person.userId)) {
    transaction((tx) => enqueueUserSync(tx, stack.tenantId, person.userId, nowMs(), ACCOUNT_EXISTS_AFTER_MS))
  }
  return claims(person, token.scope.split(" "))
}

function claims(person: ChatPerson, scopes: string[]): UserInfo {
  const email = person.email.toLowerCase()
  return {
    sub: person.userId,
    ...(scopes.includes("email") ? { email, email_verified: true as const } : {}),
    ...(scopes.includes("profile") ? { name: person.name === "" ? email : person.name, preferred_username: email } : {}),
  }
}
