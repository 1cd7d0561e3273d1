/** No hot statement may walk through a big table. Asked of PocketBase's own SQLite, on an empty folder and on a full one. */
import path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { root } from "../support/platform"
import { type BareHost, startBareHost } from "./bare-host"

const BIG = [
  "usage_logs",
  "ledger_entries",
  "users",
  "budgets",
  "credit_lots",
  "model_prices",
  "ingest_keys",
  "api_keys",
  "holds",
  "refusals",
  "chat_accounts",
  "oauth_codes",
  "oauth_tokens",
  "outbox",
]

/** Walks that are meant: a partial index that holds only the open cases, or the whole price book for an unknown model. */
const JUSTIFIED: Record<string, RegExp> = {
  QUARANTINED_MODELS: /^SCAN u USING INDEX idx_usage_logs_quarantined$/,
  WHOLE_BOOK: /^SCAN m$/,
  EXPIRE_HOLDS: /^SCAN holds USING (COVERING )?INDEX idx_holds_open$/,
}

type Statements = Record<string, string> & {
  summarySql(group: string, by: string, oneUser: boolean): string
  gateFactsSql(withKey: boolean): string
  placeHoldSql(hold: object, guard: object, takeUp: boolean): string
}

/** Loaded by name and not imported: the stores speak to the host, whose types the tests' tsconfig does not have. */
async function statements(store: string): Promise<Statements> {
  return (await import(pathToFileURL(path.join(root, `hooks-src/pocketbase/stores/${store}.ts`)).href)) as Statements
}

const HOT: [string, string[]][] = [
  ["ingest-keys", ["FIND_BY_HASH"]],
  ["ingest-facts", ["INGEST_FACTS"]],
  ["usage-logs", ["INSERT_USAGE", "EXISTING_EVENTS", "QUARANTINED", "QUARANTINED_MODELS"]],
  ["model-prices", ["VERSIONS_OF_MODELS", "WHOLE_BOOK"]],
  ["budgets", ["ADD_USED", "TENANT_BUDGETS", "TENANT_BUDGET", "USER_BUDGETS", "DUE_TENANTS"]],
  ["credit-lots", ["LOTS_OF_BUDGET", "BUDGETS_WITH_DUE_LOTS"]],
  ["ledger-entries", ["EXPIRED_IN_PERIOD"]],
  ["seats", ["SEATS_OF_TENANT"]],
  ["tenant-stacks", ["FIND_STACK_BY_SLUG"]],
  ["oauth-codes", ["FIND_CODE"]],
  ["oauth-tokens", ["FIND_TOKEN"]],
  ["outbox", ["LEASE_NEXT"]],
  ["gate-facts", ["KEY_IDENTITY", "CHAT_IDENTITY", "EMAIL_IDENTITY", "TENANT_LANGUAGE"]],
  ["holds", ["SETTLE_HOLDS", "EXPIRE_HOLDS", "PRUNE_HOLDS", "HELD_BY_BUDGET"]],
  ["refusals", ["NOTE_REFUSAL", "REFUSAL_OF_MINUTE", "PRUNE_REFUSALS"]],
  ["stack-facts", ["PRODUCT_MODELS"]],
  ["api-keys", ["LINE_LIMITS", "USAGE_OF_LINE"]],
  ["usage-summary", ["DAILY_COSTS_OF_LINE"]],
]
const SUMMARIES = ["day", "model", "user", "total"].flatMap((group) =>
  (["period", "time"] as const).flatMap((by) =>
    [true, false].map((oneUser) => [`${group} by ${by}${oneUser ? " of one user" : ""}`, group, by, oneUser] as const),
  ),
)

