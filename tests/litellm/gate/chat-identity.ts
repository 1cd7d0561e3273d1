/** Who pays for a call of the tenant's chat: the person whom the chat has signed for, and nobody by any other word. */
import { createHmac } from "node:crypto"
import { expect, it } from "vitest"
import { chatUsage } from "../../support/fake-openai"
import { CHAT, errorOf, type House, openai, type Person, type Scene, say } from "./scene"

type Stage = () => { scene: Scene; house: House }
type Claims = Record<string, unknown>

const JWT = "X-OpenWebUI-User-Jwt"

export function describeChatIdentity(stage: Stage): void {
  const ask = (text: string, headers: Record<string, string>, key = stage().house.proxy.secrets.owuiKey, more: object = {}) =>
    openai(stage().house, key, headers).chat.completions.create({ model: CHAT, ...say(text), ...more })
  const signed = (person: Person, changes: Claims = {}) =>
    sign(claims(person, changes), stage().house.proxy.secrets.owuiJwtSecret)

  it("is billed to the person whom the chat has signed for, whatever else is said", async () => {
    const { scene, house } = stage()
    const [person, victim] = [await scene.person(house), await scene.person(house)]
    const text = "in the chat"
    const names = { "X-OpenWebUI-User-Id": victim.id, "X-OpenWebUI-User-Email": victim.email, "X-OpenWebUI-User-Role": "admin" }
    await ask(text, { ...names, [JWT]: signed(person) }, undefined, { user: victim.id, metadata: { user_id: victim.id } })
    await house.proxy.delivered()
    scene.expectBookedOnce({ ...person, keyId: "" }, CHAT, chatUsage(text))
    expect(scene.usage(victim)).toEqual([])
  })

  it("is marked if it serves the chat's own purposes", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    await ask("a title", { [JWT]: signed(person), "X-CF-Task": "title_generation" })
    await house.proxy.delivered()
    expect(scene.usage(person)).toMatchObject([{ purpose: "auxiliary" }])
  })

  it.each<[name: string, header: (person: Person, secret: string) => Record<string, string>]>([
    ["no word of who it is", () => ({})],
    ["plain headers alone", ({ id, email }) => ({ "X-OpenWebUI-User-Id": id, "X-OpenWebUI-User-Email": email })],
    ["an empty assertion", () => ({ [JWT]: "" })],
    ["another secret", (person) => ({ [JWT]: sign(claims(person), "x".repeat(48)) })],
    ["no signature, by its own word", (person) => ({ [JWT]: sign(claims(person), "", "none") })],
    ["no signature, alg in capitals", (person) => ({ [JWT]: `${sign(claims(person), "", "NONE").split(".", 2).join(".")}.` })],
    ["another algorithm", (person, secret) => ({ [JWT]: sign(claims(person), secret, "HS512") })],
    ["an end in the past", (person, secret) => ({ [JWT]: sign(claims(person, { exp: seconds(-120) }), secret) })],
    ["no end", (person, secret) => ({ [JWT]: sign(claims(person, { exp: undefined }), secret) })],
    ["no subject", (person, secret) => ({ [JWT]: sign(claims(person, { sub: undefined }), secret) })],
    ["a subject that is no text", (person, secret) => ({ [JWT]: sign(claims(person, { sub: { id: person.id } }), secret) })],
    ["another issuer", (person, secret) => ({ [JWT]: sign(claims(person, { iss: "somebody" }), secret) })],
    ["a changed payload", (person, secret) => ({ [JWT]: changed(sign(claims(person), secret), claims(person, { sub: "x" })) })],
    [
      "somebody unknown",
      (person, secret) => ({ [JWT]: sign(claims(person, { sub: "x", email: "nobody@example.com" }), secret) }),
    ],
  ])("is 401 with %s", async (name, header) => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    const text = `forged: ${name}`
    const error = await errorOf(ask(text, header(person, house.proxy.secrets.owuiJwtSecret)))
    expect(error.status).toBe(401)
    expect(["missing_identity", "unknown_identity"]).toContain(error.code)
    expect(scene.arrived(text)).toEqual([])
    expect(scene.usage(person)).toEqual([])
  })

  it("is 401 for a person of another tenant", async () => {
    const { scene } = stage()
    const tenant = await scene.platform.createTenant()
    const product = await scene.platform.createProduct()
    const stranger = await scene.platform.createUser({ tenant_id: tenant.id, product_id: product.id })
    const error = await errorOf(ask("of another tenant", { [JWT]: signed({ ...stranger } as unknown as Person) }))
    expect(error).toMatchObject({ status: 401, code: "unknown_identity" })
  })

  it("is 403 at once for a suspended person", async () => {
    const { scene, house } = stage()
    const person = await scene.person(house)
    await ask("still active", { [JWT]: signed(person) })
    await scene.platform.superuser.collection("users").update(person.id, { status: "suspended" })
    const error = await errorOf(ask("suspended", { [JWT]: signed(person) }))
    expect(error).toMatchObject({ status: 403, code: "user_suspended" })
    expect(error.message).toMatch(/an Ihre Verwaltung/)
  })

  it("is not one if it comes with a person's key: the key's owner pays, even for a well signed word", async () => {
    const { scene, house } = stage()
    const [person, victim] = [await scene.person(house), await scene.person(house)]
    const text = "own key, another's word"
    await ask(text, { [JWT]: signed(victim), "X-OpenWebUI-User-Id": victim.id }, person.key)
    await house.proxy.delivered()
    scene.expectBookedOnce(person, CHAT, chatUsage(text))
    expect(scene.usage(victim)).toEqual([])
  })

  it("the chat lists the tenant's models without naming anybody", async () => {
    const listed = []
    for await (const model of openai(stage().house, stage().house.proxy.secrets.owuiKey).models.list()) listed.push(model.id)
    expect(listed).toContain(CHAT)
  })
}

function claims({ id, email }: Pick<Person, "id" | "email">, changes: Claims = {}): Claims {
  const usual = {
    sub: `chat-${id}`,
    email,
    name: "Somebody",
    role: "user",
    iss: "open-webui",
    iat: seconds(0),
    exp: seconds(300),
  }
  return { ...usual, ...changes }
}

function seconds(fromNow: number): number {
  return Math.floor(Date.now() / 1_000) + fromNow
}

function sign(payload: Claims, secret: string, alg = "HS256"): string {
  const head = `${part({ alg, typ: "JWT" })}.${part(payload)}`
  const hash = alg === "HS512" ? "sha512" : "sha256"
  return `${head}.${/^none$/i.test(alg) ? "" : createHmac(hash, secret).update(head).digest("base64url")}`
}

/** The signature of one, the words of another. */
function changed(token: string, payload: Claims): string {
  const [head, , signature] = token.split(".")
  return `${head}.${part(payload)}.${signature}`
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}
