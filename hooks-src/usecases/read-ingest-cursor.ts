import { dbTime, nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { findCursor, noteHeartbeat } from "../pocketbase/stores/ingest-cursors"
import type { IngestKey } from "../pocketbase/stores/ingest-keys"

/** Where a source stands with us, so that it sends again what we miss; asking is also its heartbeat. */
export function readIngestCursor(key: IngestKey, source: string, spoolAgeS: number) {
  const now = nowMs()
  transaction((tx) => noteHeartbeat(tx, key.tenantId, source, spoolAgeS, dbTime(now), now))
  const cursor = findCursor($app, key.tenantId, source)
  if (!cursor || cursor.epoch === "") return { epoch: null, next_seq: 1, gaps: [] }
  return { epoch: cursor.epoch, next_seq: cursor.nextSeq, gaps: cursor.gaps }
}
