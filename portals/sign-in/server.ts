/** The four calls of the page, all to its own origin. An answer is a value; only a server that is away is an exception. */

/** What PocketBase's SDK keeps under this key, so that a sign-in here and in a portal of the same origin are one. */
const STORAGE_KEY = "pocketbase_auth"
const AUTHORIZE_FIELDS = [
  "client_id",
  "redirect_uri",
  "response_type",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
]

export interface Login {
  token: string
  record: { email: string; name: string }
}

export class Unavailable extends Error {}

async function post(path: string, body: unknown, token = ""): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers: Record<string, string> = { "Content-Type": "application/json" }
  if (token !== "") headers.Authorization = token
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => {
    throw new Unavailable()
  })
  if (response.status >= 500) throw new Unavailable()
  const text = await response.text()
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : {} }
}

const users = (action: string) => `/api/collections/users/${action}`

/** The account that this browser is signed in with, if the server still accepts it. */
export async function currentLogin(): Promise<Login | null> {
  const stored = readStored()
  if (!stored) return null
  const { status, body } = await post(users("auth-refresh"), {}, stored)
  return status === 200 ? (body as unknown as Login) : null
}

function readStored(): string | null {
  try {
    const { token } = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") as { token?: unknown }
    return typeof token === "string" && token !== "" ? token : null
  } catch {
    // Unreadable or forbidden by the browser: then nobody is signed in.
    return null
  }
}

export function remember(login: Login): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(login))
  } catch {
    // A browser that keeps nothing asks for the password next time.
  }
}

export type PasswordVerdict = { login: Login } | { problem: "wrong_password" | "user_suspended" | "too_many" }

export async function signIn(identity: string, password: string): Promise<PasswordVerdict> {
  const { status, body } = await post(users("auth-with-password"), { identity, password })
  if (status === 200) return { login: body as unknown as Login }
  if (status === 403) return { problem: "user_suspended" }
  return { problem: status === 429 ? "too_many" : "wrong_password" }
}

/** Where to go with the code, or the code of the refusal. */
export async function authorize(token: string): Promise<{ redirectTo: string } | { problem: string }> {
  const query = new URLSearchParams(location.search)
  const request = Object.fromEntries(AUTHORIZE_FIELDS.map((name) => [name, query.get(name) ?? ""]))
  const { status, body } = await post(location.pathname, request, token)
  return status === 200 ? { redirectTo: String(body.redirect_to) } : { problem: String(body.code) }
}

/** Sends the mail if there is such an account; the answer is the same if there is none. */
export async function requestMail(action: "request-password-reset" | "request-verification", email: string): Promise<void> {
  await post(users(action), { email })
}
