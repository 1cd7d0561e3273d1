/** N17: a production server with a missing, weak or half-set secret does not start, and says what is wrong, all at once. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { startServer, stopServer } from "../support/platform"

const GOOD = {
  ...{ NODE_ENV: "production", POCKETBASE_ADMIN_EMAIL: "admin@example.com", POCKETBASE_ADMIN_PASSWORD: "correct-horse-battery" },
  ...{ SECRETS_KEY: "0123456789abcdef0123456789abcdef", CF_SQLITE_SYNCHRONOUS: "", CF_CLOCK_OFFSET_MS: "" },
}
let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "cf-start-"))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** The exit code and what was printed, or null if it started after all. */
async function refusal(env: Record<string, string>): Promise<{ code: number; output: string } | null> {
  try {
    await stopServer(await startServer(dataDir, { env: { ...GOOD, ...env } }))
    return null
  } catch (error) {
    const [, code, output] = /exited with (\d+):\n([\s\S]*)/.exec(String(error)) ?? []
    return { code: Number(code), output: output ?? "" }
  }
}

describe("in production", () => {
  it("starts with the four variables that it needs, and with both Stripe variables", async () => {
    expect(await refusal({})).toBeNull()
    expect(await refusal({ STRIPE_SECRET_KEY: "sk_live_x", STRIPE_WEBHOOK_SECRET: "whsec_x" })).toBeNull()
  })

  const cases: [string, Record<string, string>, string][] = [
    ["no admin e-mail", { POCKETBASE_ADMIN_EMAIL: "" }, "POCKETBASE_ADMIN_EMAIL"],
    ["an admin e-mail that is none", { POCKETBASE_ADMIN_EMAIL: "admin" }, "POCKETBASE_ADMIN_EMAIL"],
    ["no admin password", { POCKETBASE_ADMIN_PASSWORD: "" }, "POCKETBASE_ADMIN_PASSWORD"],
    ["a short admin password", { POCKETBASE_ADMIN_PASSWORD: "elevenchars" }, "POCKETBASE_ADMIN_PASSWORD"],
    ["a password of one letter", { POCKETBASE_ADMIN_PASSWORD: "a".repeat(20) }, "POCKETBASE_ADMIN_PASSWORD"],
    ["no SECRETS_KEY", { SECRETS_KEY: "" }, "SECRETS_KEY"],
    ["a SECRETS_KEY of 31 characters", { SECRETS_KEY: "0123456789abcdef0123456789abcde" }, "SECRETS_KEY"],
    ["Stripe's key without the webhook's secret", { STRIPE_SECRET_KEY: "sk_live_x" }, "STRIPE_WEBHOOK_SECRET"],
    ["the webhook's secret without Stripe's key", { STRIPE_WEBHOOK_SECRET: "whsec_x" }, "STRIPE_SECRET_KEY"],
    ["a moved clock", { CF_CLOCK_OFFSET_MS: "1000" }, "CF_CLOCK_OFFSET_MS"],
    ["writes that a power cut may lose", { CF_SQLITE_SYNCHRONOUS: "NORMAL" }, "CF_SQLITE_SYNCHRONOUS"],
  ]
  it.each(cases)("with %s it exits and names the variable", async (_name, env, variable) => {
    const result = await refusal(env)
    expect(result?.code).toBeGreaterThan(0)
    expect(result?.output).toContain(variable)
  })

  it("names all problems at once and prints no secret", async () => {
    const env = {
      POCKETBASE_ADMIN_EMAIL: "",
      POCKETBASE_ADMIN_PASSWORD: "hunter2",
      SECRETS_KEY: "too-short-a-key",
      STRIPE_SECRET_KEY: "sk_live_hidden",
    }
    const result = await refusal(env)
    expect(result?.code).toBeGreaterThan(0)
    for (const name of ["POCKETBASE_ADMIN_EMAIL", "POCKETBASE_ADMIN_PASSWORD", "SECRETS_KEY", "STRIPE_WEBHOOK_SECRET"])
      expect(result?.output).toContain(name)
    for (const secret of ["hunter2", "too-short-a-key", "sk_live_hidden"]) expect(result?.output).not.toContain(secret)
  })

  it.each(["", "prod", "staging", "DEVELOPMENT"])("is what NODE_ENV=%j means, too", async (NODE_ENV) => {
    expect((await refusal({ NODE_ENV, SECRETS_KEY: "" }))?.output).toContain("SECRETS_KEY")
  })
})

it("in development the admin pair is enough, and is needed", async () => {
  expect(await refusal({ NODE_ENV: "development", SECRETS_KEY: "" })).toBeNull()
  expect((await refusal({ NODE_ENV: "development", POCKETBASE_ADMIN_PASSWORD: "" }))?.output).toContain(
    "POCKETBASE_ADMIN_PASSWORD",
  )
})
