/**
 * The guarantee: a code and a token lead one member of one tenant into that tenant's chat, once, within their time, and only
 * while user and tenant may enter. Every other way in is refused, at each of the three steps.
 */
import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  authorize,
  authorizeRequest,
  type ChatStack,
  challengeOf,
  codeOf,
  createStack,
  redeem,
  sha256,
  userinfo,
  VERIFIER,
} from "../../support/chat-stack"
import { createPerson, type Person, shapeProblems, startTwoTenants, type TwoTenants } from "../two-tenants"

let scene: TwoTenants
let alpha: ChatStack
let beta: ChatStack
let operator: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  alpha = await createStack(scene.platform, scene.a)
  beta = await createStack(scene.platform, scene.b)
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
})
afterAll(() => scene?.platform.stop())

const p = () => scene.platform
const users = () => p().superuser.collection("users")
const setTenant = (status: string) => p().superuser.collection("tenants").update(scene.a.id, { status })
const newMember = (data: Record<string, unknown> = {}) =>
  createPerson(p(), { email: `m-${randomUUID()}@alpha.example.com`, role: "member", tenant_id: scene.a.id, name: "Mia", ...data })
const tokenFor = async (person: Person, changes = {}) =>
  (await redeem(p(), alpha, await codeOf(p(), alpha, person.token, changes))).body.access_token as string
const refusal = (answer: { status: number; body: { error?: string; code?: string } }) =>
  `${answer.status} ${answer.body.error ?? answer.body.code}`

describe("the whole way", () => {
  it("leads a member into the chat of their tenant", async () => {
    const mia = await newMember()
    const answer = await authorize(p(), alpha, mia.token)
    expect(answer.status).toBe(200)
    const target = new URL(answer.body.redirect_to)
    expect([target.origin + target.pathname, target.searchParams.get("state")]).toEqual([alpha.redirectUri, "state & more=1"])

    const token = await redeem(p(), alpha, target.searchParams.get("code") as string)
    expect(token.status).toBe(200)
    expect(token.body).toEqual({
      access_token: expect.stringMatching(/^[A-Za-z0-9]{43}$/),
      token_type: "Bearer",
      expires_in: 600,
      scope: "openid email profile",
    })
    expect(token.headers.get("cache-control")).toBe("no-store")

    const info = await userinfo(p(), "alpha", token.body.access_token)
    expect([info.status, info.body]).toEqual([
      200,
      { sub: mia.id, email: mia.email, email_verified: true, name: "Mia", preferred_username: mia.email },
    ])
  })

  it("is open to a tenant admin, too", async () => {
    expect(await tokenFor(scene.a.admin)).toMatch(/./)
  })

  it("works with the client's secret in a Basic header, encoded as OAuth says", async () => {
    const encoded = `${encodeURIComponent(alpha.clientId)}:${encodeURIComponent(alpha.clientSecret)}`
    const headers = { Authorization: `Basic ${Buffer.from(encoded).toString("base64")}` }
    const changes = { client_id: undefined, client_secret: undefined }
    expect((await redeem(p(), alpha, await codeOf(p(), alpha, scene.a.member.token), changes, headers)).status).toBe(200)
  })

  it("tells no more than the scope allows", async () => {
    const token = await tokenFor(scene.a.member, { scope: "openid" })
    expect((await userinfo(p(), "alpha", token)).body).toEqual({ sub: scene.a.member.id })
  })

  it("stores hashes only", async () => {
    const code = await codeOf(p(), alpha, scene.a.member.token)
    const token = (await redeem(p(), alpha, code)).body.access_token
    expect(p().sql("SELECT 1 AS found FROM oauth_codes WHERE code_hash = ?", [sha256(code)])).toHaveLength(1)
    expect(p().sql("SELECT 1 AS found FROM oauth_tokens WHERE token_hash = ?", [sha256(token)])).toHaveLength(1)
    const tables = ["oauth_codes", "oauth_tokens", "tenant_stacks", "audit_log", "outbox"].map((name) =>
      p().sql(`SELECT * FROM ${name}`),
    )
    for (const secret of [code, token, VERIFIER, alpha.clientSecret]) expect(JSON.stringify(tables)).not.toContain(secret)
  })
})

