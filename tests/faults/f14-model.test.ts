/** F14: random interleavings of everything that moves money, crashes included, against a model that fits on a page. */
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { adjust, type Budget, budgetOf, EUR, expectSoundBooks, MODEL, PRICE, send, usageEvent } from "./books"
import { Model, type ModelBudget } from "./model"

const RUNS = 6
const COMMANDS = 22
const DAY_MS = 86_400_000
/** Every look at the books starts a process, every night a server. */
const LONG_MS = 600_000
const PLANS = [30, 75]

type Command =
  | { kind: "event"; user: number; tokens: number; lateDays: number }
  | { kind: "resend"; pick: number; otherAmount: boolean }
  | { kind: "adjust"; row: number; cents: number }
  | { kind: "sleep"; days: number }
  | { kind: "suspend" }
  | { kind: "resume" }
  | { kind: "plan"; user: number; plan: number }
  | { kind: "authorize"; user: number; tokens: number }
  | { kind: "settle"; pick: number; tokens: number }
  | { kind: "release"; pick: number }
  | { kind: "crash" }

const user = fc.integer({ min: 0, max: 1 })
const tokens = fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 10_000_000, max: 60_000_000 }))
const asked = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1_000_000, max: 40_000_000 }))
const event = fc.record({
  kind: fc.constant("event" as const),
  user,
  tokens,
  lateDays: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: 1, max: 45 }) }),
})
const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: event },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("resend" as const), pick: fc.nat(), otherAmount: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("adjust" as const),
      row: fc.integer({ min: 0, max: 2 }),
      cents: fc.integer({ min: -4_000, max: 9_000 }).filter((n) => n !== 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("sleep" as const), days: fc.integer({ min: 1, max: 45 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "suspend" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "resume" as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("plan" as const), user, plan: fc.integer({ min: 0, max: 1 }) }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("authorize" as const), user, tokens: asked }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("settle" as const), pick: fc.nat(), tokens }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ kind: "crash" as const }) },
)

let platform: Platform
let products: string[]
/** The server's clock is always noon of some day: a run of seconds never crosses a day of the pro-rata calculation. */
let noon = Date.parse("2026-12-05T12:00:00Z")
let serial = 0
const tried = { granted: 0, clamped: 0, refused: 0, settled: 0 }

beforeAll(async () => {
  platform = await startPlatform({ clock: new Date(noon).toISOString() })
  await platform.publishPrices([PRICE])
  products = []
  for (const euro of PLANS) products.push((await platform.createProduct({ budget_included: euro })).id)
})
afterAll(() => platform.stop())

class Run {
  private constructor(
    readonly tenant: Tenant,
    readonly users: string[],
    readonly model: Model,
  ) {}

  static async open(): Promise<Run> {
    const tenant = await platform.createTenant({ slug: `model-${++serial}`, timezone: "UTC" })
    const make = async () => (await platform.createUser({ tenant_id: tenant.id, product_id: products[0] })).id
    const users = [await make(), await make()]
    return new Run(
      tenant,
      users,
      new Model(
        noon,
        users.map((id) => [id, (PLANS[0] as number) * EUR]),
      ),
    )
  }

  async execute(command: Command): Promise<void> {
    switch (command.kind) {
      case "event":
        return this.send(`e${++serial}`, this.users[command.user] as string, command.tokens, noon - command.lateDays * DAY_MS)
      case "resend":
        return this.resend(command.pick, command.otherAmount)
      case "adjust":
        return this.adjust(command.row, command.cents)
      case "sleep":
        return this.sleep(command.days)
      case "suspend":
        return this.setStatus("suspended")
      case "resume":
        return this.setStatus("active")
      case "plan":
        return this.changePlan(this.users[command.user] as string, command.plan)
      case "authorize":
        return this.authorize(this.users[command.user] as string, command.tokens)
      case "settle":
        return this.settle(command.pick, command.tokens)
      case "release":
        return this.release(command.pick)
      case "crash":
        return this.crash()
    }
  }

  private async send(id: string, userId: string, count: number, atMs: number): Promise<void> {
    const [result] = await send(platform, this.tenant, [usageEvent(id, userId, count, atMs)])
    expect(result.verdict).toBe(this.model.event(id, userId, count, atMs))
  }

  private async resend(pick: number, otherAmount: boolean): Promise<void> {
    const recent = [...this.model.events].filter(([, sent]) => sent.atMs > noon - 59 * DAY_MS)
    const [id, sent] = recent[pick % Math.max(1, recent.length)] ?? []
    if (id && sent) await this.send(id, sent.user, sent.tokens + (otherAmount ? 1 : 0), sent.atMs)
  }

