/**
 * The guarantee: what a change of a user has to tell their chat arrives there, however often the chat, the server or a
 * delivery fails in between, and what cannot be delivered is given up visibly. The chat's own administrator is never touched.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { createPerson, type Person, startTwoTenants, type TwoTenants } from "../http/two-tenants"
import { type ChatStack, codeOf, createStack, redeem, userinfo } from "../support/chat-stack"
import { type FakeScim, startFakeScim } from "../support/fake-scim"

interface Row {
  id: string
  tenant_id: string
  state: string
  attempts: number
  next_attempt_at: string
  leased_until: string
  last_error: string
  payload: string
}

let scene: TwoTenants
let chat: FakeScim
let otherChat: FakeScim
let alpha: ChatStack
beforeAll(async () => {
  scene = await startTwoTenants()
  chat = await startFakeScim()
  otherChat = await startFakeScim()
  alpha = await createStack(scene.platform, scene.a, { scimUrl: `${chat.url}/`, scimToken: chat.token })
  await createStack(scene.platform, scene.b, { scimUrl: otherChat.url, scimToken: otherChat.token })
})
afterAll(async () => {
  await scene?.platform.stop()
  await chat?.stop()
  await otherChat?.stop()
})
beforeEach(() => {
  for (const one of [chat, otherChat]) {
    one.calls.length = 0
    one.broken = 0
    one.before = () => undefined
  }
})
afterEach(async () => {
  for (const one of [chat, otherChat]) one.broken = 0
})

const p = () => scene.platform
const users = () => p().superuser.collection("users")
const row = (userId: string) => p().sql<Row>("SELECT * FROM outbox WHERE dedupe_key = ?", [`scim.sync_user:${userId}`])[0]
const account = (userId: string) =>
  p().sql<{ chat_user_id: string; state: string }>("SELECT chat_user_id, state FROM chat_accounts WHERE user_id = ?", [userId])[0]
const runCron = () => p().asSuperuser("POST", "/api/crons/deliver-outbox")
const clockAhead = (ms: number) => p().restart({ clock: new Date(Date.now() + ms).toISOString() })
const waitMs = (message: Row | undefined) => Date.parse((message?.next_attempt_at ?? "").replace(" ", "T")) - Date.now()

/** Runs the cron and waits until this user's message is delivered; the route answers before the job is done. */
async function deliver(userId: string): Promise<void> {
  await runCron()
  await expect.poll(() => row(userId)?.state, { timeout: 10_000 }).toBe("delivered")
}

const setAttempts = async (userId: string, attempts: number) => {
  await p()
    .superuser.collection("outbox")
    .update(row(userId)?.id ?? "", { attempts })
}

/** Somebody of tenant A who has an account in the chat, made by a sign-in there. */
async function signedIn(data: Record<string, unknown> = {}): Promise<Person> {
  const person = await createPerson(p(), { tenant_id: scene.a.id, name: "Mia", ...data })
  chat.signIn({ sub: person.id, email: person.email, name: "Mia" })
  await deliver(person.id)
  return person
}

const there = (person: Person) => chat.users.find((user) => user.sub === person.id)

