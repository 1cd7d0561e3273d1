import { selectJson } from "../../pocketbase/db"

/** Whoever has ledger or usage rows is kept: suspend instead. The law asks for the books, and doctor for their owner. */
export function refuseBookedDelete(e: core.RecordEvent): void {
  const record = e.record as core.Record
  const column = record.collection().name === "tenants" ? "tenant_id" : "user_id"
  const [booked] = selectJson<[number]>(
    e.app,
    `SELECT json_array((SELECT count(*) FROM (SELECT 1 FROM usage_logs WHERE ${column} = {:id} LIMIT 1))
      + (SELECT count(*) FROM (SELECT 1 FROM ledger_entries WHERE ${column} = {:id} LIMIT 1))) AS j`,
    { id: record.id },
  )
  if (booked > 0) throw new BadRequestError("This record has ledger or usage rows and is kept. Suspend it instead.")
  e.next()
}
