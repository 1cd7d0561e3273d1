import type { Refusal } from "../../domain/call-facts"
import { dbTime } from "../clock"
import { type Db, execute, newId, selectJson } from "../db"

/** Who was refused, and at what: empty where there was none. */
export interface RefusedCaller {
  tenantId: string
  userId: string
  apiKeyId: string
  callId: string
  model: string
}

/** One row a minute for the same reason, with the newest numbers and how often: a client in a loop must not fill the disk. */
export const NOTE_REFUSAL = `INSERT INTO refusals (id, tenant_id, user_id, api_key_id, call_id, model, code, scope, limit_value, used_value,
    held_value, needed_nano, resets_at, message, times, minute, created, updated)
  VALUES ({:id}, {:tenantId}, {:userId}, {:apiKeyId}, {:callId}, {:model}, {:code}, {:scope}, {:limitValue}, {:usedValue},
    {:heldValue}, {:neededNano}, {:resetsAt}, {:message}, 1, {:minute}, {:now}, {:now})
  ON CONFLICT (tenant_id, user_id, api_key_id, model, code, minute) DO UPDATE SET times = times + 1,
    call_id = coalesce(nullif(excluded.call_id, ''), call_id), scope = excluded.scope, limit_value = excluded.limit_value,
    used_value = excluded.used_value, held_value = excluded.held_value, needed_nano = excluded.needed_nano,
    resets_at = excluded.resets_at, message = excluded.message, updated = excluded.updated`

export const REFUSAL_OF_MINUTE = `SELECT json_group_array(id) AS j FROM refusals WHERE tenant_id = {:tenantId} AND user_id = {:userId}
  AND api_key_id = {:apiKeyId} AND model = {:model} AND code = {:code} AND minute = {:minute}`

/** Answers the id under which "why was I blocked?" finds it. */
export function noteRefusal(db: Db, caller: RefusedCaller, refusal: Refusal, atMs: number): string {
  const now = dbTime(atMs)
  const id = newId(atMs)
  const group = {
    tenantId: caller.tenantId,
    userId: caller.userId,
    apiKeyId: caller.apiKeyId,
    model: caller.model,
    code: refusal.code,
    minute: now.slice(0, 16),
  }
  execute(db, NOTE_REFUSAL, {
    ...group,
    id,
    callId: caller.callId,
    scope: refusal.scope,
    limitValue: refusal.limit ?? 0,
    usedValue: refusal.used ?? 0,
    heldValue: refusal.held ?? 0,
    neededNano: refusal.neededNano,
    resetsAt: refusal.resetsAt,
    message: refusal.message,
    now,
  })
  return selectJson<string[]>(db, REFUSAL_OF_MINUTE, group)[0] ?? id
}

export const PRUNE_REFUSALS = `DELETE FROM refusals WHERE id IN
  (SELECT id FROM refusals WHERE id < {:beforeId} ORDER BY id LIMIT 5000)`

export function pruneRefusals(db: Db, beforeId: string): number {
  return execute(db, PRUNE_REFUSALS, { beforeId })
}
