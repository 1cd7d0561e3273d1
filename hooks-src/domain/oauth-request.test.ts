import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  checkAuthorizeRequest,
  decodeFormText,
  hexToBase64Url,
  judgeCode,
  parseForm,
  redirectWithCode,
  type StoredCode,
} from "./oauth-request"

const CLIENT = { oauthClientId: "chat-alpha", oauthRedirectUri: "https://alpha.example/oauth/oidc/callback" }
const GOOD = {
  client_id: CLIENT.oauthClientId,
  redirect_uri: CLIENT.oauthRedirectUri,
  response_type: "code",
  scope: "openid email profile",
  state: "s-1",
  code_challenge: "a".repeat(43),
  code_challenge_method: "S256",
}

describe("an authorize request", () => {
  it("of the tenant's own client is acceptable", () => {
    expect(checkAuthorizeRequest(GOOD, CLIENT)).toMatchObject({ verdict: "acceptable", request: { scope: GOOD.scope } })
  })

  it.each([
    ["another tenant's client", "client_id", { client_id: "chat-beta" }],
    ["another host", "redirect_uri", { redirect_uri: "https://evil.example/oauth/oidc/callback" }],
    ["a longer path", "redirect_uri", { redirect_uri: `${CLIENT.oauthRedirectUri}/x` }],
    ["a slash more", "redirect_uri", { redirect_uri: `${CLIENT.oauthRedirectUri}/` }],
    ["other case", "redirect_uri", { redirect_uri: CLIENT.oauthRedirectUri.toUpperCase() }],
    ["a user part", "redirect_uri", { redirect_uri: "https://alpha.example@evil.example/oauth/oidc/callback" }],
    ["an added query", "redirect_uri", { redirect_uri: `${CLIENT.oauthRedirectUri}?next=//evil.example` }],
    ["a script", "redirect_uri", { redirect_uri: "javascript:alert(1)" }],
    ["the implicit flow", "response_type", { response_type: "token" }],
    ["PKCE plain", "code_challenge_method", { code_challenge_method: "plain" }],
    ["no PKCE", "code_challenge", { code_challenge: undefined }],
    ["a short challenge", "code_challenge", { code_challenge: "a".repeat(42) }],
    ["a challenge in base64", "code_challenge", { code_challenge: `${"a".repeat(42)}+` }],
    ["no state", "state", { state: "" }],
    ["an endless state", "state", { state: "s".repeat(1001) }],
    ["no openid", "scope", { scope: "email" }],
    ["an unknown scope", "scope", { scope: "openid offline_access" }],
    ["a list instead of a text", "state", { state: ["a"] }],
  ])("with %s is refused, and the field named", (_name, field, change) => {
    expect(checkAuthorizeRequest({ ...GOOD, ...change }, CLIENT)).toMatchObject({ verdict: "refused", field })
  })

  it("names client and redirect URI before anything else: only then may an error lead back", () => {
    const verdict = checkAuthorizeRequest({ ...GOOD, redirect_uri: "https://evil.example", state: "", scope: "" }, CLIENT)
    expect(verdict).toMatchObject({ field: "redirect_uri" })
  })
})

it.each([
  ["https://a.example/cb", "https://a.example/cb?code=c&state=x%26code%3Devil"],
  ["https://a.example/cb?k=1", "https://a.example/cb?k=1&code=c&state=x%26code%3Devil"],
])("a state cannot add parameters of its own to %s", (uri, whole) => {
  expect(redirectWithCode(uri, "c", "x&code=evil")).toBe(whole)
})

describe("a code", () => {
  const NOW = 1_000_000
  const verifier = "v".repeat(43)
  const challenge = createHash("sha256").update(verifier).digest("base64url")
  const CODE: StoredCode = {
    id: "code",
    userId: "user",
    clientId: "chat-alpha",
    redirectUri: "https://alpha.example/cb",
    scope: "openid",
    codeChallenge: challenge,
    expiresAtMs: NOW + 1,
    usedAtMs: null,
  }
  const PRESENTED = { clientId: "chat-alpha", redirectUri: CODE.redirectUri, verifier, challengeOfVerifier: challenge }

  it.each([
    ["valid", {}, {}],
    ["expired", { expiresAtMs: NOW }, {}],
    ["replayed", { usedAtMs: NOW - 5 }, {}],
    ["replayed", { usedAtMs: NOW - 5, expiresAtMs: NOW - 1 }, { verifier: "x" }],
    ["other_client", {}, { clientId: "chat-beta" }],
    ["other_client", { usedAtMs: NOW - 5 }, { clientId: "chat-beta" }],
    ["other_redirect_uri", {}, { redirectUri: "https://alpha.example/cb/" }],
    ["wrong_verifier", {}, { challengeOfVerifier: "b".repeat(43) }],
    ["wrong_verifier", {}, { verifier: "short", challengeOfVerifier: challenge }],
    ["wrong_verifier", { codeChallenge: verifier }, { challengeOfVerifier: challenge }],
  ])("is %s: %j presented with %j", (verdict, stored, presented) => {
    expect(judgeCode({ ...CODE, ...stored }, { ...PRESENTED, ...presented }, NOW)).toBe(verdict)
  })
})

it("base64url of a hash is what Node makes of it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      expect(hexToBase64Url(buffer.toString("hex"))).toBe(buffer.toString("base64url"))
    }),
  )
})

describe("a form body", () => {
  it("reads what URLSearchParams writes", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })), (fields) => {
        const body = new URLSearchParams(fields).toString()
        expect({ ...parseForm(body) }).toEqual(Object.fromEntries(new URLSearchParams(body)))
      }),
    )
  })

  it.each([
    ["", {}],
    ["a", { a: "" }],
    ["a=b=c", { a: "b=c" }],
    ["&a=1&&b=2&", { a: "1", b: "2" }],
    ["__proto__=x", Object.fromEntries([["__proto__", "x"]])],
  ])("%j is %j", (body, fields) => expect(Object.entries(parseForm(body) ?? {})).toEqual(Object.entries(fields)))

  it.each(["a=1&a=2", "a=%", "a=%zz", "%ff=1", "a=%C3"])("%j is refused", (body) => expect(parseForm(body)).toBeNull())

  it("a broken escape is no text", () => expect([decodeFormText("%"), decodeFormText("a+b%20c")]).toEqual([null, "a b c"]))
})
