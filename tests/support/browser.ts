/** A real Chromium, headless. A page that logs an error, breaks its policy or asks another host for something is a failed test. */
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { ensureChromium } from "../../scripts/setup-chromium.mjs"

export async function startBrowser(): Promise<Browser> {
  // --no-sandbox: as root, which CI runs as, Chromium has none. It opens pages of these tests only.
  return chromium.launch({ executablePath: ensureChromium(), args: ["--no-sandbox", "--disable-gpu"] })
}

export interface Visit {
  page: Page
  context: BrowserContext
  /** What the page should not have done, in words. */
  complaints: string[]
}

/** A person with an empty browser. `allowed` are the origins that the page may talk to. */
export async function visit(browser: Browser, allowed: string[], options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`))
  page.on("console", (message) => {
    // A refused sign-in is a 4xx, which Chromium reports by itself.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) complaints.push(`console: ${message.text()}`)
  })
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol.startsWith("http") && !allowed.includes(origin)) complaints.push(`request: ${request.url()}`)
  })
  return { page, context, complaints }
}
