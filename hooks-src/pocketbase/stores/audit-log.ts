import { type Db, execute, newId } from "../db"

export interface AuditEntry {
  tenantId: string
  actor: string
  action: string
  target: string
  before: unknown
  after: unknown
  reason: string
  ref?: string
}

/** Written in the transaction of the change itself: no change without its line, no line without its change. */
export function insertAudit(tx: Db, entry: AuditEntry, now: string, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO audit_log (id, tenant_id, actor, action, target, "before", "after", reason, ref, created)
     VALUES ({:id}, {:tenantId}, {:actor}, {:action}, {:target}, {:before}, {:after}, {:reason}, {:ref}, {:now})`,
    {
      id: newId(nowMs), tenantId: entry.tenantId, actor: entry.actor, action: entry.action, target: entry.target,
      before: JSON.stringify(entry.before), after: JSON.stringify(entry.after), reason: entry.reason, ref: entry.ref ?? "", now,
    },
  )
}
