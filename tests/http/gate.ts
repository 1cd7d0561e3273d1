/** The scene of the gate's tests: one tenant with a price that is easy to calculate with, and what its LiteLLM would ask. */
import { randomUUID } from "node:crypto"
import { EUR, MODEL, NANO_PER_TOKEN, PRICE, usageEvent, type WireEvent } from "../faults/books"
import { type Answer, type Platform, type PlatformOptions, startPlatform, type Tenant } from "../support/platform"

export { EUR, MODEL, NANO_PER_TOKEN }

const USD = { input: "1", output: "1" }
/** USD × 0.92 × 1.2. */
export const PRICES = [
  PRICE,
  { model: "short-model", provider: "test", kind: "chat", max_output_tokens: 4_000, usd: USD },
  { model: "embed", provider: "test", kind: "embedding", usd: { input: "1" } },
  { model: "picture", provider: "test", kind: "image", usd: { image: "0.04" } },
  { model: "painter", provider: "test", kind: "image", usd: { input: "5", output: "40" } },
  { model: "voice", provider: "test", kind: "speech", usd: { mchar: "15" } },
  { model: "ears", provider: "test", kind: "transcription", usd: { second: "0.0001" } },
  { model: "free-model", provider: "test", kind: "chat", usd: { input: "0", output: "0" } },
]

export interface Hold {
  id: string
  call_id: string
  user_id: string
  api_key_id: string
  key_budget_id: string
  amount_nano: number
  max_tokens: number
  clamped: number
  state: string
  settled_by: string
  expires_at: string
}

export class Gate {
  private constructor(
    readonly platform: Platform,
    readonly tenant: Tenant,
  ) {}

  static async start(options: PlatformOptions = {}): Promise<Gate> {
    const platform = await startPlatform(options)
    await platform.publishPrices(PRICES)
    return new Gate(platform, await platform.createTenant())
  }

  /** The same questions from another tenant's LiteLLM. */
  async ofAnotherTenant(data: Record<string, unknown> = {}): Promise<Gate> {
    return new Gate(this.platform, await this.platform.createTenant(data))
  }

  /** A user with a product of their own, so that a test can choose its terms. 1 EUR and no limit of calls unless it does. */
  async createUser(terms: Record<string, unknown> = {}, data: Record<string, unknown> = {}) {
    const product = await this.platform.createProduct({ budget_included: 1, rate_limit: 0, ...terms })
    const user = await this.platform.createUser({ tenant_id: this.tenant.id, product_id: product.id, ...data })
    return { ...user, productId: product.id }
  }

  async createKey(user: { email: string; password: string }, terms: Record<string, unknown> = {}) {
    const token = await this.platform.tokenOf(user)
    const answer = await this.platform.request("POST", "/api/keys", { token, body: { name: "test", ...terms } })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return answer.body as { id: string; key: string }
  }

  /** 100 tokens in and at most 100 out unless said otherwise. */
  async authorize(question: Record<string, unknown>): Promise<Answer> {
    const usual = { call_id: `call-${randomUUID()}`, model: MODEL, tokens_input_estimate: 100, max_tokens: 100 }
    return this.platform.ingest(this.tenant.ingestKey, { ...usual, ...question }, "/api/usage/authorize")
  }

  /** The answer's body; a refused request is an error, a refused call is not. */
  async ask(question: Record<string, unknown>): Promise<Answer["body"]> {
    return good(await this.authorize(question))
  }

  async grant(
    question: Record<string, unknown>,
  ): Promise<{ hold_id: string; max_tokens: number; clamped: boolean; available: string }> {
    const body = await this.ask(question)
    if (!body.allowed) throw new Error(JSON.stringify(body))
    return body
  }

  async identify(question: unknown): Promise<Answer["body"]> {
    return good(await this.platform.ingest(this.tenant.ingestKey, question, "/api/usage/identify"))
  }

  async release(which: unknown): Promise<Answer["body"]> {
    return good(await this.platform.ingest(this.tenant.ingestKey, which, "/api/usage/release"))
  }

  /** Books one event of `tokens` input tokens. */
  async settle(userId: string, tokens: number, changes: Record<string, unknown> = {}): Promise<Record<string, string>> {
    const event = { ...usageEvent(`e-${randomUUID()}`, userId, tokens, Date.now()), ...changes } as WireEvent
    return good(await this.platform.ingest(this.tenant.ingestKey, { events: [event] })).results[0]
  }

  holds(): Hold[] {
    return this.platform.sql<Hold>("SELECT * FROM holds WHERE tenant_id = ? ORDER BY created, rowid", [this.tenant.id])
  }

  hold(callId: string): Hold {
    const found = this.holds().find((row) => row.call_id === callId)
    if (!found) throw new Error(`no hold of call ${callId}`)
    return found
  }

  budget(
    scope: "tenant" | "user" | "api_key",
    userId = "",
  ): { id: string; total_nano: number; used_nano: number; resets_at: string } {
    const rows = this.platform.sql<ReturnType<Gate["budget"]>>(
      "SELECT * FROM budgets WHERE tenant_id = ? AND scope = ? AND (scope = 'tenant' OR user_id = ?)",
      [this.tenant.id, scope, userId],
    )
    if (rows.length !== 1) throw new Error(`${rows.length} ${scope} budgets`)
    return rows[0] as ReturnType<Gate["budget"]>
  }

  async adjust(scope: "tenant" | "user", userId: string, amount: string): Promise<void> {
    const body = { amount, reason: "a test says so" }
    good(await this.platform.asSuperuser("POST", `/api/budgets/${this.budget(scope, userId).id}/adjust`, body))
  }

  refusal(id: string): Record<string, string | number> | undefined {
    return this.platform.sql<Record<string, string | number>>("SELECT * FROM refusals WHERE id = ?", [id])[0]
  }
}

/** Nano-EUR as the wire writes them. */
export function eur(nano: number): string {
  const sign = nano < 0 ? "-" : ""
  const digits = String(Math.abs(nano)).padStart(10, "0")
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`
}

export function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString()
}

function good(answer: Answer): Answer["body"] {
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