describe("a user and their account in the chat", () => {
  it("are linked soon after the first sign-in: the account is the chat's own, found by its subject", async () => {
    const mia = await createPerson(p(), { tenant_id: scene.a.id, name: "Mia" })
    await deliver(mia.id)
    expect([there(mia), account(mia.id)]).toEqual([undefined, undefined])

    const token = (await redeem(p(), alpha, await codeOf(p(), alpha, mia.token))).body.access_token
    const claims = (await userinfo(p(), "alpha", token)).body
    const made = chat.signIn(claims)
    expect(made).toMatchObject({ email: mia.email, sub: mia.id, externalId: null })
    expect(row(mia.id)).toMatchObject({ state: "pending", tenant_id: scene.a.id, payload: JSON.stringify({ user_id: mia.id }) })
    expect(waitMs(row(mia.id))).toBeGreaterThan(0)

    await clockAhead(10_000)
    await deliver(mia.id)
    expect(there(mia)?.externalId).toBe(mia.id)
    expect(account(mia.id)).toEqual({ chat_user_id: there(mia)?.id, state: "active" })
    await p().restart({ clock: undefined })

    await userinfo(p(), "alpha", token)
    expect(row(mia.id)?.state).toBe("delivered")
  })

  it("no account is ever created by SCIM: a person could not sign in to it", async () => {
    await signedIn()
    expect(new Set(chat.calls.map((call) => call.method))).toEqual(new Set(["GET", "PATCH"]))
  })

  it("are closed and opened together", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { status: "suspended" })
    await deliver(mia.id)
    await expect.poll(() => account(mia.id)?.state).toBe("inactive")
    expect(there(mia)?.role).toBe("pending")
    await users().update(mia.id, { status: "active" })
    await deliver(mia.id)
    await expect.poll(() => account(mia.id)?.state).toBe("active")
    expect(there(mia)?.role).toBe("user")
  })

  it("carry the same name and confirmed address, and an unconfirmed one is not told", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Mia M.", email: "mia.m@alpha.example.com" })
    await deliver(mia.id)
    await expect.poll(() => there(mia)?.name).toBe("Mia M.")
    expect(there(mia)?.email).toBe("mia.m@alpha.example.com")
    await users().update(mia.id, { email: "boss@alpha.example.com", verified: false })
    await deliver(mia.id)
    expect(there(mia)?.email).toBe("mia.m@alpha.example.com")
  })

  it("cause no message when nothing changed that the chat knows", async () => {
    const mia = await signedIn()
    const before = row(mia.id)
    await users().update(mia.id, { product_id: scene.product.id })
    expect(row(mia.id)).toEqual(before)
  })

  it("part when the account was deleted in the chat", async () => {
    const mia = await signedIn()
    chat.users.splice(chat.users.indexOf(there(mia) as never), 1)
    await users().update(mia.id, { name: "Mia again" })
    await deliver(mia.id)
    await expect.poll(() => account(mia.id)).toBeUndefined()
  })

  it("the chat's administrator is never touched, whoever is linked to that account", async () => {
    const mia = await signedIn()
    const admin = there(mia)
    Object.assign(admin as object, { role: "user", email: alpha.adminEmail.toUpperCase(), name: "Admin" })
    await users().update(mia.id, { status: "suspended", name: "Not Admin" })
    await deliver(mia.id)
    expect(admin).toMatchObject({ role: "user", name: "Admin" })
  })

  it("of a tenant without a chat cause no message", async () => {
    const tenant = await p().createTenant({})
    const user = await p().createUser({ tenant_id: tenant.id })
    expect(row(user.id)).toBeUndefined()
  })

  it("a user whose save fails leaves no message", async () => {
    const before = p().sql<{ n: number }>("SELECT count(*) AS n FROM outbox")
    await expect(p().createUser({ tenant_id: scene.a.id, email: scene.a.member.email })).rejects.toThrow()
    expect(p().sql("SELECT count(*) AS n FROM outbox")).toEqual(before)
  })
})

describe("a chat that fails", () => {
  it.each([
    ["is broken", 500],
    ["does not know our token", 401],
    ["is overloaded", 429],
  ])("and %s (%i) gets the message later: 30 s, then 1 min, then 2 min", async (_name, status) => {
    const mia = await signedIn()
    await users().update(mia.id, { status: "suspended" })
    chat.broken = status
    let ahead = 0
    for (const [attempt, wait] of [
      [1, 30],
      [2, 60],
      [3, 120],
    ] as const) {
      await runCron()
      await expect.poll(() => row(mia.id)?.last_error).not.toBe("")
      await expect.poll(() => row(mia.id)?.attempts).toBe(attempt)
      await expect.poll(() => row(mia.id)?.leased_until).toBe("")
      expect(row(mia.id)).toMatchObject({ state: "pending", last_error: `Error: SCIM GET /Users answered ${status}` })
      expect(Math.abs(waitMs(row(mia.id)) - ahead - wait * 1000)).toBeLessThan(25_000)
      ahead += wait * 1000 + 25_000
      await clockAhead(ahead)
    }
    chat.broken = 0
    await runCron()
    await expect.poll(() => row(mia.id)?.state).toBe("delivered")
    expect(there(mia)?.role).toBe("pending")
    await p().restart({ clock: undefined })
  })

  it("is not asked again before its time", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Later" })
    chat.broken = 500
    await runCron()
    await expect.poll(() => row(mia.id)?.attempts).toBe(1)
    await expect.poll(() => row(mia.id)?.leased_until).toBe("")
    const asked = chat.calls.length
    await runCron()
    const other = await p().createUser({ tenant_id: scene.b.id })
    await deliver(other.id)
    expect(chat.calls.length).toBe(asked)
  })

  it("is asked once per run and does not hold up another tenant's chat", async () => {
    const mine = [await signedIn(), await signedIn(), await signedIn()]
    for (const { id } of mine) await users().update(id, { name: "New" })
    await users().update(scene.b.member.id, { name: "Ben" })
    chat.broken = 503
    chat.calls.length = 0
    await runCron()
    await expect.poll(() => row(scene.b.member.id)?.state).toBe("delivered")
    expect(chat.calls.length).toBe(1)
    expect(mine.map(({ id }) => row(id)?.state)).toEqual(["pending", "pending", "pending"])
  })

  it("is given up after 20 attempts, with a line in the log, and a new change tries again", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Poison" })
    chat.broken = 500
    await setAttempts(mia.id, 19)
    await runCron()
    await expect.poll(() => row(mia.id)?.state).toBe("dead")
    expect(row(mia.id)).toMatchObject({ attempts: 20, last_error: "Error: SCIM GET /Users answered 500" })
    const given = async () => (await p().superuser.logs.getList(1, 50, { filter: 'message ~ "given up"' })).items.length
    await expect.poll(given, { timeout: 15_000 }).toBe(1)

    chat.broken = 0
    await runCron()
    await users().update(mia.id, { name: "Cured" })
    await deliver(mia.id)
    expect(there(mia)?.name).toBe("Cured")
  })

  it("a message that ends the process every time is given up without another try", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Killer" })
    await setAttempts(mia.id, 20)
    chat.calls.length = 0
    await runCron()
    await expect.poll(() => row(mia.id)?.state).toBe("dead")
    expect(chat.calls).toEqual([])
  })
})

