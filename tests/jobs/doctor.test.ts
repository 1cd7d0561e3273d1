import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Platform, querySql, runDoctor, seedPrices, startPlatform, type Tenant } from "../support/platform"

let books: string
let scratch: string
let acked: string
let first: Tenant
let second: Tenant
let gated: Tenant
let userId: string
let otherUserId: string
let gatedUserId: string

/** A call at a time in November or December 2026, the two periods that the folder knows. */
function event(id: string, timestamp: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...{ event_id: id, user_id: userId, model: "gpt-4o", provider: "openai", tokens_input: 10_000, tokens_cache_read: 4_000 },
    ...{ tokens_output: 2_001, status: "success", timestamp, ...more },
  }
}

async function send(platform: Platform, tenant: Tenant, ...events: Record<string, unknown>[]): Promise<void> {
  const answer = await platform.ingest(tenant.ingestKey, { events })
  expect(answer.status).toBe(200)
  const verdicts = answer.body.results.map((result: { verdict: string }) => result.verdict)
  for (const verdict of verdicts) expect(["accepted", "quarantined"]).toContain(verdict)
}

async function adjust(platform: Platform, scope: string, amount: string, more: Record<string, unknown> = {}): Promise<void> {
  const [budget] = platform.sql<{ id: string }>("SELECT id FROM budgets WHERE tenant_id = ? AND scope = ?", [first.id, scope])
  const answer = await platform.asSuperuser("POST", `/api/budgets/${budget?.id}/adjust`, { amount, reason: "test", ...more })
  expect(answer.body).toMatchObject({ amount: expect.any(String) })
}

/** Two tenants and every kind of movement: carry-over, debt, forgiven overrun, late usage, expired lot, correction. */
async function writeBooks(platform: Platform): Promise<void> {
  await platform.publishPrices(seedPrices("gpt-4o"))
  first = await platform.createTenant()
  second = await platform.createTenant()
  const product = await platform.createProduct({ budget_included: 10 })
  userId = (await platform.createUser({ tenant_id: first.id, product_id: product.id })).id
  otherUserId = (await platform.createUser({ tenant_id: second.id, product_id: product.id })).id
  await send(platform, first, event("plain", "2026-11-20T10:00:00Z"), event("late-1", "2026-10-30T10:00:00Z"))
  await send(platform, first, event("nobody", "2026-11-20T11:00:00Z", { user_id: "who is this" }))
  await send(platform, first, event("cached", "2026-11-20T12:00:00Z", { cache_hit: true }))
  await send(platform, first, event("unpriced", "2026-11-20T12:00:00Z", { model: "gpt-4o-mini" }))
  await adjust(platform, "tenant", "25.5", { idempotency_key: "bought" })
  await adjust(platform, "tenant", "-1.25")
  await adjust(platform, "user", "3")
  await adjust(platform, "user", "4", { expires: "2026-11-22T00:00:00Z" })
  await send(platform, second, event("debt", "2026-11-20T10:00:00Z", { user_id: otherUserId, tokens_input: 9_000_000 }))
  await platform.publishPrices(seedPrices("gpt-4o-mini"))
  await platform.restart({ clock: "2026-12-03T12:00:00Z" })
  await send(platform, first, event("december", "2026-12-03T10:00:00Z"), event("late-2", "2026-11-29T10:00:00Z"))
  const seat = await platform.createUser({ tenant_id: first.id, product_id: product.id })
  const dearer = await platform.createProduct({ budget_included: 30 })
  await platform.superuser.collection("users").update(seat.id, { product_id: dearer.id })
  await writeGatedBooks(platform, product.id)
  await send(platform, second, event("late-3", "2026-11-29T10:00:00Z", { user_id: otherUserId, aborted: true }))
}

