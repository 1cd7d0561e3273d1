/** How doctor asks: every check is one SELECT, so that it sees one snapshot even while the server is booking. */
import { selectJson } from "../../pocketbase/db"

/** What must hold, and a SELECT of one text column `line` that answers a line per row that breaks it. */
export interface Check {
  sql: string
}

export interface Finding {
  id: string
  outcome: "ok" | "broken" | "unchecked" | "not_applicable"
  /** What was found out, in words; for `broken` the number of rows. */
  summary: string
  /** The first rows that break it, with ids and numbers. */
  rows: string[]
}

export interface BrokenRows {
  count: number
  rows: string[]
}

/** More would bury the next invariant; the count says how many there are. */
export const SHOWN_ROWS = 20

/**
 * Lines are made in SQL: an amount beyond 2^53 would be rounded on its way through a JavaScript number. The statement
 * begins with SELECT because the host sends everything else to the connection that writes.
 */
export function brokenRows(check: Check): BrokenRows {
  return selectJson<BrokenRows>(
    $app,
    `SELECT json_object('count', count(*), 'rows', json_group_array(line) FILTER (WHERE position <= ${SHOWN_ROWS})) AS j
     FROM (SELECT line, row_number() OVER () AS position FROM (${check.sql}))`,
  )
}

export function findingOf(id: string, holds: string, found: BrokenRows): Finding {
  if (found.count === 0) return { id, outcome: "ok", summary: holds, rows: [] }
  return { id, outcome: "broken", summary: `${found.count} rows`, rows: found.rows.slice(0, SHOWN_ROWS) }
}

/** Runs the checks of one invariant. A check that cannot run must not hide what the others find. */
export function checkAll(id: string, holds: string, checks: Check[]): Finding {
  const total: BrokenRows = { count: 0, rows: [] }
  const failures: string[] = []
  for (const check of checks) {
    try {
      const found = brokenRows(check)
      total.count += found.count
      total.rows.push(...found.rows)
    } catch (error) {
      failures.push(String(error))
    }
  }
  if (total.count > 0) return findingOf(id, holds, { count: total.count, rows: [...failures, ...total.rows] })
  if (failures.length === 0) return findingOf(id, holds, total)
  return { id, outcome: "unchecked", summary: "could not be checked", rows: failures }
}
