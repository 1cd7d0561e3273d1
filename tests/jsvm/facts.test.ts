/** What the code takes for granted about its host. A fact with a test outlives an upgrade of PocketBase; see docs/jsvm.md. */
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { querySql } from "../support/platform"
import { type BareHost, startBareHost } from "./bare-host"

let host: BareHost

beforeAll(async () => {
  host = await startBareHost({ CF_TEST_VARIABLE: "here" })
})
afterAll(() => host.stop())

const unix = (wallClock: string, zone: string) =>
  host.run("return new DateTime(args[0], args[1]).unix() * 1000", [wallClock, zone])

describe("time", () => {
  const ZONES: [string, string, string, string][] = [
    ["Berlin in winter", "2026-01-01 00:00:00", "Europe/Berlin", "2025-12-31T23:00:00Z"],
    ["Berlin in summer", "2026-07-01 00:00:00", "Europe/Berlin", "2026-06-30T22:00:00Z"],
    ["Berlin on the night that loses an hour", "2027-03-28 00:00:00", "Europe/Berlin", "2027-03-27T23:00:00Z"],
    ["Berlin on the night that gains an hour", "2027-10-31 00:00:00", "Europe/Berlin", "2027-10-30T22:00:00Z"],
    ["Kathmandu", "2026-01-01 00:00:00", "Asia/Kathmandu", "2025-12-31T18:15:00Z"],
    ["an unknown zone is silently UTC", "2026-07-01 00:00:00", "Europe/Atlantis", "2026-07-01T00:00:00Z"],
    ["a midnight that the clock skips is told an hour early", "2027-03-14 00:00:00", "America/Havana", "2027-03-14T04:00:00Z"],
  ]
  test.each(ZONES)("%s", async (_, wallClock, zone, utc) => {
    expect(await unix(wallClock, zone)).toBe(Date.parse(utc))
  })

  test("Date.now and toISOString work in milliseconds of UTC", async () => {
    expect(await host.run("return new Date(1795000000123).toISOString()")).toBe("2026-11-18T11:06:40.123Z")
    expect(Math.abs(((await host.run("return Date.now()")) as number) - Date.now())).toBeLessThan(60_000)
  })
})

describe("the language", () => {
  const PRESENT = ["BigInt", "Promise", "Buffer", "process", "require", "Map", "Set"]
  const MISSING = ["Intl", "fetch", "setTimeout", "URL", "crypto", "TextEncoder", "structuredClone", "AbortController"]
  test.each(PRESENT)("%s exists", async (name) => expect(await host.run(`return typeof ${name}`)).not.toBe("undefined"))
  test.each(MISSING)("%s does not exist", async (name) => expect(await host.run(`return typeof ${name}`)).toBe("undefined"))

  test("BigInt calculates beyond 2^53", async () => {
    expect(await host.run("return (BigInt(1e9) * 1000000000000n + 1n).toString()")).toBe("1000000000000000000001")
  })

  const REFUSED = ['{"a":NaN}', '{"a":Infinity}', '{"a":1e309}', "{'a':1}", '{"a":1,}', ""]
  test.each(REFUSED)("JSON.parse refuses %s", async (text) => {
    expect(await host.run("return JSON.parse(args)", text)).toMatchObject({ error: expect.stringContaining("SyntaxError") })
  })
})

describe("environment and secrets", () => {
  test("a missing variable is an empty string, not undefined", async () => {
    expect(await host.run('return [$os.getenv("CF_TEST_VARIABLE"), $os.getenv("CF_NO_SUCH_VARIABLE")]')).toEqual(["here", ""])
  })

  test("an HMAC with an empty secret is signed without complaint", async () => {
    expect(await host.run('return $security.hs256("payload", "")')).toMatch(/^[0-9a-f]{64}$/)
  })

  test("what is encrypted opens under its key, not under another, and panics past every catch when it is shorter than a nonce", async () => {
    const decrypt = (text: string, key: string) => `$security.decrypt(${text}, "${key}".repeat(32))`
    const sealed = `$security.encrypt("schön", "${"a".repeat(32)}")`
    expect(await host.run(`return ${decrypt(sealed, "a")}`)).toBe("schön")
    expect(await host.run(`return ${decrypt(sealed, "b")}`)).toEqual({ error: expect.stringContaining("authentication failed") })
    const code = `try { return ${decrypt('"aaaa"', "a")} } catch { return "caught" }`
    expect(await host.post("/eval", { code, args: null })).toMatchObject({ status: 500 })
  })

  test("hashes are hex, and Buffer makes no base64url of them", async () => {
    expect(await host.run('return $security.sha256("abc")')).toMatch(/^[0-9a-f]{64}$/)
    expect(await host.run('return Buffer.from("ab", "hex").toString("base64url")')).toEqual({
      error: expect.stringContaining("base64url"),
    })
  })
})

describe("errors", () => {
  test("a plain Error that nobody catches answers 400, which senders take for their own fault", async () => {
    expect(await host.post("/throw")).toMatchObject({ status: 400 })
  })

  test("an async handler that throws answers 200 with nothing", async () => {
    expect(await host.post("/async")).toEqual({ status: 200, text: "" })
  })

  test("a handler that forgets to answer answers 200 with nothing", async () => {
    expect((await host.post("/forget")).text).toBe("")
  })
})

