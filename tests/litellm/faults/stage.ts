/**
 * The scene of the gate's fault tests: a tenant whose real LiteLLM reaches the platform and the provider through proxies that
 * can be told to fail, and a list of what its clients were answered, kept by the clients themselves.
 */
import { randomUUID } from "node:crypto"
import { expect } from "vitest"
import { expectSoundBooks, runCron, waitUntil } from "../../faults/books"
import { chatUsage, type FakeOpenai, startFakeOpenai } from "../../support/fake-openai"
import { type GatedLitellm, type GatedLitellmOptions, startGatedLitellm } from "../../support/gated-litellm"
import { type Platform, seedPrices, startPlatform, type Tenant } from "../../support/platform"
import { startUnreliableCenter, type UnreliableCenter } from "../../support/unreliable-center"

export const MODEL = "gpt-4o-mini"
const CHAT = "/v1/chat/completions"

/** What a client knows of its call. */
export interface Call {
  /** The call's id by LiteLLM's answer, "" if there was none: the event of this call has the same. */
  id: string
  text: string
  stream: boolean
  /** 0: the connection broke before there was an answer. */
  status: number
  /** The whole answer came, a stream's last line included. */
  complete: boolean
  code: string
  retryAfter: string
}

export interface Booked {
  event_id: string
  user_id: string
  cost_nano: number
  tokens_input: number
  tokens_output: number
  price_status: "priced" | "estimated" | "quarantined"
}

export interface Person {
  id: string
  key: string
}

export class Stage {
  readonly calls: Call[] = []
  private serial = 0

  private constructor(
    readonly platform: Platform,
    readonly tenant: Tenant,
    readonly center: UnreliableCenter,
    readonly openai: FakeOpenai,
    readonly provider: UnreliableCenter,
    readonly person: Person,
  ) {}

  static async set(): Promise<Stage> {
    const platform = await startPlatform({ env: { CF_SQLITE_SYNCHRONOUS: "FULL" } })
    await platform.publishPrices(seedPrices(MODEL))
    const tenant = await platform.createTenant()
    const openai = await startFakeOpenai()
    const [center, provider] = [await startUnreliableCenter(platform), await startUnreliableCenter(openai)]
    return new Stage(platform, tenant, center, openai, provider, await newPerson(platform, tenant))
  }

  /** A proxy of this tenant. It asks the platform and the provider through the unreliable proxies. */
  async startLitellm(more: Partial<GatedLitellmOptions> = {}): Promise<GatedLitellm> {
    const upstream = { url: `${this.provider.url}/v1` }
    return startGatedLitellm({ platform: this.center, tenant: this.tenant, upstream, ...more })
  }

  newPerson(): Promise<Person> {
    return newPerson(this.platform, this.tenant)
  }

  async clear(...proxies: (GatedLitellm | undefined)[]): Promise<void> {
    await Promise.all(proxies.map((proxy) => proxy?.stop()))
    for (const part of [this.center, this.provider, this.openai, this.platform]) await part.stop()
  }

