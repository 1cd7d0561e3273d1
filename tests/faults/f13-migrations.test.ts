/** F13: migrations go up on an empty folder, down and up again to the same schema, and a failing one changes nothing. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { ensurePocketBase } from "../../scripts/fetch-pocketbase.mjs"
import { type Platform, querySql, root, startPlatform } from "../support/platform"
import { expectSoundBooks, PRICE, send, usageEvent } from "./books"

const MIGRATIONS = path.join(root, "pb_migrations")
const ALL = readdirSync(MIGRATIONS)
  .filter((name) => name.endsWith(".js"))
  .sort()
const NEWEST = ALL.at(-1) as string
const folder = mkdtempSync(path.join(tmpdir(), "cf-migrate-"))

let platform: Platform

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices([PRICE])
  const tenant = await platform.createTenant()
  const user = await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct()).id })
  await send(platform, tenant, [
    usageEvent("before-1", user.id, 1_000, Date.now()),
    usageEvent("before-2", user.id, 2_000, Date.now()),
  ])
})
afterAll(async () => {
  await platform.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The command line of an operator: without hooks, so that only the migrations speak. */
async function migrate(dataDir: string, args: string[], migrationsDir = MIGRATIONS): Promise<{ code: number; output: string }> {
  const flags = ["--dir", dataDir, "--hooksDir", path.join(folder, "no-hooks"), "--migrationsDir", migrationsDir]
  const child = spawn(await ensurePocketBase(() => undefined), [
    "migrate",
    ...args,
    ...flags,
    "--dev=false",
    "--automigrate=false",
  ])
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
  child.stdin.end("y\n")
  const [code] = (await once(child, "close")) as [number]
  return { code, output }
}

interface SchemaObject {
  type: string
  name: string
  sql: string | null
}

function schemaOf(dataDir: string): SchemaObject[] {
  return querySql<SchemaObject>(dataDir, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
}

/** PocketBase's own description of the collections (rules, fields, ids), without its clock and the random ids of a view's fields. */
function collectionsOf(dataDir: string): unknown[] {
  const rows = querySql<{ fields: string }>(
    dataDir,
    `SELECT id, type, name, fields, indexes, "listRule", "viewRule", "createRule", "updateRule", "deleteRule"
    FROM _collections ORDER BY name`,
  )
  return rows.map((row) => ({ ...row, fields: row.fields.replace(/_clone_\w{4}/g, "_clone_") }))
}

/** Every row of every table that `names` lists, in the order of its rowid. */
function rowsOf(dataDir: string, names: string[]): Record<string, unknown[]> {
  return Object.fromEntries(names.map((name) => [name, querySql(dataDir, `SELECT * FROM "${name}" ORDER BY rowid`)]))
}

const appliedIn = (dataDir: string) =>
  querySql<{ file: string }>(dataDir, "SELECT file FROM _migrations WHERE file LIKE '%.js' ORDER BY file").map((row) => row.file)

test("up on an empty folder applies every migration, and a second up does nothing", async () => {
  const dataDir = path.join(folder, "empty")
  expect(await migrate(dataDir, ["up"])).toMatchObject({ code: 0 })
  expect(appliedIn(dataDir)).toEqual(ALL)
  const schema = schemaOf(dataDir)
  expect(await migrate(dataDir, ["up"])).toMatchObject({ code: 0 })
  expect(schemaOf(dataDir)).toEqual(schema)
  expect(schemaOf(platform.dataDir), "a start of the server makes the same schema").toEqual(schema)
})

test("all the way down leaves a bare PocketBase; up again gives the same schema", async () => {
  const [dataDir, bare, none] = ["round-trip", "bare", "no-migrations"].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  expect(await migrate(bare, ["up"], none)).toMatchObject({ code: 0 })
  expect(await migrate(dataDir, ["up"])).toMatchObject({ code: 0 })
  const before = { schema: schemaOf(dataDir), collections: collectionsOf(dataDir) }
  expect(await migrate(dataDir, ["down", String(ALL.length)])).toMatchObject({ code: 0 })
  expect(appliedIn(dataDir)).toEqual([])
  const names = (objects: SchemaObject[]) => objects.map((object) => `${object.type} ${object.name}`)
  expect(names(schemaOf(dataDir))).toEqual(names(schemaOf(bare)))
  expect(collectionsOf(dataDir).length).toBe(collectionsOf(bare).length)
  expect(await migrate(dataDir, ["up"])).toMatchObject({ code: 0 })
  expect({ schema: schemaOf(dataDir), collections: collectionsOf(dataDir) }).toEqual(before)
})

test("the newest migration goes down and up again without touching a row of any other table", async () => {
  const dataDir = path.join(folder, "with-data")
  cpSync(platform.dataDir, dataDir, { recursive: true })
  const before = schemaOf(dataDir)
  expect(await migrate(dataDir, ["down", "1"])).toMatchObject({ code: 0 })
  expect(appliedIn(dataDir)).toEqual(ALL.slice(0, -1))
  const kept = schemaOf(dataDir)
    .filter((object) => object.type === "table" && !/^(_|sqlite_)/.test(object.name))
    .map((object) => object.name)
  expect(kept).toEqual(expect.arrayContaining(["budgets", "ledger_entries", "usage_logs", "users", "credit_lots"]))
  expect(rowsOf(dataDir, kept)).toEqual(rowsOf(platform.dataDir, kept))
  expect(await migrate(dataDir, ["up"])).toMatchObject({ code: 0 })
  expect(schemaOf(dataDir)).toEqual(before)
  expect(rowsOf(dataDir, kept)).toEqual(rowsOf(platform.dataDir, kept))
})

const FAILING: [string, string][] = [
  [
    "throws after it has made a table",
    `migrate((app) => { app.db().newQuery("CREATE TABLE half (id TEXT)").execute(); throw new Error("no") }, () => {})`,
  ],
  [
    "breaks a constraint after it has changed money",
    `migrate((app) => {
    app.db().newQuery("UPDATE budgets SET used_nano = 0").execute()
    app.db().newQuery("DELETE FROM ledger_entries").execute()
  }, () => {})`,
  ],
  ["is no JavaScript", "migrate((app) => {"],
]

test.each(FAILING)("a migration that %s ends with an error code and changes nothing", async (name, source) => {
  const migrations = path.join(folder, `migrations ${name}`)
  const dataDir = path.join(folder, `data ${name}`)
  cpSync(MIGRATIONS, migrations, { recursive: true })
  cpSync(platform.dataDir, dataDir, { recursive: true })
  writeFileSync(path.join(migrations, `${Number.parseInt(NEWEST, 10) + 1}_fail.js`), source)
  const before = {
    schema: schemaOf(dataDir),
    rows: rowsOf(dataDir, ["budgets", "ledger_entries", "users"]),
    applied: appliedIn(dataDir),
  }
  const result = await migrate(dataDir, ["up"], migrations)
  expect(result.code, result.output).not.toBe(0)
  const after = {
    schema: schemaOf(dataDir),
    rows: rowsOf(dataDir, ["budgets", "ledger_entries", "users"]),
    applied: appliedIn(dataDir),
  }
  expect(after).toEqual(before)
})

test("the books are sound", () => expectSoundBooks(platform))