describe("virtual machines", () => {
  test("the state of a module belongs to one VM: parallel calls see different counts", async () => {
    const counts = await Promise.all(
      Array.from({ length: 12 }, () => host.post("/module", { ms: 300 }).then((answer) => Number(answer.text))),
    )
    expect(Math.max(...counts)).toBeLessThan(counts.length)
  })
})

const ONE = `const one = (sql) => { const row = new DynamicModel({ j: "" }); $app.db().newQuery(sql).one(row); return JSON.parse(row.j) };`

describe("the database", () => {
  beforeAll(async () => {
    await host.run('$app.db().newQuery("CREATE TABLE facts (id INTEGER PRIMARY KEY, n INTEGER)").execute()')
  })
  const add = (id: number) => `newQuery("INSERT INTO facts VALUES (${id}, 0)").execute()`
  const stored = () => querySql<{ id: number }>(host.dataDir, "SELECT id FROM facts ORDER BY id").map((row) => row.id)

  test("an exception rolls the transaction back and comes out of it with its text", async () => {
    const thrown = await host.run(`$app.runInTransaction((tx) => { tx.db().${add(1)}; throw new Error("stale facts") })`)
    expect(thrown).toMatchObject({ error: expect.stringContaining("stale facts") })
    expect(stored()).toEqual([])
  })

  test("an error caught inside a transaction commits what was written before it: there are no savepoints", async () => {
    await host.run(`$app.runInTransaction((tx) => {
      try { tx.runInTransaction((inner) => { inner.db().${add(2)}; throw new Error("inner") }) } catch (error) {}
      tx.db().${add(3)}
    })`)
    expect(stored()).toEqual([2, 3])
  })

  test("WITH … UPDATE does not run on the writer's connection; INSERT, UPDATE and DELETE do", async () => {
    // A temporary table exists on one connection only: whoever does not know it is not the writer.
    await host.run('$app.nonconcurrentDB().newQuery("CREATE TEMP TABLE of_writer AS SELECT 1 AS id, 0 AS n").execute()')
    const common = await host.run(
      '$app.db().newQuery("WITH d AS (SELECT 1 AS id) UPDATE of_writer SET n = 1 WHERE id IN (SELECT id FROM d)").execute()',
    )
    expect(common).toMatchObject({ error: expect.stringContaining("no such table") })
    const from = "UPDATE of_writer SET n = 1 FROM (SELECT 1 AS id) AS d WHERE of_writer.id = d.id"
    expect(await host.run("return $app.db().newQuery(args).execute().rowsAffected()", from)).toBe(1)
  })

  test("integers up to 2^53 go in and out exactly, as parameters, as JSON and in sums", async () => {
    const max = Number.MAX_SAFE_INTEGER
    await host.run('$app.db().newQuery("INSERT INTO facts VALUES (9, {:n})").bind({ n: args }).execute()', max)
    expect(querySql(host.dataDir, "SELECT CAST(n AS TEXT) AS n FROM facts WHERE id = 9")).toEqual([{ n: String(max) }])
    expect(await host.run(`${ONE} return one("SELECT json_array(n) AS j FROM facts WHERE id = 9")[0]`)).toBe(max)
    const beyond = `SELECT json_array(CAST(value ->> 1 AS TEXT)) AS j FROM json_each('[["a",9007199254740993]]')`
    expect(await host.run(`${ONE} return one(args)`, beyond)).toEqual(["9007199254740993"])
  })

  test("nothing found is an exception and not null", async () => {
    expect(await host.run('return $app.findFirstRecordByData("tenants", "slug", "nobody")')).toMatchObject({
      error: expect.stringContaining("no rows"),
    })
  })

  test("triggers survive that a collection gets another column, and still work", async () => {
    const triggers = () => querySql(host.dataDir, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    const before = triggers()
    expect(before.length).toBeGreaterThan(8)
    const added = await host.run(`for (const name of ["budgets", "users", "usage_logs", "ledger_entries"]) {
      const collection = $app.findCollectionByNameOrId(name)
      collection.fields.add(new TextField({ name: "added_later" }))
      $app.save(collection)
    }`)
    expect(added).toBeUndefined()
    expect(triggers()).toEqual(before)
    await host.run(`$app.db().newQuery("INSERT INTO audit_log (id, actor, action) VALUES ('a', 'b', 'c')").execute()`)
    expect(await host.run(`$app.db().newQuery("UPDATE audit_log SET actor = 'forged'").execute()`)).toMatchObject({
      error: expect.stringContaining("append-only"),
    })
  })

  test("synchronous can be raised on the writer before a transaction and holds inside it", async () => {
    const level = await host.run(`
      $app.nonconcurrentDB().newQuery("PRAGMA synchronous=FULL").execute()
      let level
      $app.runInTransaction((tx) => { const row = new DynamicModel({ synchronous: 0 }); tx.db().newQuery("PRAGMA synchronous").one(row); level = row.synchronous })
      return level`)
    expect(level).toBe(2)
  })
})
