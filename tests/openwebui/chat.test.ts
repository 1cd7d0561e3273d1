/**
 * The guarantee: whoever is a member of a tenant chats with one sign-in, pays what they use and nobody else does, and reads
 * why when they may not. The real platform, LiteLLM with our gate, Open WebUI and Chromium; only the provider is a fake.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPerson, type Person } from "../http/two-tenants"
import { startBrowser, type Visit, visit } from "../support/browser"
import { chatUsage, type FakeOpenai, startFakeOpenai } from "../support/fake-openai"
import { type Platform, seedPrices, startPlatform, type Tenant } from "../support/platform"
import { startTenantStack, type TenantStack } from "./tenant-stack"

interface UsageRow {
  user_id: string
  model: string
  purpose: string
  tokens_input: number
  tokens_output: number
  cost_nano: number
  price_status: string
}

interface Account {
  id: string
  email: string
  role: string
}

const INSTALL_AND_START_MS = 1_800_000
/** What the fake says to everything. */
const ANSWER = "the quick brown fox jumps over the lazy dog"
const SUSPENDED = "Your account is not active. Please ask your administrator."
const ANNA_ADDRESS = "anna@acme.example.com"

let platform: Platform
let tenant: Tenant
let productId: string
let anna: Person
let bert: Person
let upstream: FakeOpenai
let stack: TenantStack
let browser: Browser
let annasVisit: Visit

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices(seedPrices("gpt-4o", "gpt-4o-mini", "text-embedding-3-small"))
  tenant = await platform.createTenant({ slug: "acme", language: "en" })
  productId = (await platform.createProduct({ budget_included: 50 })).id
  anna = await member(ANNA_ADDRESS, "Anna Arndt")
  bert = await member("bert@acme.example.com", "Bert Bauer")
  const operator = await createPerson(platform, { email: "operator@example.com", role: "operator" })
  upstream = await startFakeOpenai()
  stack = await startTenantStack(platform, tenant, operator.token, upstream.url)
  browser = await startBrowser()
  annasVisit = await openBrowser()
}, INSTALL_AND_START_MS)

afterAll(async () => {
  await browser?.close()
  await stack?.stop()
  await upstream?.stop()
  await platform?.stop()
})

const member = (email: string, name: string) =>
  createPerson(platform, { email, name, tenant_id: tenant.id, product_id: productId })
const openBrowser = () => visit(browser, [platform.url, stack.chat.url], { locale: "en-US" })
const usage = () =>
  platform.sql<UsageRow>(
    `SELECT user_id, model, purpose, tokens_input, tokens_output, cost_nano, price_status FROM usage_logs
     WHERE tenant_id = ? ORDER BY rowid`,
    [tenant.id],
  )
const used = (userId: string) =>
  platform.sql<{ used_nano: number }>("SELECT used_nano FROM budgets WHERE scope = 'user' AND user_id = ?", [userId])[0]
    ?.used_nano
const accounts = () => stack.chat.sql<Account>("SELECT id, email, role FROM user ORDER BY created_at, email")
const accountOf = (email: string) => accounts().find((account) => account.email === email)
const linkOf = (userId: string) =>
  platform.sql<{ chat_user_id: string; state: string }>("SELECT chat_user_id, state FROM chat_accounts WHERE user_id = ?", [
    userId,
  ])[0]

/** Opens the chat, which leads to the platform's page by itself, and signs in there. */
async function signIn(page: Page, person: { email: string; password: string }): Promise<void> {
  await page.goto(stack.chat.url)
  await page.locator("#email").fill(person.email)
  await page.locator("#password").fill(person.password)
  expect(new URL(page.url()).origin).toBe(platform.url)
  await page.locator("#submit").click()
}

const inChat = (page: Page) => page.locator("#chat-input").waitFor({ timeout: 60_000 })

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#chat-input").click()
  await page.keyboard.type(text)
  await page.keyboard.press("Enter")
}

async function reads(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor({ timeout: 30_000 })
}

/** Lets the platform deliver what waits for the chat, until it is as it should be. */
async function delivered<T>(find: () => T | undefined | false): Promise<T> {
  return eventually(async () => {
    await platform.asSuperuser("POST", "/api/crons/deliver-outbox")
    return find()
  })
}

async function eventually<T>(find: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 240; tries++) {
    const found = await find()
    if (found) return found
    await sleep(500)
  }
  throw new Error(`it did not come about: ${find}\n${platform.output().slice(-3_000)}`)
}

describe("a member", () => {
  it("signs in on the platform's page and is a plain user of the chat, whose administrator is ours", async () => {
    await signIn(annasVisit.page, anna)
    await inChat(annasVisit.page)
    expect(accounts().map(({ email, role }) => ({ email, role }))).toEqual([
      { email: stack.env.WEBUI_ADMIN_EMAIL, role: "admin" },
      { email: anna.email, role: "user" },
    ])
  })

  it("is linked to the account that the sign-in made", async () => {
    const link = await delivered(() => linkOf(anna.id))
    expect(link).toEqual({ chat_user_id: accountOf(anna.email)?.id, state: "active" })
  })

  it("reads the answer, and all that it cost is theirs: the message and, marked auxiliary, the title", async () => {
    const { page } = annasVisit
    const question = "What jumps over the dog?"
    await say(page, question)
    await reads(page, ANSWER)
    const rows = await eventually(() => usage().length >= 2 && usage())
    const booked = { user_id: anna.id, price_status: "priced" }
    const theirs = { ...booked, purpose: "user", model: "gpt-4o" }
    const title = { ...booked, purpose: "auxiliary", model: "gpt-4o-mini" }
    expect(rows).toHaveLength(2)
    expect(rows).toEqual(expect.arrayContaining([expect.objectContaining(theirs), expect.objectContaining(title)]))
    const { prompt, completion } = chatUsage(question)
    expect(rows.find((row) => row.purpose === "user")).toMatchObject({ tokens_input: prompt, tokens_output: completion })
    expect(rows.every((row) => row.cost_nano > 0)).toBe(true)
    expect(used(anna.id)).toBe(rows.reduce((sum, row) => sum + row.cost_nano, 0))
    expect(used(bert.id) ?? 0).toBe(0)
  })

  it("pays for what they wrote: nothing is sent along with it", () => {
    const [sent] = upstream.calls.filter((call) => call.body.stream === true)
    expect(sent?.body.messages).toEqual([{ role: "user", content: "What jumps over the dog?" }])
    expect(sent?.body.tools).toBeUndefined()
  })

  it("talks to the chat and the platform only: the page asks nobody else for anything", () => {
    expect(annasVisit.complaints.filter((complaint) => complaint.startsWith("request:"))).toEqual([])
  })
})