describe("discovery", () => {
  it("names the endpoints where the server is reached, S256 and no keys", async () => {
    const { status, body } = await p().request("GET", "/oauth2/alpha/.well-known/openid-configuration")
    const issuer = `${p().url}/oauth2/alpha`
    expect(status).toBe(200)
    expect(body).toMatchObject({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      code_challenge_methods_supported: ["S256"],
      response_types_supported: ["code"],
    })
    expect(Object.keys(body).join()).not.toMatch(/jwks|id_token|refresh/)
  })

  it("names the address that is configured, whatever the request was sent to", async () => {
    await p().restart({ env: { POCKETBASE_URL: "https://billing.example.com/" } })
    const { body } = await p().request("GET", "/oauth2/alpha/.well-known/openid-configuration")
    expect(body.token_endpoint).toBe("https://billing.example.com/oauth2/alpha/token")
    await p().restart({ env: {} })
  })

  it.each(["nope", "gamma"])("of %s, which has no chat, is a 404", async (slug) => {
    if (slug === "gamma") await p().createTenant({ slug })
    const answer = await p().request("GET", `/oauth2/${slug}/.well-known/openid-configuration`)
    expect([answer.status, answer.body.code]).toEqual([404, "not_found"])
  })
})

describe("no code is given", () => {
  it.each<[string, () => string, string]>([
    ["nobody", () => "", "401 not_signed_in"],
    ["a wrong token", () => "Bearer nonsense", "401 not_signed_in"],
    ["an ingest key", () => `Bearer ${scene.a.ingestKey}`, "401 not_signed_in"],
    ["a member of another tenant", () => scene.b.member.token, "403 not_a_member"],
    ["an operator", () => operator.token, "403 not_a_member"],
    ["a superuser", () => p().superuser.authStore.token, "403 not_a_member"],
  ])("to %s", async (_name, token, expected) => {
    const answer = await authorize(p(), alpha, token())
    expect(refusal(answer)).toBe(expected)
    expect(shapeProblems(answer)).toEqual([])
  })

  it.each<[string, Record<string, unknown>, string]>([
    ["whose address is not confirmed", { verified: false }, "403 email_unverified"],
    ["who has the address of the chat's administrator", { email: "Chat-Admin@alpha.example.com" }, "403 address_reserved"],
  ])("to a member %s", async (_name, change, expected) => {
    expect(refusal(await authorize(p(), alpha, (await newMember(change)).token))).toBe(expected)
  })

  it("to a suspended member, whose old login is dead as well", async () => {
    const mia = await newMember()
    await users().update(mia.id, { status: "suspended" })
    expect(refusal(await authorize(p(), alpha, mia.token))).toBe("401 not_signed_in")
  })

  it.each(["suspended", "pending"])("while the tenant is %s", async (status) => {
    await setTenant(status)
    expect(refusal(await authorize(p(), alpha, scene.a.member.token))).toBe("403 tenant_suspended")
    await setTenant("active")
  })

  it.each<[string, string, Record<string, unknown>]>([
    ["another tenant's client", "client_id", { client_id: "chat-beta" }],
    ["another tenant's redirect URI", "redirect_uri", { redirect_uri: "https://beta.chat.example/oauth/oidc/callback" }],
    ["a foreign host", "redirect_uri", { redirect_uri: "https://evil.example/" }],
    ["a longer path", "redirect_uri", { redirect_uri: "https://alpha.chat.example/oauth/oidc/callback/../x" }],
    ["an added query", "redirect_uri", { redirect_uri: "https://alpha.chat.example/oauth/oidc/callback?next=//evil" }],
    ["a script", "redirect_uri", { redirect_uri: "javascript:alert(1)" }],
    ["no redirect URI", "redirect_uri", { redirect_uri: undefined }],
    ["the implicit flow", "response_type", { response_type: "token" }],
    ["PKCE plain", "code_challenge_method", { code_challenge_method: "plain", code_challenge: "p".repeat(43) }],
    ["no PKCE", "code_challenge", { code_challenge: undefined, code_challenge_method: undefined }],
    ["no state", "state", { state: undefined }],
    ["a scope that does not exist", "scope", { scope: "openid offline_access" }],
  ])("for %s, and nothing leads to an address that is not registered", async (_name, path, change) => {
    const answer = await authorize(p(), alpha, scene.a.member.token, change)
    expect([answer.status, answer.body.code, answer.body.data.path]).toEqual([400, "invalid_field", path])
    expect(answer.headers.get("location")).toBeNull()
    expect(JSON.stringify(answer.body)).not.toContain("evil")
    const page = await fetch(`${p().url}/oauth2/alpha/authorize?${new URLSearchParams(authorizeRequest(alpha, change))}`, {
      redirect: "manual",
    })
    const html = await page.text()
    expect([page.status, page.headers.get("location")]).toEqual([400, null])
    expect(html).not.toContain("evil")
  })
})

