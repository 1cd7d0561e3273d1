/** Keys that were made before keys had terms go on as they were: all models, their own line, and the limit they had. */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { ensurePocketBase } from "../../scripts/fetch-pocketbase.mjs"
import { querySql, root } from "../support/platform"

const FILE = "1795100100_extend_api_keys.js"
const MIGRATIONS = path.join(root, "pb_migrations")
const folder = mkdtempSync(path.join(tmpdir(), "cf-keys-"))
const dataDir = path.join(folder, "data")

beforeAll(async () => {
  const before = path.join(folder, "before")
  for (const name of readdirSync(MIGRATIONS)) if (name < FILE) cpSync(path.join(MIGRATIONS, name), path.join(before, name))
  await migrate(before)
  writeSql("INSERT INTO api_keys (id, tenant_id, user_id, key_hash, status) VALUES ('plain', 't', 'u', 'h1', 'active')")
  writeSql("INSERT INTO api_keys (id, tenant_id, user_id, key_hash, status) VALUES ('limited', 't', 'u', 'h2', 'revoked')")
  writeSql(`INSERT INTO budgets (id, scope, tenant_id, user_id, api_key_id, total_nano, allowance_nano, period_key)
    VALUES ('b', 'api_key', 't', 'u', 'limited', 7000000000, 5000000000, '2026-11-01')`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function migrate(migrationsDir: string): Promise<void> {
  const flags = ["--dir", dataDir, "--hooksDir", path.join(folder, "no-hooks"), "--migrationsDir", migrationsDir]
  execFileSync(await ensurePocketBase(() => undefined), ["migrate", "up", ...flags, "--dev=false", "--automigrate=false"])
}

function writeSql(statement: string): void {
  const script = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.execute(sys.argv[2])\nc.commit()"
  execFileSync("python3", ["-c", script, path.join(dataDir, "data.db"), statement])
}

test("old keys get all models, a line of their own and the limit of their budget", async () => {
  await migrate(MIGRATIONS)
  expect(
    querySql(
      dataDir,
      "SELECT id, status, key_hash, models, limit_nano, max_parallel, rotated_to, budget_key_id FROM api_keys ORDER BY id",
    ),
  ).toEqual([
    {
      ...{ id: "limited", status: "revoked", key_hash: "h2", models: '["*"]', limit_nano: 5_000_000_000 },
      ...{ max_parallel: 0, rotated_to: "", budget_key_id: "limited" },
    },
    {
      ...{ id: "plain", status: "active", key_hash: "h1", models: '["*"]', limit_nano: 0 },
      ...{ max_parallel: 0, rotated_to: "", budget_key_id: "plain" },
    },
  ])
})
