import type { SignInContext } from "../contract/oauth"

/** What `npm run build` makes of portals/sign-in: one page with its script and style inside, and the hashes of both. */
export interface SignInPage {
  html: string
  /** For the policy, e.g. 'sha256-…' in quotes. */
  scriptHash: string
  styleHash: string
}

const TITLES = { de: "Anmelden", en: "Sign in" }

/** The page for this request. Whatever came from outside stands in it as JSON that cannot end its element. */
export function renderSignInPage(page: SignInPage, context: SignInContext): string {
  const json = JSON.stringify(context)
    .replace(/</g, "\\u003c")
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029")
  return page.html
    .replace('<html lang="de">', `<html lang="${context.language}">`)
    .replace("<title>Anmelden", () => `<title>${TITLES[context.language]}`)
    .replace('"{{context}}"', () => json)
}

/**
 * Nothing but this page's own script and style runs, nothing is loaded from elsewhere, nobody frames it (a frame could make a
 * person click "continue" unseen), no cache keeps it, and the next page does not learn its address, which holds the state.
 */
export function signInHeaders(page: SignInPage): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `script-src ${page.scriptHash}`,
    `style-src ${page.styleHash}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    "Content-Security-Policy": policy.join("; "),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
  }
}
