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
 * a transaction and the connection is recycled when idle, so it is set before each one. NORMAL is what the host opens with.
 */
export function transaction<T>(work: (tx: Db) => T): T {
  if ($os.getenv("CF_SQLITE_SYNCHRONOUS") !== "NORMAL") $app.nonconcurrentDB().newQuery("PRAGMA synchronous=FULL").execute()
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

/** No id of this time or later is smaller. */
export function firstIdOf(ms: number): string {
  return ms.toString(36).padStart(8, "0")
}

/** Single ids of one VM and millisecond differ by this count: five random characters alone would collide in a large reset. */
let sequence = 0

export function newId(nowMs: number): string {
  sequence = (sequence + 1) % 1_296
  const random = $security.randomStringWithAlphabet(5, ID_ALPHABET)
  return nowMs.toString(36).padStart(8, "0") + sequence.toString(36).padStart(2, "0") + random
}