describe("deliveries at the same time", () => {
  it("a message that is being delivered is nobody else's", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Once" })
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = () => resolve()
    })
    chat.before = (method) => (method === "PATCH" ? held : undefined)
    chat.calls.length = 0
    await Promise.all([runCron(), runCron(), runCron()])
    await expect.poll(() => row(mia.id)?.leased_until).not.toBe("")
    await runCron()
    release()
    await expect.poll(() => row(mia.id)?.state).toBe("delivered")
    expect(chat.calls.filter((call) => call.method === "PATCH")).toHaveLength(1)
  })

  it("a change during a delivery is delivered as well", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { status: "suspended" })
    let changed = false
    chat.before = async (method) => {
      if (method !== "PATCH" || changed) return
      changed = true
      await users().update(mia.id, { status: "active" })
    }
    await runCron()
    await expect.poll(() => row(mia.id)?.state, { timeout: 10_000 }).toBe("delivered")
    expect(there(mia)?.role).toBe("user")
    expect(account(mia.id)?.state).toBe("active")
  })

  it("a server that dies between sending and noting sends again when the lease has ended, and the end is the same", async () => {
    const mia = await signedIn()
    await users().update(mia.id, { name: "Twice" })
    chat.before = async (method) => {
      if (method === "PATCH") await p().kill()
    }
    chat.calls.length = 0
    await runCron()
    await expect.poll(() => there(mia)?.name).toBe("Twice")
    chat.before = () => undefined
    await p().restart()
    expect(row(mia.id)).toMatchObject({ state: "pending", attempts: 1 })
    await runCron()
    const other = await p().createUser({ tenant_id: scene.b.id })
    await deliver(other.id)
    expect(row(mia.id)).toMatchObject({ state: "pending", attempts: 1 })

    await clockAhead(130_000)
    await runCron()
    await expect.poll(() => row(mia.id)?.state).toBe("delivered")
    expect(row(mia.id)?.attempts).toBe(2)
    expect(there(mia)?.name).toBe("Twice")
    await p().restart({ clock: undefined })
  })
})

it("what was delivered is forgotten after 30 days, what is dead is not", async () => {
  const mia = await signedIn()
  const ben = await signedIn()
  await p()
    .superuser.collection("outbox")
    .update(row(ben.id)?.id ?? "", { state: "dead" })
  await clockAhead(29 * 86_400_000)
  await p().asSuperuser("POST", "/api/crons/sweep-sign-in")
  await clockAhead(31 * 86_400_000)
  expect(row(mia.id)?.state).toBe("delivered")
  await p().asSuperuser("POST", "/api/crons/sweep-sign-in")
  await expect.poll(() => row(mia.id)).toBeUndefined()
  expect(row(ben.id)?.state).toBe("dead")
})

it("with another SECRETS_KEY no chat is told anything, sign-in goes on, and the message waits for the right key", async () => {
  await p().restart({ clock: undefined })
  const mia = await signedIn()
  await p().restart({ env: { SECRETS_KEY: "another-key-of-32-characters-xxx" } })
  await users().update(mia.id, { name: "Sealed" })
  chat.calls.length = 0
  await runCron()
  await expect.poll(() => row(mia.id)?.last_error).toContain("SECRETS_KEY is not the key that it was stored with")
  expect(chat.calls).toEqual([])
  expect((await redeem(p(), alpha, await codeOf(p(), alpha, await p().tokenOf(mia)))).status).toBe(200)
  await p().restart({ env: {}, clock: new Date(Date.now() + 60_000).toISOString() })
  await deliver(mia.id)
  expect(there(mia)?.name).toBe("Sealed")
})

it("no secret is in the outbox or in the log", async () => {
  await p().restart({ clock: undefined })
  chat.broken = 401
  await users().update(scene.a.member.id, { name: "Anybody" })
  await runCron()
  await expect.poll(() => row(scene.a.member.id)?.last_error).toMatch(/401/)
  await p().restart()
  const logs = JSON.stringify(await p().superuser.logs.getList(1, 500))
  for (const text of [p().output(), logs, JSON.stringify(p().sql("SELECT * FROM outbox"))])
    expect(text.includes(chat.token)).toBe(false)
})
