/// <reference lib="dom" />
/** The guarantee: with the page in a real browser a person gets into their chat, or reads why not, in their language. */
import { mkdirSync, readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import path from "node:path"
import type { Browser, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { createPerson, type Person, startTwoTenants, type TwoTenants } from "../http/two-tenants"
import { startBrowser, type Visit, visit } from "../support/browser"
import { authorizeRequest, type ChatStack, createStack, redeem, userinfo } from "../support/chat-stack"

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
/** Set it to look at the page; the tests do not need it. */
const SCREENSHOTS = process.env.SCREENSHOT_DIR ?? ""

let scene: TwoTenants
let browser: Browser
let chat: Server
let alpha: ChatStack
let beta: ChatStack
let mia: Person
let chatOrigin: string
/** What a test has changed for its own sake. */
afterEach(() => scene.platform.superuser.collection("tenants").update(scene.b.id, { status: "active", name: "Beta Inc." }))
beforeAll(async () => {
  scene = await startTwoTenants()
  chat = createServer((_request, response) => response.end("<title>chat</title>the chat"))
  await new Promise<void>((resolve) => chat.listen(0, "127.0.0.1", resolve))
  chatOrigin = `http://127.0.0.1:${(chat.address() as AddressInfo).port}`
  const { a, b, platform } = scene
  await platform.superuser.collection("tenants").update(a.id, { name: "Alpha Maschinenbau GmbH & Co. KG" })
  await platform.superuser.collection("tenants").update(b.id, { name: "Beta Inc.", language: "en" })
  alpha = await createStack(platform, a, { chatUrl: chatOrigin })
  beta = await createStack(platform, b, { chatUrl: chatOrigin })
  mia = await createPerson(platform, { email: "mia@alpha.example.com", tenant_id: a.id, name: "Mia Mustermann" })
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  chat?.close()
  await scene?.platform.stop()
})

const url = (stack: ChatStack, changes = {}) =>
  `${scene.platform.url}/oauth2/${stack.slug}/authorize?${new URLSearchParams(authorizeRequest(stack, changes))}`

/** Opens the page, does the work and holds the page to what no page may do. */
async function person<T>(work: (page: Page, one: Visit) => Promise<T>, options = {}): Promise<T> {
  const one = await visit(browser, [scene.platform.url, chatOrigin], options)
  try {
    const result = await work(one.page, one)
    expect(one.complaints).toEqual([])
    return result
  } finally {
    await one.context.close()
  }
}

async function signIn(page: Page, user: { email: string; password: string }): Promise<void> {
  await page.locator("#email").fill(user.email)
  await page.locator("#password").fill(user.password)
  await page.locator("#submit").click()
}

async function arrived(page: Page): Promise<URL> {
  await page.waitForURL(`${chatOrigin}/**`)
  return new URL(page.url())
}

async function alertOf(page: Page): Promise<string> {
  await page.locator("#alert").waitFor({ state: "visible" })
  return (await page.locator("#alert-text").textContent()) ?? ""
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === "") return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) })
}

describe("signing in", () => {
  it("with the password leads to the chat with a code that works, for this person", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      expect(await page.locator("h1").textContent()).toBe("Bei Alpha Maschinenbau GmbH & Co. KG anmelden")
      await signIn(page, mia)
      const target = await arrived(page)
      expect(target.searchParams.get("state")).toBe("state & more=1")
      const token = await redeem(scene.platform, alpha, target.searchParams.get("code") as string)
      expect((await userinfo(scene.platform, "alpha", token.body.access_token)).body.sub).toBe(mia.id)
      // The page with the request is gone from the history.
      await page.goBack()
      expect(page.url()).toBe("about:blank")
    })
  })

  it("works with the keyboard alone", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      await page.locator("#email:focus").waitFor()
      await page.keyboard.type(mia.email)
      await page.keyboard.press("Tab")
      await page.keyboard.press("Tab")
      await page.keyboard.type(mia.password)
      await page.keyboard.press("Enter")
      await arrived(page)
    })
  })

  it("is one click when the browser is signed in already, and another account can be used instead", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      await signIn(page, mia)
      await arrived(page)
      await page.goto(url(alpha))
      await page.locator("#continue-as").waitFor()
      expect(await page.locator("#continue").innerText()).toContain("Weiter als Mia Mustermann")
      expect(await page.locator("#continue").innerText()).toContain(mia.email)
      await shoot(page, "continue-1280")
      await page.locator("#other-account").click()
      await signIn(page, scene.a.member)
      expect((await arrived(page)).searchParams.get("code")).toMatch(/./)
      await page.goto(url(alpha))
      await page.locator("#continue-as").waitFor()
      expect(await page.locator("#continue").innerText()).toContain(scene.a.member.email)
      await page.locator("#continue-as").click()
      await arrived(page)
    })
  })

  it("asks for the password again when the stored login is dead", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      await page.evaluate(() => localStorage.setItem("pocketbase_auth", JSON.stringify({ token: "a.b.c", record: {} })))
      await page.reload()
      await signIn(page, mia)
      await arrived(page)
    })
  })
})

