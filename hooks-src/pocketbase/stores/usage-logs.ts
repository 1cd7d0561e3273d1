import { countsOf } from "../../contract/usage-event"
import type { BookedUsage, UsageRow } from "../../domain/usage-batch"
import { dbTime, fromDbTime } from "../clock"
import { type Db, execute, newId, newIds, selectJson } from "../db"

/** Column order of the JSON arrays that INSERT_USAGE reads; cost_total is the projection of cost_nano in EUR. */
const COLUMNS = [
  "id",
  "tenant_id",
  "user_id",
  "model",
  "tokens_input",
  "tokens_output",
  "total_tokens",
  "timestamp",
  "event_id",
  "call_id",
  "api_key_id",
  "claimed_user",
  "model_requested",
  "provider",
  "kind",
  "tokens_uncached",
  "tokens_cache_read",
  "tokens_cache_write",
  "tokens_cache_write_1h",
  "tokens_reasoning",
  "images",
  "audio_ms",
  "characters",
  "cost_nano",
  "price_id",
  "price_status",
  "status",
  "aborted",
  "cache_hit",
  "purpose",
  "source",
  "reported_cost_nano_usd",
  "duration_ms",
  "period_key",
  "corrects",
  "created",
] as const

const COST = COLUMNS.indexOf("cost_nano")

export const INSERT_USAGE = `INSERT INTO usage_logs (${COLUMNS.join(", ")}, cost_total)
  SELECT ${COLUMNS.map((_, i) => `value ->> ${i}`).join(", ")}, (value ->> ${COST}) / 1e9 FROM json_each({:rows}) WHERE true
  ON CONFLICT DO NOTHING`

/** The rows as INSERT_USAGE reads them; made before the transaction, so that the one writer does not wait for it. */
export function usageLines(rows: UsageRow[], tenantId: string, source: string, now: string, nowMs: number): string {
  const ids = newIds(rows.length, nowMs)
  return JSON.stringify(rows.map((row, i) => line(row, ids[i] as string, tenantId, source, now)))
}

/** Books the lines; answers how many were new (fewer than given = somebody else booked the same event id meanwhile). */
export function insertUsage(tx: Db, lines: string): number {
  return execute(tx, INSERT_USAGE, { rows: lines })
}

function line(row: UsageRow, id: string, tenantId: string, source: string, now: string): unknown[] {
  const e = row.event
  const counts = countsOf(e)
  return [
    id,
    tenantId,
    row.bookedUserId,
    row.model,
    row.tokensInput,
    row.tokensOutput,
    row.tokensInput + row.tokensOutput,
    dbTime(row.timestampMs),
    row.eventId,
    e.callId,
    row.apiKeyId,
    row.claimedUser,
    e.modelRequested,
    row.provider,
    e.kind,
    counts.uncached,
    counts.cacheRead,
    counts.cacheWrite,
    counts.cacheWrite1h,
    e.tokensReasoning,
    e.images,
    e.audioMs,
    e.characters,
    row.costNano,
    row.priceId,
    row.priceStatus,
    row.status,
    e.aborted ? 1 : 0,
    e.cacheHit ? 1 : 0,
    e.purpose,
    source,
    e.reportedNanoUsd,
    e.durationMs,
    row.periodKey,
    "",
    now,
  ]
}

export const EXISTING_EVENTS = `SELECT json_group_array(json_object('eventId', event_id,
  'userId', CASE WHEN user_id = '' THEN claimed_user ELSE user_id END, 'apiKeyId', api_key_id, 'model', model, 'provider', provider,
  'tokensInput', tokens_input, 'cacheRead', tokens_cache_read, 'cacheWrite', tokens_cache_write + tokens_cache_write_1h,
  'cacheWrite1h', tokens_cache_write_1h, 'tokensOutput', tokens_output, 'images', images, 'audioMs', audio_ms,
  'characters', characters, 'status', status, 'cacheHit', json(CASE WHEN cache_hit THEN 'true' ELSE 'false' END),
  'timestamp', timestamp, 'costNano', cost_nano)) AS j
  FROM usage_logs WHERE tenant_id = {:tenantId} AND event_id IN (SELECT value FROM json_each({:ids}))`

export function existingEvents(db: Db, tenantId: string, eventIds: string[]): Map<string, BookedUsage> {
  const rows = selectJson<(BookedUsage & { timestamp: string })[]>(db, EXISTING_EVENTS, {
    tenantId,
    ids: JSON.stringify(eventIds),
  })
  return new Map(rows.map((row) => [row.eventId, { ...row, timestampMs: fromDbTime(row.timestamp) }]))
}