  /** One call; its text is its own, so that what the provider counts for it is too. Broken connections are no errors here. */
  async call(proxy: GatedLitellm, options: { stream?: boolean; key?: string; max_tokens?: number } = {}): Promise<Call> {
    const { stream = false, key = this.person.key, max_tokens = 1_000 } = options
    const n = ++this.serial
    const text = `call ${n} ${"x".repeat(n % 97)}`
    const call: Call = { id: "", text, stream, status: 0, complete: false, code: "", retryAfter: "" }
    this.calls.push(call)
    const body = { model: MODEL, messages: [{ role: "user", content: text }], stream, max_tokens }
    try {
      const answer = await fetch(proxy.url + CHAT, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      })
      call.status = answer.status
      call.id = answer.headers.get("x-litellm-call-id") ?? ""
      call.retryAfter = answer.headers.get("retry-after") ?? ""
      const said = await answer.text()
      call.complete = stream && answer.ok ? said.includes("data: [DONE]") : true
      if (!answer.ok) call.code = codeOf(said)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error // fetch says by a TypeError that the connection broke
    }
    return call
  }

  /** So many calls, at most `width` at a time, every third one streamed. */
  async callMany(proxy: GatedLitellm, count: number, width = 12, options: { key?: string } = {}): Promise<Call[]> {
    const done: Call[] = []
    let begun = 0
    const client = async () => {
      while (begun < count) done.push(await this.call(proxy, { ...options, stream: begun++ % 3 === 0 }))
    }
    await Promise.all(Array.from({ length: width }, client))
    return done
  }

  answered(calls: Call[] = this.calls): Call[] {
    return calls.filter((call) => call.status === 200)
  }

  booked(): Booked[] {
    return this.platform.sql<Booked>(
      "SELECT event_id, user_id, cost_nano, tokens_input, tokens_output, price_status FROM usage_logs WHERE tenant_id = ? ORDER BY rowid",
      [this.tenant.id],
    )
  }

  /** Texts of the calls that reached the provider, by its own list. */
  reached(): string[] {
    return this.openai.calls.map(({ body }) => (body.messages as { content: string }[])[0]?.content ?? "")
  }

  /**
   * The guarantee: every call that a client was answered with 200 is booked exactly once, complete ones with the provider's
   * own counts; nothing is booked that did not reach the provider; what was used is the sum of that.
   * @param estimated ids of calls that may be booked by estimate, because their process died with them. Such a call may have
   *   died on its way to the provider: that it has arrived there nobody can tell
   */
  expectAllBookedOnce(estimated: ReadonlySet<string> = new Set()): void {
    const rows = this.booked()
    const byId = new Map(rows.map((row) => [row.event_id, row]))
    expect(byId.size).toBe(rows.length)
    const answered = this.answered()
    expect(answered.filter((call) => call.id === "" || !byId.has(call.id))).toEqual([])
    for (const call of answered) {
      const row = byId.get(call.id) as Booked
      if (row.price_status === "estimated" && estimated.has(call.id)) continue
      const { prompt, completion } = chatUsage(call.text)
      expect(row).toMatchObject({ tokens_input: prompt, tokens_output: completion, price_status: "priced" })
    }
    const counted = rows.filter((row) => !estimated.has(row.event_id))
    expect(counted.length).toBeLessThanOrEqual(new Set(this.reached()).size)
    const [budget] = this.platform.sql<{ used_nano: number }>(
      "SELECT used_nano FROM budgets WHERE tenant_id = ? AND scope = 'tenant'",
      [this.tenant.id],
    )
    expect(budget?.used_nano).toBe(rows.reduce((sum, row) => sum + row.cost_nano, 0))
  }

  /** The centre has every number of every epoch that the spool has used. */
  async expectNoGaps(proxy: GatedLitellm): Promise<void> {
    const { events } = await proxy.spoolRows()
    const last = Math.max(...events.map((event) => event.seq))
    const cursors = this.platform.sql<{ epoch: string; next_seq: number; gaps: string }>(
      "SELECT epoch, next_seq, gaps FROM ingest_cursors WHERE tenant_id = ?",
      [this.tenant.id],
    )
    expect(cursors).toEqual([{ epoch: events.at(-1)?.epoch, next_seq: last + 1, gaps: "[]" }])
  }

  openHolds(): { call_id: string; amount_nano: number }[] {
    return this.platform.sql("SELECT call_id, amount_nano FROM holds WHERE tenant_id = ? AND state = 'open'", [this.tenant.id])
  }

  /** Lets the holds' time pass: those whose calls died with nobody to tell are over then. */
  async expectNoHoldOutlivesItsTime(): Promise<void> {
    await this.platform.restart({ clock: new Date(Date.now() + 11 * 60_000).toISOString() })
    await runCron(this.platform, "expire-holds")
    await waitUntil("no hold is open", () => this.openHolds().length === 0)
  }

  async expectSoundBooks(): Promise<void> {
    await expectSoundBooks(this.platform)
  }
}

/** Somebody with money enough and no limit of calls, and their key. */
async function newPerson(platform: Platform, tenant: Tenant): Promise<Person> {
  const product = await platform.createProduct({ budget_included: 1_000, rate_limit: 0, name: `Plenty ${randomUUID()}` })
  const user = await platform.createUser({ tenant_id: tenant.id, product_id: product.id })
  const token = await platform.tokenOf(user)
  const made = await platform.request("POST", "/api/keys", { token, body: { name: "test" } })
  if (made.status !== 200) throw new Error(JSON.stringify(made.body))
  return { id: user.id, key: made.body.key }
}

function codeOf(body: string): string {
  try {
    return String(JSON.parse(body).error?.code ?? "")
  } catch {
    return body.slice(0, 200)
  }
}