describe("what goes wrong is said, in the language of the tenant", () => {
  it("a wrong password", async () => {
    await person(async (page) => {
      await page.goto(url(beta))
      await signIn(page, { email: scene.b.member.email, password: "wrong-password" })
      expect(await alertOf(page)).toBe("The e-mail address or the password is wrong.")
      expect(await page.locator("#password").inputValue()).toBe("")
      await shoot(page, "wrong-password-1280")
      await signIn(page, scene.b.member)
      await arrived(page)
    })
  })

  it("an empty form, without asking the server", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      await page.locator("#submit").click()
      expect(await page.locator("#email-problem").textContent()).toBe("Bitte geben Sie Ihre E-Mail-Adresse ein.")
      expect(await page.locator("#email").getAttribute("aria-invalid")).toBe("true")
      expect(await page.locator("#email").evaluate((element) => element === document.activeElement)).toBe(true)
    })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ["a suspended member", { status: "suspended" }, "Dieses Konto ist nicht freigeschaltet oder gesperrt."],
    ["an unconfirmed address", { verified: false }, "Ihre E-Mail-Adresse ist noch nicht bestätigt."],
    ["somebody of ours", { role: "sales", tenant_id: "" }, "Dieses Konto gehört nicht zu Alpha Maschinenbau GmbH & Co. KG."],
  ])("%s", async (_name, data, sentence) => {
    const user = await scene.platform.createUser({ tenant_id: scene.a.id, ...data })
    await person(async (page) => {
      await page.goto(url(alpha))
      await signIn(page, user)
      expect(await alertOf(page)).toContain(sentence)
      // Nobody stays signed in whom the chat did not take.
      expect(await page.evaluate(() => localStorage.getItem("pocketbase_auth"))).toBeNull()
    })
  })

  it("a member of another tenant, who may then use another account", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      await signIn(page, scene.b.member)
      expect(await alertOf(page)).toContain("gehört nicht zu Alpha Maschinenbau")
      await shoot(page, "other-tenant-1280")
      await signIn(page, mia)
      await arrived(page)
    })
  })

  it("a login that was signed in elsewhere and is of another tenant", async () => {
    await person(async (page) => {
      await page.goto(url(beta))
      await signIn(page, scene.b.member)
      await arrived(page)
      await page.goto(url(alpha))
      await page.locator("#continue-as").click()
      expect(await alertOf(page)).toContain("gehört nicht zu Alpha Maschinenbau")
      await page.locator("#other-account").click()
      await signIn(page, mia)
      await arrived(page)
    })
  })

  it("a member who is suspended between opening the page and continuing", async () => {
    const user = await scene.platform.createUser({ tenant_id: scene.a.id })
    await person(async (page) => {
      await page.goto(url(alpha))
      await signIn(page, user)
      await arrived(page)
      await page.goto(url(alpha))
      await page.locator("#continue-as").waitFor()
      await scene.platform.superuser.collection("users").update(user.id, { status: "suspended" })
      await page.locator("#continue-as").click()
      expect(await alertOf(page)).toBe("Ihre Anmeldung ist abgelaufen. Bitte melden Sie sich noch einmal an.")
    })
  })

  it("a link that is not this chat's: no form, and the way back", async () => {
    await person(async (page) => {
      const answer = await page.goto(url(beta, { redirect_uri: "https://evil.example/" }))
      expect(answer?.status()).toBe(400)
      expect(await page.locator("main").innerText()).toContain("incomplete, has expired or does not belong to this chat")
      expect(await page.locator("form").isVisible()).toBe(false)
      expect(await page.locator("#back").getAttribute("href")).toBe(chatOrigin)
      await shoot(page, "bad-request-1280")
    })
  })

  it("a suspended tenant, and a chat that does not exist", async () => {
    const tenants = scene.platform.superuser.collection("tenants")
    await tenants.update(scene.b.id, { status: "suspended" })
    await person(async (page) => {
      expect((await page.goto(url(beta)))?.status()).toBe(403)
      expect(await page.locator("main").innerText()).toContain("Beta Inc. is not active at the moment.")
      expect((await page.goto(`${scene.platform.url}/oauth2/nobody/authorize`))?.status()).toBe(404)
      expect(await page.locator("main").innerText()).toContain("Diesen Chat gibt es nicht.")
    })
  })

  it("a server that is away", async () => {
    await person(async (page, one) => {
      await page.goto(url(alpha))
      await page.locator("#email").waitFor()
      await page.route("**/auth-with-password", (route) => route.abort())
      await signIn(page, mia)
      expect(await alertOf(page)).toContain("Die Anmeldung ist gerade nicht erreichbar.")
      // That the browser complains is what this test is about.
      expect(one.complaints.splice(0)).toEqual([expect.stringContaining("ERR_FAILED")])
    })
  })
})