describe("the token endpoint", () => {
  const fresh = () => codeOf(p(), alpha, scene.a.member.token)

  it.each<[string, Record<string, string | undefined>, string]>([
    ["a wrong secret", { client_secret: "hunter2-hunter2" }, "401 invalid_client"],
    ["no secret", { client_secret: undefined }, "401 invalid_client"],
    ["an empty secret", { client_secret: "" }, "401 invalid_client"],
    ["the hash instead of the secret", { client_secret: sha256("x") }, "401 invalid_client"],
    ["another client's id", { client_id: "chat-beta" }, "401 invalid_client"],
    ["no grant type", { grant_type: undefined }, "400 invalid_request"],
    ["a password grant", { grant_type: "password" }, "400 unsupported_grant_type"],
    ["a refresh", { grant_type: "refresh_token" }, "400 unsupported_grant_type"],
    ["no code", { code: undefined }, "400 invalid_request"],
    ["no verifier", { code_verifier: undefined }, "400 invalid_request"],
    ["no redirect URI", { redirect_uri: undefined }, "400 invalid_request"],
    ["a code that never was", { code: "x".repeat(43) }, "400 invalid_grant"],
    ["another redirect URI", { redirect_uri: "https://alpha.chat.example/other" }, "400 invalid_grant"],
    ["a wrong verifier", { code_verifier: "w".repeat(43) }, "400 invalid_grant"],
    ["the challenge as verifier", { code_verifier: challengeOf(VERIFIER) }, "400 invalid_grant"],
  ])("refuses %s", async (_name, changes, expected) => {
    const answer = await redeem(p(), alpha, await fresh(), changes)
    expect(refusal(answer)).toBe(expected)
    expect(Object.keys(answer.body)).toEqual(["error", "error_description"])
    expect(answer.headers.get("cache-control")).toBe("no-store")
    expect(answer.body.error_description).not.toContain(changes.client_secret || changes.code || "nothing secret")
  })

  it.each<[string, Record<string, string>, Record<string, string | undefined>, string]>([
    ["two proofs of the client", { Authorization: `Basic ${btoa("chat-alpha:x")}` }, {}, "400 invalid_request"],
    [
      "a Basic header of nobody",
      { Authorization: "Basic !!!" },
      { client_secret: undefined, client_id: undefined },
      "401 invalid_client",
    ],
    [
      "a Basic header of another client than the body's",
      { Authorization: `Basic ${btoa("chat-beta:x")}` },
      { client_secret: undefined },
      "400 invalid_request",
    ],
    ["JSON", { "Content-Type": "application/json" }, {}, "400 invalid_request"],
  ])("refuses %s", async (_name, headers, changes, expected) => {
    const answer = await redeem(p(), alpha, await fresh(), changes, headers)
    expect(refusal(answer)).toBe(expected)
    if (answer.status === 401) expect(answer.headers.get("www-authenticate")).toMatch(/^Basic /)
  })

  it("refuses a parameter that is there twice", async () => {
    const body = `grant_type=authorization_code&code=a&code=b&client_id=${alpha.clientId}`
    const headers = { "Content-Type": "application/x-www-form-urlencoded" }
    expect(refusal(await p().request("POST", "/oauth2/alpha/token", { headers, body }))).toBe("400 invalid_request")
  })

  it("refuses another tenant's client with a code of this one, and the code stays good for its own", async () => {
    const code = await fresh()
    expect(refusal(await redeem(p(), beta, code, { redirect_uri: alpha.redirectUri }))).toBe("400 invalid_grant")
    expect((await redeem(p(), alpha, code)).status).toBe(200)
  })

  it("leaves a code usable that somebody without the secret has tried", async () => {
    const code = await fresh()
    expect((await redeem(p(), alpha, code, { client_secret: "guess" })).status).toBe(401)
    expect((await redeem(p(), alpha, code)).status).toBe(200)
  })

  it("uses a code up by a wrong verifier: there is no second guess", async () => {
    const code = await fresh()
    await redeem(p(), alpha, code, { code_verifier: "w".repeat(43) })
    expect(refusal(await redeem(p(), alpha, code))).toBe("400 invalid_grant")
  })

  it("takes back what a code has bought when the code comes again", async () => {
    const code = await fresh()
    const token = (await redeem(p(), alpha, code)).body.access_token
    expect((await userinfo(p(), "alpha", token)).status).toBe(200)
    expect(refusal(await redeem(p(), alpha, code))).toBe("400 invalid_grant")
    expect(refusal(await userinfo(p(), "alpha", token))).toBe("401 invalid_token")
  })

  it("gives one token when a code is presented ten times at once, and takes that one back", async () => {
    const code = await fresh()
    const answers = await Promise.all(Array.from({ length: 10 }, () => redeem(p(), alpha, code)))
    const [won, ...more] = answers.filter((answer) => answer.status === 200)
    expect(more).toEqual([])
    expect(refusal(await userinfo(p(), "alpha", won?.body.access_token))).toBe("401 invalid_token")
  })
})