describe("a member whose limit is used up", () => {
  it("reads how much it was and when it is back; nothing runs and nothing is booked", async () => {
    const empty = await platform.createProduct({ budget_included: 0 })
    const cleo = await createPerson(platform, { email: "cleo@acme.example.com", tenant_id: tenant.id, product_id: empty.id })
    const before = { rows: usage().length, calls: upstream.calls.length }
    const { page, context } = await openBrowser()
    await signIn(page, cleo)
    await inChat(page)
    await say(page, "Is anything left?")
    await reads(page, "Your personal limit cannot pay for this call: 0.00 of 0.00 EUR used")
    await reads(page, "It resets on")
    expect({ rows: usage().length, calls: upstream.calls.length }).toEqual(before)
    await context.close()
  })
})

describe("a member who is suspended while the chat's accounts cannot be reached", () => {
  it("reads why with the next message; nothing runs and nothing is booked", async () => {
    const before = { rows: usage().length, calls: upstream.calls.length }
    stack.scim.open = false
    await platform.superuser.collection("users").update(anna.id, { status: "suspended" })
    await say(annasVisit.page, "And now?")
    await reads(annasVisit.page, SUSPENDED)
    expect({ rows: usage().length, calls: upstream.calls.length }).toEqual(before)
  })

  it("has no account there once it can be reached, and the sign-in page says why", async () => {
    stack.scim.open = true
    await delivered(() => accountOf(anna.email)?.role === "pending")
    expect(linkOf(anna.id)?.state).toBe("inactive")
    // The page that is open shows it when it is loaded again, and does not give the stack's administrator away.
    await annasVisit.page.reload()
    await annasVisit.page.getByRole("button", { name: "Check Again" }).waitFor()
    expect(await annasVisit.page.getByText(stack.env.WEBUI_ADMIN_EMAIL as string).count()).toBe(0)
    const { page, context } = await openBrowser()
    await signIn(page, anna)
    await page.locator("#alert").waitFor({ state: "visible" })
    await context.close()
  })

  it("goes on with the session that was open when the suspension is lifted", async () => {
    await platform.superuser.collection("users").update(anna.id, { status: "active" })
    await delivered(() => accountOf(anna.email)?.role === "user")
    const { page } = annasVisit
    await page.goto(stack.chat.url)
    await inChat(page)
    const before = usage().length
    await say(page, "Thank you.")
    await reads(page, ANSWER)
    await eventually(() => usage().length > before)
    expect(usage().every((row) => row.user_id === anna.id)).toBe(true)
  })
})

describe("an account of the chat", () => {
  it("is not entered by whoever has its address now", async () => {
    stack.scim.open = false
    await platform.superuser.collection("users").update(anna.id, { email: "anna.arndt@acme.example.com" })
    const eve = await member(ANNA_ADDRESS, "Eve Ehlers")
    const { page, context } = await openBrowser()
    await signIn(page, eve)
    await page.waitForURL(`${stack.chat.url}/auth?error=*`)
    expect(accounts().filter((account) => account.email === ANNA_ADDRESS)).toEqual([
      expect.objectContaining({ id: linkOf(anna.id)?.chat_user_id }),
    ])
    expect(await context.cookies(stack.chat.url)).not.toContainEqual(expect.objectContaining({ name: "token" }))

    stack.scim.open = true
    await delivered(() => accountOf("anna.arndt@acme.example.com"))
    await page.goto(stack.chat.url)
    await page.locator("#continue-as").click()
    await inChat(page)
    expect(accountOf(ANNA_ADDRESS)?.id).not.toBe(linkOf(anna.id)?.chat_user_id)
    expect(await page.getByText("What jumps over the dog?").count()).toBe(0)
    await say(page, "Am I somebody else?")
    await reads(page, ANSWER)
    await eventually(() => usage().some((row) => row.user_id === eve.id && row.purpose === "user"))
    await context.close()
  })

  it("that is the stack's administrator is nobody's, even with its address", async () => {
    const mallory = await member(stack.env.WEBUI_ADMIN_EMAIL as string, "Mallory")
    const { page, context } = await openBrowser()
    await signIn(page, mallory)
    await page.locator("#alert").waitFor({ state: "visible" })
    expect(new URL(page.url()).origin).toBe(platform.url)
    expect(accounts().filter((account) => account.role === "admin")).toHaveLength(1)
    await context.close()
  })
})

it("leaves books that add up", async () => {
  expect(await platform.doctor()).toMatchObject({ code: 0 })
})
