/** The scene of the gate's end-to-end tests: the real platform, tenants with their real LiteLLM, people with keys, one fake provider. */
import Anthropic from "@anthropic-ai/sdk"
import OpenAI from "openai"
import { expect } from "vitest"
import { type FakeCall, type FakeOpenai, type FakeUsage, startFakeOpenai } from "../../support/fake-openai"
import { type GatedLitellm, startGatedLitellm } from "../../support/gated-litellm"
import { type Platform, startPlatform, type Tenant } from "../../support/platform"
import { expectedCostNano, PRICES } from "../expected-cost"

export const INSTALL_AND_START_MS = 900_000
/** LiteLLM's first calls keep a worker busy for seconds on a slow machine, in which the centre's answer is not read. */
const PATIENT = { CF_CENTER_TIMEOUT_SECONDS: "30" }
export const CHAT = "gpt-4o-mini"
export const EMBEDDING = "text-embedding-3-small"
export const CLAUDE = "claude-haiku-4-5"

export interface House extends Tenant {
  proxy: GatedLitellm
}

export interface Person {
  id: string
  email: string
  token: string
  tenantId: string
  productId: string
  keyId: string
  key: string
}

export interface UsageRow {
  event_id: string
  call_id: string
  tenant_id: string
  user_id: string
  api_key_id: string
  model: string
  provider: string
  tokens_input: number
  tokens_cache_read: number
  tokens_output: number
  cost_nano: number
  price_status: "priced" | "estimated" | "quarantined"
  status: string
  aborted: number
  purpose: string
}

export interface HoldRow {
  call_id: string
  user_id: string
  api_key_id: string
  amount_nano: number
  max_tokens: number
  state: "open" | "settled" | "released" | "expired"
  settled_by: string
  clamped: number
}

/** As OpenAI counts; what was written to a cache is a part of `prompt`, as in `FakeUsage`. */
export type Used = FakeUsage & { written?: { all: number; hour: number } }

export class Scene {
  private constructor(
    readonly platform: Platform,
    readonly upstream: FakeOpenai,
    readonly houses: House[],
  ) {}

  /** One tenant for each number: so many workers has its LiteLLM. */
  static async start(...workers: number[]): Promise<Scene> {
    const platform = await startPlatform()
    await platform.publishPrices(PRICES)
    const upstream = await startFakeOpenai()
    const scene = new Scene(platform, upstream, [])
    try {
      const starts = workers.map(async (count, index) => {
        const tenant = await platform.createTenant({ slug: `house-${index + 1}` })
        const options = { platform, tenant, upstream, workers: count, env: PATIENT }
        scene.houses.push({ ...tenant, proxy: await startGatedLitellm(options) })
      })
      await Promise.all(starts)
    } catch (error) {
      await scene.stop()
      throw error
    }
    scene.houses.sort((a, b) => (a.slug < b.slug ? -1 : 1))
    return scene
  }

  async stop(): Promise<void> {
    await Promise.all(this.houses.map(({ proxy }) => proxy.stop()))
    await this.upstream.stop()
    await this.platform.stop()
  }

  /** Somebody new, with a product of their own (50 EUR, no limit of calls) and a key made as people make theirs. */
  async person(house: House, terms: object = {}, keyTerms: object = {}): Promise<Person> {
    const product = await this.platform.createProduct({ budget_included: 50, rate_limit: 0, ...terms })
    const user = await this.platform.createUser({ tenant_id: house.id, product_id: product.id })
    const token = await this.platform.tokenOf(user)
    const person = { ...user, token, tenantId: house.id, productId: product.id, keyId: "", key: "" }
    return { ...person, ...(await this.createKey(person, keyTerms)) }
  }

  /** The same person with a new key, to tell the calls of one test from those of others. */
  async withNewKey(person: Person): Promise<Person> {
    return { ...person, ...(await this.createKey(person)) }
  }

  async createKey(person: Pick<Person, "token">, terms: object = {}): Promise<{ keyId: string; key: string }> {
    const { id, key } = await this.post(person, "/api/keys", { name: "test", ...terms })
    return { keyId: id, key }
  }