describe("time", () => {
  const shift = (ms: number) => p().restart({ clock: new Date(Date.now() + ms).toISOString() })
  const count = (table: string) => p().sql<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)[0]?.n

  it("ends a code after 60 seconds and a token after ten minutes, and the sweep forgets both", async () => {
    const early = await codeOf(p(), alpha, scene.a.member.token)
    const late = await codeOf(p(), alpha, scene.a.member.token)
    await shift(30_000)
    const token = (await redeem(p(), alpha, early)).body.access_token
    await shift(61_000)
    expect(refusal(await redeem(p(), alpha, late))).toBe("400 invalid_grant")
    await shift(30_000 + 580_000)
    expect((await userinfo(p(), "alpha", token)).status).toBe(200)
    await shift(61_000 + 600_000)
    expect(refusal(await userinfo(p(), "alpha", token))).toBe("401 invalid_token")
    await shift(3_600_000)
    expect((await p().asSuperuser("POST", "/api/crons/sweep-sign-in")).status).toBe(204)
    await expect.poll(() => [count("oauth_codes"), count("oauth_tokens")], { timeout: 10_000 }).toEqual([0, 0])
    await p().restart({ clock: undefined })
  })
})

describe("suspended in the middle", () => {
  it("of code and token: no token", async () => {
    const mia = await newMember()
    const code = await codeOf(p(), alpha, mia.token)
    await users().update(mia.id, { status: "suspended" })
    expect(refusal(await redeem(p(), alpha, code))).toBe("400 invalid_grant")
  })

  it.each<[string, Record<string, unknown>]>([
    ["suspended", { status: "suspended" }],
    ["with an address that is no longer confirmed", { verified: false }],
    ["with the administrator's address", { email: "chat-admin@alpha.example.com" }],
    ["working for us now", { role: "sales" }],
  ])("of token and userinfo, a member who is now %s is not let in", async (_name, change) => {
    for (const row of await users().getFullList({ filter: 'email = "chat-admin@alpha.example.com"' }))
      await users().update(row.id, { email: `was-${randomUUID()}@alpha.example.com` })
    const mia = await newMember()
    const token = await tokenFor(mia)
    await users().update(mia.id, change)
    expect(refusal(await userinfo(p(), "alpha", token))).toBe("403 access_denied")
  })

  it("with the tenant: neither token nor userinfo", async () => {
    const token = await tokenFor(scene.a.member)
    const code = await codeOf(p(), alpha, scene.a.member.token)
    await setTenant("suspended")
    expect(refusal(await redeem(p(), alpha, code))).toBe("400 invalid_grant")
    expect(refusal(await userinfo(p(), "alpha", token))).toBe("403 access_denied")
    await setTenant("active")
  })
})

describe("userinfo", () => {
  it.each<[string, string | undefined]>([
    ["no token", undefined],
    ["a token that never was", "Bearer nonsense"],
    ["the client's secret", `Basic ${btoa("chat-alpha:secret of alpha")}`],
  ])("refuses %s", async (_name, authorization) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization }
    const answer = await p().request("GET", "/oauth2/alpha/userinfo", { headers })
    expect(refusal(answer)).toBe("401 invalid_token")
    expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"')
  })

  it("refuses a token of another tenant, and a user's own login", async () => {
    const token = await tokenFor(scene.a.member)
    expect(refusal(await userinfo(p(), "beta", token))).toBe("401 invalid_token")
    expect(refusal(await userinfo(p(), "alpha", scene.a.member.token))).toBe("401 invalid_token")
  })

  it("a chat token opens nothing but userinfo", async () => {
    const token = await tokenFor(scene.a.member)
    for (const value of [token, `Bearer ${token}`]) {
      expect((await p().request("GET", "/api/budget", { token: value })).status).toBe(401)
      expect(refusal(await authorize(p(), alpha, value))).toBe("401 not_signed_in")
    }
  })
})

it("nothing of this is in the log: no code, token, verifier or secret", async () => {
  const code = await codeOf(p(), alpha, scene.a.member.token)
  const token = (await redeem(p(), alpha, code)).body.access_token
  await redeem(p(), alpha, code)
  await userinfo(p(), "alpha", token)
  await fetch(`${p().url}/oauth2/alpha/authorize?${new URLSearchParams(authorizeRequest(alpha))}`)
  // The log is written in batches, the last one when the server stops.
  await p().restart()
  const logs = p().output() + JSON.stringify(await p().superuser.logs.getList(1, 500))
  expect(logs).toContain("a sign-in code was presented twice")
  for (const secret of [code, token, VERIFIER, alpha.clientSecret, scene.a.member.token, scene.a.member.password])
    expect(logs.includes(secret)).toBe(false)
})