/** Values that fit every statement; the plan depends on them only as far as statistics do. */
const PARAMS: Record<string, string | number> = {
  after: 0,
  hash: "0",
  slug: "t1",
  leasedUntil: "2026-11-23 10:02:00.000Z",
  skippedTenants: '["tenant000000002"]',
  tenantId: "tenant000000001",
  userId: "user00000000001",
  userIds: '["user00000000001"]',
  keyIds: '["key"]',
  keyHashes: '["0"]',
  rows: "[]",
  ids: '["event-1"]',
  models: '["gpt-4o"]',
  now: "2026-11-23 10:00:00.000Z",
  charges: '[["budget",1]]',
  periodKey: "2026-11-01",
  period: "2026-11-01",
  budgetId: "budget",
  line: "key",
  budgetRow: 1,
  keyId: "key",
  apiKeyId: "key",
  callId: "call-1",
  chatUserId: "chat",
  email: "u1@example.com",
  id: "hold",
  model: "gpt-4o",
  purpose: "user",
  amountNano: 1,
  tokensInput: 1,
  maxTokens: 1,
  clamped: 0,
  expiresAt: "2026-11-23 10:10:00.000Z",
  minuteAgo: "2026-11-23 09:59:00.000Z",
  beforeId: "mt000000",
  tenantBudget: "budget",
  userBudget: "budget",
  keyBudget: "budget",
  budgetIds: '["budget"]',
  rateLimit: 1,
  userParallel: 1,
  keyParallel: 1,
  calls: '[["hold","call-1","event-1"]]',
  code: "budget_exhausted",
  scope: "user",
  minute: "2026-11-23 10:00",
  limitValue: 1,
  usedValue: 1,
  heldValue: 1,
  neededNano: 1,
  resetsAt: "",
  message: "no",
  from: "2026-11-01 00:00:00.000Z",
  to: "2026-12-01 00:00:00.000Z",
}

/** 20 tenants, 4,000 users with budgets, 60,000 usage rows: enough for statistics to matter. */
const FILL = [
  "INSERT INTO tenants (id, name, slug) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19) SELECT printf('tenant%09d', i), 'T', 't' || i FROM n",
  `INSERT INTO users (id, tenant_id, tokenKey, email) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3999)
   SELECT printf('user%011d', i), printf('tenant%09d', i % 20), 'k' || i, 'u' || i || '@example.com' FROM n`,
  `INSERT INTO budgets (id, scope, tenant_id, user_id, period_key, resets_at) SELECT 'b' || substr(id, 2), 'user', tenant_id, id, '2026-11-01', '2026-12-01' FROM users`,
  "INSERT INTO budgets (id, scope, tenant_id, period_key, resets_at) SELECT 'B' || substr(id, 2), 'tenant', id, '2026-11-01', '2026-12-01' FROM tenants",
  `INSERT INTO usage_logs (id, tenant_id, user_id, model, event_id, timestamp, period_key, price_status, corrects, cost_nano, created)
   WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59999) SELECT printf('row%012d', i), printf('tenant%09d', i % 20),
   printf('user%011d', i % 4000), 'model-' || (i % 30), 'event-' || i, printf('2026-%02d-%02d 10:00:00.000Z', 9 + i % 3, 1 + i % 28),
   printf('2026-%02d-01', 9 + i % 3), CASE i % 500 WHEN 0 THEN 'quarantined' ELSE 'priced' END, '', i, '' FROM n`,
  `INSERT INTO ledger_entries (id, budget_id, tenant_id, kind, ref, period_key) SELECT 'l' || substr(id, 2), id, tenant_id, 'reset', id, period_key FROM budgets`,
  `INSERT INTO credit_lots (id, budget_id, tenant_id, source_ref, state, expires_at) SELECT 'c' || substr(id, 2), id, tenant_id, id, 'open', '2026-12-01' FROM budgets`,
  `INSERT INTO holds (id, tenant_id, user_id, call_id, key_budget_id, amount_nano, state, expires_at, created)
   WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59999) SELECT printf('hold%011d', i), printf('tenant%09d', i % 20),
   printf('user%011d', i % 4000), 'call-' || i, '', i, CASE i % 500 WHEN 0 THEN 'open' ELSE 'settled' END,
   printf('2026-%02d-%02d 10:10:00.000Z', 9 + i % 3, 1 + i % 28), printf('2026-%02d-%02d 10:00:00.000Z', 9 + i % 3, 1 + i % 28) FROM n`,
  `INSERT INTO refusals (id, tenant_id, user_id, api_key_id, model, code, minute, created) SELECT 'r' || substr(id, 2), tenant_id, user_id, '',
   'gpt-4o', 'budget_exhausted', created, created FROM holds WHERE true ON CONFLICT DO NOTHING`,
  "INSERT INTO chat_accounts (id, tenant_id, user_id, chat_user_id, state) SELECT 'a' || substr(id, 2), tenant_id, id, id, 'active' FROM users",
  "INSERT INTO oauth_codes (id, code_hash, tenant_id, user_id, expires_at) SELECT 'o' || substr(id, 2), id, tenant_id, id, '2026-12-01' FROM users",
  "INSERT INTO oauth_tokens (id, token_hash, tenant_id, user_id, expires_at) SELECT 't' || substr(id, 2), id, tenant_id, id, '2026-12-01' FROM users",
  `INSERT INTO outbox (id, dedupe_key, tenant_id, state, next_attempt_at, leased_until, payload) SELECT 'm' || substr(id, 2), id, tenant_id,
   CASE WHEN id LIKE '%00' THEN 'pending' ELSE 'delivered' END, '2026-11-01', '', '{}' FROM users`,
  "ANALYZE",
]