describe("a forgotten password", () => {
  it("is answered alike for an address that is known and one that is not", async () => {
    const answers: string[] = []
    for (const email of [mia.email, "nobody@nowhere.example"]) {
      await person(async (page) => {
        await page.goto(url(beta))
        await page.locator("#forgot").click()
        await page.locator("#email").fill(email)
        await page.locator("#submit").click()
        await page.locator("#notice:not(:empty)").waitFor()
        answers.push(await page.locator("main").innerText())
        await shoot(page, "reset-1280")
        await page.locator("#back-to-sign-in").click()
        expect(await page.locator("#password").isVisible()).toBe(true)
      })
    }
    expect(answers[0]).toContain("If there is an account with this address")
    expect(answers[0]).toBe(answers[1])
  })
})

describe("the page itself", () => {
  it("speaks both languages, and one click changes every word", async () => {
    await person(async (page) => {
      await page.goto(url(alpha))
      expect(await page.locator("html").getAttribute("lang")).toBe("de")
      expect(await page.title()).toBe("Anmelden · CloudFreedom")
      await page.getByRole("button", { name: "English" }).click()
      expect(await page.locator("html").getAttribute("lang")).toBe("en")
      expect(await page.title()).toBe("Sign in · CloudFreedom")
      expect(await page.locator("body").innerText()).not.toMatch(/Passwort|Anmelden|Zurück/)
    })
  })

  it("shows a tenant's name as text, whatever is in it", async () => {
    const tenants = scene.platform.superuser.collection("tenants")
    const name = `</script><script>alert("1")</script><img src=x onerror=alert(1)> {name} $& "quoted"`
    await tenants.update(scene.b.id, { name })
    await person(async (page) => {
      await page.goto(url(beta))
      expect(await page.locator("h1").textContent()).toBe(`Sign in to ${name}`)
    })
  })

  it("cannot be framed, cached or made to load or send anything elsewhere", async () => {
    const { headers } = await fetch(url(alpha))
    const policy = headers.get("content-security-policy") ?? ""
    expect(policy).toMatch(
      /default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; img-src data:; connect-src 'self';/,
    )
    for (const part of ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) expect(policy).toContain(part)
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    expect(headers.get("cache-control")).toBe("no-store")
    expect(headers.get("referrer-policy")).toBe("no-referrer")
    expect(headers.get("x-frame-options")).toBe("DENY")
    expect(headers.get("x-content-type-options")).toBe("nosniff")
  })

  it.each((["light", "dark"] as const).flatMap((colorScheme) => [360, 1280].map((width) => ({ colorScheme, width }))))(
    "is accessible and fits, $colorScheme at $width px, in every view",
    async ({ colorScheme, width }) => {
      await person(
        async (page) => {
          const look = async (name: string) => {
            await shoot(page, `${name}-${colorScheme}-${width}`)
            const findings = (await page.evaluate(
              `${AXE}; axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html)))`,
            )) as string[]
            expect(findings, name).toEqual([])
            expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(width)
          }
          await page.goto(url(alpha))
          await page.locator("#email:focus").waitFor()
          await look("sign-in")
          await page.locator("#submit").click()
          await look("empty")
          await signIn(page, scene.b.member)
          await alertOf(page)
          await look("alert")
          await page.locator("#forgot").click()
          await look("reset")
          await page.locator("#back-to-sign-in").click()
          await signIn(page, mia)
          await arrived(page)
          await page.goto(url(alpha))
          await page.locator("#continue-as").waitFor()
          await look("continue")
          await page.goto(url(alpha, { state: "" }))
          await look("problem")
        },
        { colorScheme, viewport: { width, height: 740 } },
      )
    },
  )
})
