import type { IngestCursor } from "../../domain/ingest-cursor"
import { type Db, execute, newId, selectJson } from "../db"

export function findCursor(db: Db, tenantId: string, source: string): IngestCursor | null {
  return (
    selectJson<IngestCursor[]>(
      db,
      `SELECT json_group_array(json_object('epoch', epoch, 'nextSeq', next_seq, 'gaps', json(gaps))) AS j
       FROM ingest_cursors WHERE tenant_id = {:tenantId} AND source = {:source}`,
      { tenantId, source },
    )[0] ?? null
  )
}

export function saveCursor(tx: Db, tenantId: string, source: string, cursor: IngestCursor, now: string, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO ingest_cursors (id, tenant_id, source, epoch, next_seq, gaps, seen_at) VALUES ({:id}, {:tenantId}, {:source}, {:epoch}, {:nextSeq}, {:gaps}, {:now})
     ON CONFLICT (tenant_id, source) DO UPDATE SET epoch = {:epoch}, next_seq = {:nextSeq}, gaps = {:gaps}, seen_at = {:now}`,
    { id: newId(nowMs), tenantId, source, epoch: cursor.epoch, nextSeq: cursor.nextSeq, gaps: JSON.stringify(cursor.gaps), now },
  )
}

/** The heartbeat: silence of a sender is visible by it, also of one that has not sent anything yet. */
export function noteHeartbeat(tx: Db, tenantId: string, source: string, spoolAgeS: number, now: string, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO ingest_cursors (id, tenant_id, source, epoch, next_seq, gaps, seen_at, spool_age_s)
     VALUES ({:id}, {:tenantId}, {:source}, '', 1, '[]', {:now}, {:spoolAgeS})
     ON CONFLICT (tenant_id, source) DO UPDATE SET seen_at = {:now}, spool_age_s = {:spoolAgeS}`,
    { id: newId(nowMs), tenantId, source, spoolAgeS, now },
  )
}