  /** A route of the platform as this person; anything but 200 is an error. */
  async post(person: Pick<Person, "token">, route: string, body: object = {}) {
    const answer = await this.platform.request("POST", route, { token: person.token, body })
    if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** Of all keys of the person, or of one: "" is the chat. */
  usage(person: Pick<Person, "id">, key = "%"): UsageRow[] {
    const query = "SELECT * FROM usage_logs WHERE user_id = ? AND api_key_id LIKE ? ORDER BY rowid"
    return this.platform.sql<UsageRow>(query, [person.id, key])
  }

  holds(person: Pick<Person, "id">, key = "%"): HoldRow[] {
    const query = "SELECT * FROM holds WHERE user_id = ? AND api_key_id LIKE ? ORDER BY created, rowid"
    return this.platform.sql<HoldRow>(query, [person.id, key])
  }

  /** Calls that reached the provider with these words in them. */
  arrived(text: string): FakeCall[] {
    return this.upstream.calls.filter(({ body }) => JSON.stringify(body).includes(JSON.stringify(text).slice(1, -1)))
  }

  /** What was used is booked once, on the person and the key, at its price, and its hold is settled by that. */
  expectBookedOnce(person: Person, model: string, used: Used): UsageRow {
    const rows = this.usage(person, person.keyId)
    expect(rows).toHaveLength(1)
    const [row] = rows as [UsageRow]
    expect(row).toMatchObject({
      ...{ tenant_id: person.tenantId, user_id: person.id, api_key_id: person.keyId, model },
      ...{ tokens_input: used.prompt, tokens_cache_read: used.cached, tokens_output: used.completion },
      ...{ price_status: "priced", status: "success", purpose: "user" },
    })
    expect(BigInt(row.cost_nano)).toBe(costOf(model, used))
    expect(this.holds(person, person.keyId)).toMatchObject([
      { call_id: row.call_id, api_key_id: person.keyId, state: "settled", settled_by: row.event_id },
    ])
    return row
  }

  /** Nothing was used, and no money is held back. */
  expectNothingBooked(person: Person): void {
    expect(this.usage(person, person.keyId)).toEqual([])
    expect(this.holds(person, person.keyId).filter(({ state }) => state !== "released")).toEqual([])
  }

  budget(person: Person): { total_nano: number; used_nano: number } {
    const [row] = this.platform.sql<{ total_nano: number; used_nano: number }>(
      "SELECT total_nano, used_nano FROM budgets WHERE scope = 'user' AND user_id = ?",
      [person.id],
    )
    if (row === undefined) throw new Error("this person has no budget yet")
    return row
  }

  async expectSoundBooks(): Promise<void> {
    for (const { proxy } of this.houses) await proxy.delivered()
    await this.expectCleanDoctor()
  }

  async expectCleanDoctor(): Promise<void> {
    const { code, output } = await this.platform.doctor()
    expect(`${output}\nexit code ${code}`).toMatch(/\nexit code 0$/)
  }
}

export function costOf(model: string, { prompt, cached, completion, written = { all: 0, hour: 0 } }: Used): bigint {
  return expectedCostNano(model, {
    uncached: prompt - cached - written.all,
    cacheRead: cached,
    cacheWrite: written.all - written.hour,
    cacheWriteHour: written.hour,
    output: completion,
  })
}

/** A kept connection may be closed by LiteLLM at the very moment it is used again: a call would fail that nobody has seen. */
export const OWN_CONNECTION = { connection: "close" }

/** The SDKs as their users have them, but for their own repetitions: one call here is one request. */
export function openai(house: House, apiKey: string, defaultHeaders: Record<string, string> = {}): OpenAI {
  return new OpenAI({
    apiKey,
    baseURL: `${house.proxy.url}/v1`,
    maxRetries: 0,
    defaultHeaders: { ...OWN_CONNECTION, ...defaultHeaders },
  })
}

export function anthropic(house: House, apiKey: string): Anthropic {
  return new Anthropic({ apiKey, authToken: null, baseURL: house.proxy.url, maxRetries: 0, defaultHeaders: OWN_CONNECTION })
}

/** The error that a call must be answered with. */
export async function errorOf(call: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await call
  } catch (error) {
    if (error instanceof OpenAI.APIError && error.status !== undefined) return error
    throw error
  }
  throw new Error("the call went through")
}

export function say(content: string): { messages: [{ role: "user"; content: string }] } {
  return { messages: [{ role: "user", content }] }
}