let host: BareHost

beforeAll(async () => {
  host = await startBareHost()
})
afterAll(() => host.stop())

async function planOf(sql: string): Promise<string[]> {
  const plan = await host.run(
    `const rows = arrayOf(new DynamicModel({ detail: "" }))
    const params = {}
    for (const name in args.params) if (args.sql.includes("{:" + name + "}")) params[name] = args.params[name]
    $app.db().newQuery("EXPLAIN QUERY PLAN " + args.sql).bind(params).all(rows)
    return rows.map((row) => row.detail)`,
    { sql, params: PARAMS },
  )
  expect(plan, sql).toBeInstanceOf(Array)
  return plan as string[]
}

/** Steps that walk a table or index which is neither a small one nor a list that we passed in as JSON. */
function walks(plan: string[], sql: string): string[] {
  const aliases = new Map(BIG.map((name) => [name, name]))
  for (const [, table, alias] of sql.matchAll(/(?:FROM|JOIN) (\w+) (?:AS )?(\w+)/g)) {
    if (table && alias && BIG.includes(table) && !/^(WHERE|LEFT|JOIN|ON|ORDER|GROUP|SET)$/.test(alias)) aliases.set(alias, table)
  }
  return plan.filter((step) => aliases.has(/^SCAN (\w+)/.exec(step)?.[1] ?? ""))
}

async function expectNoWalk(name: string, sql: string): Promise<void> {
  const found = walks(await planOf(sql), sql).filter((step) => !JUSTIFIED[name]?.test(step))
  expect(found, name).toEqual([])
}

describe.each(["an empty data folder", "a full one with statistics"])("on %s", (folder) => {
  beforeAll(async () => {
    if (folder === "an empty data folder") return
    for (const sql of FILL) expect(await host.run("$app.nonconcurrentDB().newQuery(args).execute()", sql), sql).toBeUndefined()
  })

  test.each(HOT.flatMap(([store, names]) => names.map((name) => [name, store] as const)))(
    "%s finds its rows by an index",
    async (name, store) => {
      await expectNoWalk(name, (await statements(store))[name] as string)
    },
  )

  test.each(SUMMARIES)("a summary of %s finds its rows by an index", async (name, group, by, oneUser) => {
    const { summarySql } = await statements("usage-summary")
    await expectNoWalk(name, summarySql(group, by, oneUser))
  })

  test.each([true, false])("the facts of a call are found by an index (with a key: %s)", async (withKey) => {
    const { gateFactsSql } = await statements("gate-facts")
    await expectNoWalk("GATE_FACTS", gateFactsSql(withKey))
    // Not even through one tenant's rows: a tenant may have thousands of budgets, and this is asked before every call.
    expect(await planOf(gateFactsSql(withKey))).not.toContainEqual(expect.stringMatching(/\(tenant_id=\?\)/))
  })

  test.each([true, false])(
    "placing a hold finds its rows by an index, with every condition (takes up an expired one: %s)",
    async (takeUp) => {
      const { placeHoldSql } = await statements("holds")
      await expectNoWalk("PLACE_HOLD", placeHoldSql({ amountNano: 1 }, PARAMS, takeUp))
    },
  )

  test("settling looks each hold up instead of walking through all of a tenant", async () => {
    const plan = await planOf((await statements("holds")).SETTLE_HOLDS as string)
    expect(plan).toContainEqual(expect.stringMatching(/^SEARCH holds USING INDEX \S+ \(id=\?\)$/))
  })
})

test("the check itself sees a walk", async () => {
  const sql = "SELECT count(*) FROM usage_logs AS u WHERE u.characters = 1"
  expect(walks(await planOf(sql), sql)).toHaveLength(1)
})
