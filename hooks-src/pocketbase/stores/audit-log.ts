import { type Db, execute, newId, selectJson } from "../db"

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
      id: newId(nowMs),
      tenantId: entry.tenantId,
      actor: entry.actor,
      action: entry.action,
      target: entry.target,
      before: JSON.stringify(entry.before),
      after: JSON.stringify(entry.after),
      reason: entry.reason,
      ref: entry.ref ?? "",
      now,
    },
  )
}

/** The `after` value of the line with this ref; null if there is none. */
export function auditByRef<T>(db: Db, ref: string): T | null {
  return (
    selectJson<T[]>(db, `SELECT json_group_array(json("after")) AS j FROM audit_log WHERE ref = {:ref} AND ref != ''`, {
      ref,
    })[0] ?? null
  )
}
