/** SQL on PocketBase's connections. `Db` is `$app` outside and `tx` inside a transaction: never mix them (docs/jsvm.md). */

export type Db = Pick<core.App, "db">

type Params = Record<string, string | number | boolean>

/** Runs a SELECT whose single column is JSON text and parses it: far fewer crossings between Go and JS than row by row. */
export function selectJson<T>(db: Db, sql: string, params: Params = {}): T {
  const row = new DynamicModel({ j: "" })
  db.db().newQuery(sql).bind(params).one(row)
  return JSON.parse((row as unknown as { j: string }).j) as T
}

/** INSERT, UPDATE or DELETE (first word! the host routes by it). Answers how many rows changed. */
export function execute(db: Db, sql: string, params: Params = {}): number {
  return db.db().newQuery(sql).bind(params).execute().rowsAffected()
}

/**
 * One write transaction. With synchronous=FULL an acknowledged row survives a power cut; the pragma cannot change inside
 * a transaction and the connection is recycled when idle, so it is set before each one.
 */
export function transaction<T>(work: (tx: Db) => T, durable = true): T {
  const level = durable ? $os.getenv("CF_SQLITE_SYNCHRONOUS") || "FULL" : "NORMAL"
  $app
    .nonconcurrentDB()
    .newQuery(`PRAGMA synchronous=${level === "NORMAL" ? "NORMAL" : "FULL"}`)
    .execute()
  let result: T | undefined
  $app.runInTransaction((tx) => {
    result = work(tx)
  })
  return result as T
}

const ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

/** Ids that grow with time keep inserts at the end of the B-tree: 8 characters of time, 2 of sequence, 5 random. */
export function newIds(count: number, nowMs: number): string[] {
  const prefix = nowMs.toString(36).padStart(8, "0")
  const random = $security.randomStringWithAlphabet(5, ID_ALPHABET)
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(prefix + i.toString(36).padStart(2, "0") + random)
  return ids
}

export function newId(nowMs: number): string {
  return newIds(1, nowMs)[0] as string
}