/** A tenant whose calls are authorized: all of its 10 EUR but 0.34 used as held, then 0.552 EUR on a hold of 0.0276, one call open. */
async function writeGatedBooks(platform: Platform, productId: string): Promise<void> {
  gated = await platform.createTenant()
  gatedUserId = (await platform.createUser({ tenant_id: gated.id, product_id: productId })).id
  const run = async (name: string, estimate: number, tokens: number | null) => {
    const question = { call_id: name, user_id: gatedUserId, model: "gpt-4o", tokens_input_estimate: estimate, max_tokens: 0 }
    const answer = await platform.ingest(gated.ingestKey, question, "/api/usage/authorize")
    expect(answer.body).toMatchObject({ allowed: true })
    const counts = { tokens_input: tokens, tokens_cache_read: 0, tokens_output: 0, call_id: name, user_id: gatedUserId }
    if (tokens !== null) await send(platform, gated, event(name, "2026-12-03T11:00:00Z", counts))
  }
  await run("as-held", 3_500_000, 3_500_000)
  await run("running", 10, null)
  await run("beyond-its-hold", 10_000, 200_000)
}

beforeAll(async () => {
  scratch = mkdtempSync(path.join(tmpdir(), "cf-doctor-test-"))
  execFileSync("npx", ["tsx", "build.ts"], { stdio: "ignore" })
  const platform = await startPlatform({ clock: "2026-11-21T12:00:00Z" })
  await writeBooks(platform)
  const whileRunning = await platform.doctor()
  expect(whileRunning.output).toContain("all invariants hold")
  await platform.restart()
  books = path.join(scratch, "books")
  await platform.kill()
  cpSync(platform.dataDir, books, { recursive: true })
  await platform.stop()
  acked = path.join(scratch, "acked")
  writeFileSync(acked, `plain\n${first.id} december\n${second.id} late-3\n{"tenant_id":"${first.id}","event_id":"late-2"}\n`)
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const DROP_ALL = "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'"

/** Changes a copy of the folder by Python's SQLite with all triggers dropped: what our own code would never do. */
function damaged(statements: string[]): string {
  const copy = mkdtempSync(path.join(scratch, "copy-"))
  cpSync(books, copy, { recursive: true })
  const script = `import json,sqlite3,sys
c=sqlite3.connect(sys.argv[1])
for (drop,) in c.execute(sys.argv[2]).fetchall(): c.execute(drop)
for s in json.loads(sys.argv[3]):
  n=c.execute(s).rowcount
  assert n != 0, "changed nothing: "+s
c.commit()`
  execFileSync("python3", ["-c", script, path.join(copy, "data.db"), DROP_ALL, JSON.stringify(statements)])
  return copy
}

const copyOf = (table: string, where: string, changes: Record<string, string>) => {
  const columns = querySql<{ name: string }>(books, `SELECT name FROM pragma_table_info('${table}')`).map(({ name }) => name)
  const quoted = columns.map((name) => `"${name}"`)
  return `INSERT INTO ${table} (${quoted}) SELECT ${columns.map((name, i) => changes[name] ?? quoted[i])} FROM ${table} WHERE ${where} LIMIT 1`
}

describe("doctor on a folder with every kind of movement", () => {
  it("finds nothing, also with the acknowledged ids", async () => {
    const { code, output } = await runDoctor(books, ["--acked", acked])
    expect(output.trim().split("\n").at(-1)).toBe("all invariants hold")
    for (const id of ["I1", "I2", "I3", "I4", "I5", "I8", "I9", "I10", "PRICE", "PERIOD"])
      expect(output).toMatch(new RegExp(`^${id} ok `, "m"))
    expect(code).toBe(0)
  })

  it("holds every kind of movement that it is to be tried on", () => {
    const kinds = querySql<{ kind: string; ref: string }>(books, "SELECT kind, ref FROM ledger_entries")
    for (const kind of ["grant", "reset", "expiry", "carry_over", "late_usage", "adjustment"])
      expect(kinds.map((row) => row.kind)).toContain(kind)
    expect(kinds.filter((row) => row.ref.endsWith(":forgiven"))).not.toEqual([])
    expect(kinds.filter((row) => row.ref.endsWith(":charge"))).not.toEqual([])
    expect(querySql(books, "SELECT 1 FROM usage_logs WHERE price_status = 'corrected'")).toHaveLength(1)
  })

  it("says so when it was given no acknowledged ids", async () => {
    const { code, output } = await runDoctor(books)
    expect(output).toContain("I3 not checked (no --acked FILE)\n")
    expect(code).toBe(0)
  })

  it("answers 2 for a folder that is not ours, and for a list it cannot read", async () => {
    const foreign = damaged(["DROP TABLE credit_lots"])
    expect(await runDoctor(foreign)).toMatchObject({ code: 2, output: expect.stringContaining("no table credit_lots") })
    expect(await runDoctor(books, ["--acked", path.join(scratch, "nowhere")])).toMatchObject({
      code: 2,
      output: expect.stringMatching(/^I3 could not/m),
    })
  })
})

interface Damage {
  name: string
  statements: () => string[]
  /** Each is broken, and says this. */
  expected: () => Record<string, string>
  args?: () => string[]
}

const PROJECT =
  "UPDATE users SET budget_used = b.used_nano / 1e9, budget_remaining = (b.total_nano - b.used_nano) / 1e9 FROM budgets b WHERE b.user_id = users.id"
const COPIED = { id: "'copied000000000'" }
const DAMAGES: Damage[] = [
  {
    name: "cost and cost_total are raised on row, budgets and projection alike",
    statements: () => [
      "UPDATE usage_logs SET cost_nano = cost_nano + 7, cost_total = (cost_nano + 7) / 1e9 WHERE event_id = 'december'",
      `UPDATE budgets SET used_nano = used_nano + 7 WHERE tenant_id = '${first.id}'`,
      PROJECT,
    ],
    expected: () => ({ PRICE: "event december" }),
  },
  {
    name: "a correction names an event of nobody",
    statements: () => ["UPDATE usage_logs SET corrects = 'gone' WHERE event_id = 'unpriced~1'"],
    expected: () => ({ I2: "event unpriced~1 corrects gone: no such event" }),
  },
  {
    name: "an event is there twice",
    statements: () => ["DROP INDEX idx_usage_logs_event", copyOf("usage_logs", "event_id = 'cached'", COPIED)],
    expected: () => ({ I2: "event cached: 2 rows" }),
  },
  {
    name: "an adjustment's ledger row is deleted",
    statements: () => ["DELETE FROM ledger_entries WHERE kind = 'adjustment' AND ref LIKE '%:bought'"],
    expected: () => ({ I1: "off by -25500000000", I4: ":bought: no ledger entry" }),
  },
  {
    name: "used_nano is changed (the projection follows by hand)",
    statements: () => [`UPDATE budgets SET used_nano = used_nano - 5 WHERE user_id = '${userId}'`, PROJECT],
    expected: () => ({ I1: "off by -5" }),
  },
  {
    name: "the projection shows something else",
    statements: () => [`UPDATE users SET budget_remaining = 999 WHERE id = '${userId}'`],
    expected: () => ({ I1: `user ${userId} budget` }),
  },
  {
    name: "an acknowledged usage row is gone",
    statements: () => ["DELETE FROM usage_logs WHERE event_id = 'plain'"],
    expected: () => ({ I1: "closed period 2026-11-01", I3: "event plain was acknowledged and is missing" }),
    args: () => ["--acked", acked],
  },
  {
    name: "a period is reset twice",
    statements: () => [copyOf("ledger_entries", "kind = 'reset'", { ...COPIED, ref: "'again'", amount_nano: "0" })],
    expected: () => ({ I8: "2 resets" }),
  },
  {
    name: "usage is booked to a user of another tenant",
    statements: () => [`UPDATE usage_logs SET user_id = '${otherUserId}' WHERE event_id = 'late-1'`],
    expected: () => ({ I9: `user ${otherUserId} is of tenant ${second.id}` }),
  },
  {
    name: "a lot has no entry, and brings what nobody granted",
    statements: () => [copyOf("credit_lots", "kind = 'credit'", { ...COPIED, source_ref: "'from nowhere'" })],
    expected: () => ({ I4: "lot copied000000000" }),
  },
  {
    name: "an open lot holds more than the total",
    statements: () => ["UPDATE credit_lots SET open_nano = open_nano + 1 WHERE source_ref LIKE '%:bought'"],
    expected: () => ({ I4: "is unexplained" }),
  },
  {
    name: "an adjustment has no audit line",
    statements: () => ["DELETE FROM audit_log WHERE ref LIKE '%:bought'"],
    expected: () => ({ I4: ":bought of budget" }),
  },
  {
    name: "a carry-over arrives smaller than it left",
    statements: () => ["UPDATE ledger_entries SET amount_nano = amount_nano - 3 WHERE ref LIKE '%:in' AND amount_nano > 0"],
    expected: () => ({ I4: "carry_over out of 2026-11-01: in and out differ by -3" }),
  },
  {
    name: "late usage is charged less than its excess",
    statements: () => ["UPDATE ledger_entries SET amount_nano = amount_nano + 2 WHERE ref LIKE '%:charge'"],
    expected: () => ({ I4: "excess and charge differ by 2" }),
  },
  {
    name: "a budget stayed behind in another period",
    statements: () => [`UPDATE budgets SET period_key = '2026-11-01' WHERE user_id = '${userId}'`],
    expected: () => ({ PERIOD: "2026-12-01", I1: "off by" }),
  },
  {
    name: "a budget is overdrawn although everything was held for",
    statements: () => ["UPDATE holds SET amount_nano = 552000000 WHERE call_id = 'beyond-its-hold'"],
    expected: () => ({ I5: "overdrawn by 212000000, calls cost 0 beyond their holds, lowered by 0" }),
  },
  {
    name: "a budget is lower than what its calls could have overdrawn",
    statements: () => [
      `UPDATE budgets SET total_nano = total_nano - 400000000 WHERE tenant_id = '${gated.id}' AND scope = 'user'`,
    ],
    expected: () => ({ I5: "overdrawn by 612000000, calls cost 524400000 beyond their holds", I1: "off by" }),
  },
  {
    name: "a hold was settled by an event that is not there",
    statements: () => ["UPDATE holds SET settled_by = 'nowhere' WHERE call_id = 'as-held'"],
    expected: () => ({ I5: "call as-held: settled by nowhere, no such event" }),
  },
  {
    name: "money is held for somebody of another tenant",
    statements: () => [`UPDATE holds SET user_id = '${otherUserId}' WHERE call_id = 'running'`],
    expected: () => ({ I5: `there is no user ${otherUserId} in tenant ${gated.id}` }),
  },
  {
    name: "a hold brings money",
    statements: () => ["UPDATE holds SET amount_nano = -1 WHERE call_id = 'running'"],
    expected: () => ({ I5: "call running: amount_nano -1 is no integer of 0 or more" }),
  },
  {
    name: "a hold is no whole number",
    statements: () => ["UPDATE holds SET amount_nano = 0.5 WHERE call_id = 'running'"],
    expected: () => ({ I5: "amount_nano 0.5 is no integer" }),
  },
  {
    name: "an index has lost its rows",
    statements: () => [
      "PRAGMA writable_schema = ON",
      "UPDATE sqlite_master SET sql = replace(sql, 'user_id', 'tenant_id') WHERE name = 'idx_ledger_entries_user'",
    ],
    expected: () => ({ I10: "idx_ledger_entries_user" }),
  },
]

describe("doctor is content", () => {
  it.each<[string, () => string[]]>([
    [
      "with an overdrawn budget whose hold had expired before the event came",
      () => [
        "UPDATE holds SET amount_nano = 552000000, expires_at = '2026-12-03 10:00:00.000Z' WHERE call_id = 'beyond-its-hold'",
      ],
    ],
    ["with a call whose hold nobody settled", () => ["UPDATE holds SET state = 'expired' WHERE call_id = 'running'"]],
  ])("%s", async (_name, statements) => {
    const { code, output } = await runDoctor(damaged(statements()))
    expect(`${output}\nexit code ${code}`).toMatch(/all invariants hold\n+exit code 0$/)
  })
})

describe("doctor names the invariant and the row", () => {
  it.each(DAMAGES)("when $name", async ({ statements, expected, args }) => {
    const { code, output } = await runDoctor(damaged(statements()), args?.() ?? [])
    expect(code, output).toBe(1)
    for (const [id, text] of Object.entries(expected())) {
      const section = new RegExp(`^${id} BROKEN \\d+ rows\\n((?:  .*\\n)+)`, "m").exec(output)
      expect(section?.[1] ?? "", output).toContain(text)
    }
    expect(output).toMatch(new RegExp(`^broken: .*${Object.keys(expected())[0]}`, "m"))
  })
})
