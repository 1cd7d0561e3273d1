/** I10: the file itself, by SQLite's own word. */
import { brokenRows, type Finding, findingOf } from "./run-checks"

const INTEGRITY = "SELECT integrity_check AS line FROM pragma_integrity_check WHERE integrity_check != 'ok'"
const FOREIGN_KEYS = `SELECT 'table ' || "table" || ' row ' || coalesce(rowid, '?') || ' names a missing row of ' || parent AS line
  FROM pragma_foreign_key_check`

/** A file so damaged that SQLite gives up reading it is broken, not unchecked. */
export function checkIntegrity(): Finding {
  try {
    const found = brokenRows({ sql: `${INTEGRITY} UNION ALL ${FOREIGN_KEYS}` })
    return findingOf("I10", "integrity_check and foreign_key_check", found)
  } catch (error) {
    return { id: "I10", outcome: "broken", summary: "1 rows", rows: [String(error)] }
  }
}
