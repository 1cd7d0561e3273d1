/** I3: every event id that a sender saw acknowledged is in the books. */
import { selectJson } from "../../pocketbase/db"
import { type BrokenRows, type Finding, findingOf, SHOWN_ROWS } from "./run-checks"

const PAGE = 5_000

/** Without a tenant any tenant's row will do: the file then comes from a sender that knows only its own. */
const MISSING = `SELECT json_group_array(json(value)) AS j FROM json_each({:acked}) AS a WHERE CASE WHEN a.value ->> 0 = ''
  THEN NOT EXISTS (SELECT 1 FROM tenants t JOIN usage_logs u ON u.tenant_id = t.id AND u.event_id = a.value ->> 1)
  ELSE NOT EXISTS (SELECT 1 FROM usage_logs u WHERE u.tenant_id = a.value ->> 0 AND u.event_id = a.value ->> 1) END`

/** @param file one event a line: `event_id`, `tenant_id event_id`, or JSON (a string, or an object with these names) */
export function checkAcknowledged(file: string | undefined): Finding {
  if (file === undefined) return { id: "I3", outcome: "not_applicable", summary: "not checked (no --acked FILE)", rows: [] }
  try {
    const tenants = new Set(selectJson<string[]>($app, "SELECT json_group_array(id) AS j FROM tenants"))
    const acked = readEvents(file, tenants)
    const found: BrokenRows = { count: 0, rows: [] }
    for (let at = 0; at < acked.length; at += PAGE) {
      const missing = selectJson<[string, string][]>($app, MISSING, { acked: JSON.stringify(acked.slice(at, at + PAGE)) })
      found.count += missing.length
      const room = Math.max(0, SHOWN_ROWS - found.rows.length)
      for (const [tenant, event] of missing.slice(0, room)) {
        found.rows.push(`${tenant === "" ? "" : `tenant ${tenant} `}event ${event} was acknowledged and is missing`)
      }
    }
    return findingOf("I3", `all ${acked.length} acknowledged events exist`, found)
  } catch (error) {
    return { id: "I3", outcome: "unchecked", summary: "could not be checked", rows: [String(error)] }
  }
}

function readEvents(file: string, tenants: Set<string>): [string, string][] {
  const events: [string, string][] = []
  for (const line of toString($os.readFile(file)).split("\n")) {
    const text = line.trim()
    if (text !== "") events.push(readLine(text, tenants))
  }
  return events
}

/** Event ids may hold spaces, so a line is a pair only if its first word is a tenant of this folder. */
function readLine(text: string, tenants: Set<string>): [string, string] {
  if (text.startsWith("{")) {
    const { tenant_id, event_id } = JSON.parse(text) as { tenant_id?: string; event_id?: string }
    if (typeof event_id !== "string") throw new Error(`no event_id in ${text.slice(0, 200)}`)
    return [tenant_id ?? "", event_id]
  }
  if (text.startsWith('"')) return ["", JSON.parse(text) as string]
  const space = text.indexOf(" ")
  const tenant = text.slice(0, Math.max(0, space))
  return tenants.has(tenant) ? [tenant, text.slice(space + 1).trim()] : ["", text]
}