  private async authorize(userId: string, count: number): Promise<void> {
    const callId = `call${++serial}`
    const question = { call_id: callId, user_id: userId, model: MODEL, tokens_input_estimate: 0, max_tokens: count }
    const { body } = await platform.ingest(this.tenant.ingestKey, question, "/api/usage/authorize")
    const code = this.model.active ? "budget_exhausted" : "tenant_suspended"
    const expected = this.model.authorize(callId, userId, count)
    const answer =
      expected === null ? { allowed: false, code } : { allowed: true, max_tokens: expected, clamped: expected < count }
    expect(body).toMatchObject(answer)
    tried[expected === null ? "refused" : expected < count ? "clamped" : "granted"] += 1
  }

  /** The event of a call in flight, of any size: more than was held is booked, too. */
  private async settle(pick: number, count: number): Promise<void> {
    const [callId, hold] = [...this.model.holds][pick % Math.max(1, this.model.holds.size)] ?? []
    if (!callId || !hold) return
    const [result] = await send(platform, this.tenant, [{ ...usageEvent(callId, hold.user, count, noon), call_id: callId }])
    expect(result.verdict).toBe(this.model.event(callId, hold.user, count, noon))
    this.model.holds.delete(callId)
    tried.settled += 1
  }

  private async release(pick: number): Promise<void> {
    const callId = [...this.model.holds.keys()][pick % Math.max(1, this.model.holds.size)] ?? "none"
    const { body } = await platform.ingest(this.tenant.ingestKey, { call_id: callId }, "/api/usage/release")
    expect(body).toEqual({ released: this.model.holds.delete(callId) })
  }

  private async adjust(row: number, cents: number): Promise<void> {
    const userId = row === 0 ? "" : (this.users[row - 1] as string)
    await adjust(platform, budgetOf(platform, this.tenant.id, userId).id, (cents / 100).toFixed(2))
    this.model.adjust(row === 0 ? this.model.tenant : (this.model.users.get(userId) as ModelBudget), cents * (EUR / 100))
  }

  private async sleep(days: number): Promise<void> {
    noon += days * DAY_MS
    await platform.restart({ clock: new Date(noon).toISOString() })
    this.model.reach(noon)
    await this.send(`wake${++serial}`, this.users[0] as string, 0, noon)
  }

  private async setStatus(status: string): Promise<void> {
    await platform.superuser.collection("tenants").update(this.tenant.id, { status })
    this.model.setActive(status === "active", noon)
  }

  private async changePlan(userId: string, plan: number): Promise<void> {
    await platform.superuser.collection("users").update(userId, { product_id: products[plan] })
    this.model.setSeat(userId, (PLANS[plan] as number) * EUR, noon)
  }

  private async crash(): Promise<void> {
    await platform.kill()
    await platform.restart({ clock: new Date(noon).toISOString() })
  }

  expectAgreement(after: Command): void {
    const now = new Date(noon).toISOString().replace("T", " ")
    const rows = platform.sql<Budget & { held: number }>(
      `SELECT b.*, (SELECT coalesce(sum(h.amount_nano), 0) FROM holds h WHERE h.tenant_id = b.tenant_id AND h.state = 'open'
         AND h.expires_at > ?) AS held FROM budgets b WHERE b.tenant_id = ?`,
      [now, this.tenant.id],
    )
    const stored = rows.map((row) => ({
      user: row.user_id,
      key: row.period_key,
      total: row.total_nano,
      used: row.used_nano,
    }))
    const expected = [["", this.model.tenant] as const, ...this.model.users].map(([id, row]) => ({
      user: id,
      key: this.model.key,
      total: row.total,
      used: row.used,
    }))
    const order = (a: { user: string }, b: { user: string }) => a.user.localeCompare(b.user)
    expect(stored.sort(order), `after ${JSON.stringify(after)}`).toEqual(expected.sort(order))
    expect(rows[0]?.held, `held after ${JSON.stringify(after)}`).toBe(this.model.heldNano())
  }
}

test(
  `${RUNS} random histories of ${COMMANDS} steps leave exactly what the model says, step by step`,
  async () => {
    const history = fc.array(anyCommand, { minLength: COMMANDS, maxLength: COMMANDS })
    await fc.assert(
      fc.asyncProperty(history, async (commands) => {
        const run = await Run.open()
        for (const command of commands) {
          await run.execute(command)
          run.expectAgreement(command)
        }
      }),
      { seed: 20261123, numRuns: RUNS, endOnFailure: true },
    )
  },
  LONG_MS,
)

test("the histories held, clamped, refused and settled", () => {
  for (const [what, times] of Object.entries(tried)) expect(times, what).toBeGreaterThan(0)
})

test("the books of all tenants are sound", () => expectSoundBooks(platform))
