/** A tenant's chat as an OAuth client of the platform: its stack row, and the client's side of a sign-in as a library does it. */
import { createCipheriv, createHash, randomBytes } from "node:crypto"
import type { Answer, Platform } from "./platform"

/** The key that a development server falls back to (hooks-src/pocketbase/secrets.ts). */
const DEVELOPMENT_KEY = "cloudfreedom-development-key-32c"

export interface ChatStack {
  slug: string
  clientId: string
  clientSecret: string
  redirectUri: string
  chatUrl: string
  adminEmail: string
}

/** AES-256-GCM as the host does it: nonce, text and tag in one base64. */
export function seal(value: unknown, key = DEVELOPMENT_KEY): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  return Buffer.concat([nonce, cipher.update(JSON.stringify(value)), cipher.final(), cipher.getAuthTag()]).toString("base64")
}

export async function createStack(
  platform: Platform,
  tenant: { id: string; slug: string },
  options: { scimUrl?: string; scimToken?: string; chatUrl?: string } = {},
): Promise<ChatStack> {
  const chatUrl = options.chatUrl ?? `https://${tenant.slug}.chat.example`
  const stack: ChatStack = {
    slug: tenant.slug,
    clientId: `chat-${tenant.slug}`,
    clientSecret: `secret of ${tenant.slug}, with % and + and :`,
    redirectUri: `${chatUrl}/oauth/oidc/callback`,
    chatUrl,
    adminEmail: `chat-admin@${tenant.slug}.example.com`,
  }
  await platform.superuser.collection("tenant_stacks").create({
    tenant_id: tenant.id,
    chat_url: chatUrl,
    oauth_client_id: stack.clientId,
    oauth_client_secret_hash: sha256(stack.clientSecret),
    oauth_redirect_uri: stack.redirectUri,
    admin_email: stack.adminEmail,
    scim_url: options.scimUrl ?? "",
    secrets_encrypted: seal({ OAUTH_CLIENT_SECRET: stack.clientSecret, SCIM_TOKEN: options.scimToken ?? "" }),
  })
  return stack
}

export const VERIFIER = "verifier-0123456789-0123456789-0123456789-0"

export function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url")
}

export function authorizeRequest(stack: ChatStack, changes: Record<string, unknown> = {}): Record<string, string> {
  const request = {
    client_id: stack.clientId,
    redirect_uri: stack.redirectUri,
    response_type: "code",
    scope: "openid email profile",
    state: "state & more=1",
    code_challenge: challengeOf(VERIFIER),
    code_challenge_method: "S256",
    ...changes,
  }
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as Record<string, string>
}

/** The page's POST; `token` is the user's. */
export function authorize(platform: Platform, stack: ChatStack, token: string, changes = {}): Promise<Answer> {
  return platform.request("POST", `/oauth2/${stack.slug}/authorize`, { token, body: authorizeRequest(stack, changes) })
}

/** A code that the user was given; an error if there was none. */
export async function codeOf(platform: Platform, stack: ChatStack, token: string, changes = {}): Promise<string> {
  const answer = await authorize(platform, stack, token, changes)
  const code = answer.status === 200 ? new URL(answer.body.redirect_to).searchParams.get("code") : null
  if (code === null) throw new Error(`no code: ${JSON.stringify(answer.body)}`)
  return code
}

export function form(fields: Record<string, string | undefined>): string {
  return new URLSearchParams(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  ).toString()
}

/** The token request with the secret in the body; `changes` of undefined leave a field out. */
export function redeem(
  platform: Platform,
  stack: ChatStack,
  code: string,
  changes: Record<string, string | undefined> = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = form({
    grant_type: "authorization_code",
    code,
    redirect_uri: stack.redirectUri,
    code_verifier: VERIFIER,
    client_id: stack.clientId,
    client_secret: stack.clientSecret,
    ...changes,
  })
  return platform.request("POST", `/oauth2/${stack.slug}/token`, {
    headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
    body,
  })
}

export function userinfo(platform: Platform, slug: string, token: string): Promise<Answer> {
  return platform.request("GET", `/oauth2/${slug}/userinfo`, { headers: { Authorization: `Bearer ${token}` } })
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