/** A quarantined row that no correction has settled yet. */
export interface QuarantinedUsage extends BookedUsage {
  rowid: number
  id: string
  tenantId: string
  bookedUserId: string
  claimedUser: string
  kind: string
  timestamp: string
}

export const QUARANTINED = `SELECT json_group_array(json_object('rowid', q.row, 'id', q.id, 'tenantId', q.tenant_id, 'eventId', q.event_id,
  'bookedUserId', q.user_id, 'claimedUser', q.claimed_user, 'userId', q.user_id, 'apiKeyId', q.api_key_id, 'model', q.model,
  'provider', q.provider, 'kind', q.kind, 'tokensInput', q.tokens_input, 'cacheRead', q.tokens_cache_read,
  'cacheWrite', q.tokens_cache_write + q.tokens_cache_write_1h, 'cacheWrite1h', q.tokens_cache_write_1h,
  'tokensOutput', q.tokens_output, 'images', q.images, 'audioMs', q.audio_ms, 'characters', q.characters, 'status', q.status,
  'cacheHit', json('false'), 'timestamp', q.timestamp, 'costNano', q.cost_nano)) AS j
  FROM (SELECT u.rowid AS row, u.* FROM usage_logs AS u
    WHERE u.price_status = 'quarantined' AND u.model IN (SELECT value FROM json_each({:models})) AND +u.rowid > {:after}
    AND NOT EXISTS (SELECT 1 FROM usage_logs c WHERE c.tenant_id = u.tenant_id AND c.corrects = u.event_id AND c.corrects != '')
    ORDER BY +u.rowid LIMIT 500) AS q`

export function quarantinedUsage(tx: Db, models: string[], afterRowid: number): QuarantinedUsage[] {
  return selectJson<QuarantinedUsage[]>(tx, QUARANTINED, { models: JSON.stringify(models), after: afterRowid })
}

export const QUARANTINED_MODELS = `SELECT json_group_array(json_object('model', m.model, 'provider', m.provider)) AS j FROM
  (SELECT DISTINCT u.model, u.provider FROM usage_logs u WHERE u.price_status = 'quarantined'
  AND NOT EXISTS (SELECT 1 FROM usage_logs c WHERE c.tenant_id = u.tenant_id AND c.corrects = u.event_id AND c.corrects != '')) AS m`

export function quarantinedModels(db: Db): { model: string; provider: string }[] {
  return selectJson<{ model: string; provider: string }[]>(db, QUARANTINED_MODELS)
}

const INSERT_CORRECTION = `INSERT INTO usage_logs (id, tenant_id, user_id, model, timestamp, event_id, api_key_id, claimed_user,
    provider, kind, cost_nano, cost_total, price_id, price_status, status, purpose, source, period_key, corrects, created)
  VALUES ({:id}, {:tenantId}, {:userId}, {:model}, {:now}, {:eventId}, {:apiKeyId}, {:claimedUser},
    {:provider}, {:kind}, {:delta}, {:delta} / 1e9, {:priceId}, 'corrected', {:status}, 'user', 'correction', {:periodKey},
    {:corrects}, {:now}) ON CONFLICT DO NOTHING`

/** A sender may have used ids of the form `x~1` itself; nobody has used hundreds of them for one event. */
const CORRECTION_IDS = 500

/** A correction: tokens 0, signed cost, a link to the row it corrects, booked in the period in which it is made. */
export function insertCorrection(
  tx: Db,
  of: QuarantinedUsage,
  deltaNano: number,
  priceId: string,
  periodKey: string,
  now: string,
  nowMs: number,
): void {
  const row = {
    ...{ now, priceId, periodKey, delta: deltaNano, corrects: of.eventId, status: of.status, model: of.model, kind: of.kind },
    ...{ tenantId: of.tenantId, userId: of.bookedUserId, apiKeyId: of.apiKeyId, claimedUser: of.claimedUser },
    provider: of.provider,
  }
  for (let n = 1; n <= CORRECTION_IDS; n++) {
    const id = newId(nowMs)
    if (execute(tx, INSERT_CORRECTION, { ...row, id, eventId: `${of.eventId}~${n}` }) === 1) return
  }
  throw new Error(`no event id is free for a correction of ${of.eventId}`)
}
