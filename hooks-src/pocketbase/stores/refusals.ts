import { type Db, execute, selectJson } from "../db"

export interface NewRefusal {
  id: string
  tenantId: string
  userId: string
  apiKeyId: string
  callId: string
  model: string
  code: string
  scope: string
  limitValue: number
  usedValue: number
  heldValue: number
  neededNano: number
  resetsAt: string
  message: string
  minute: string
  now: string
}

/** One row a minute for the same reason, with the newest numbers and how often: a client in a loop must not fill the disk. */
export const NOTE_REFUSAL = `INSERT INTO refusals (id, tenant_id, user_id, api_key_id, call_id, model, code, scope, limit_value, used_value,
    held_value, needed_nano, resets_at, message, times, minute, created, updated)
  VALUES ({:id}, {:tenantId}, {:userId}, {:apiKeyId}, {:callId}, {:model}, {:code}, {:scope}, {:limitValue}, {:usedValue},
    {:heldValue}, {:neededNano}, {:resetsAt}, {:message}, 1, {:minute}, {:now}, {:now})
  ON CONFLICT (tenant_id, user_id, api_key_id, model, code, minute) DO UPDATE SET times = times + 1, call_id = excluded.call_id,
    scope = excluded.scope, limit_value = excluded.limit_value, used_value = excluded.used_value, held_value = excluded.held_value,
    needed_nano = excluded.needed_nano, resets_at = excluded.resets_at, message = excluded.message, updated = excluded.updated`

export const REFUSAL_OF_MINUTE = `SELECT json_group_array(id) AS j FROM refusals WHERE tenant_id = {:tenantId} AND user_id = {:userId}
  AND api_key_id = {:apiKeyId} AND model = {:model} AND code = {:code} AND minute = {:minute}`

/** Answers the id under which "why was I blocked?" finds it. */
export function noteRefusal(db: Db, refusal: NewRefusal): string {
  execute(db, NOTE_REFUSAL, { ...refusal })
  const { tenantId, userId, apiKeyId, model, code, minute } = refusal
  return selectJson<string[]>(db, REFUSAL_OF_MINUTE, { tenantId, userId, apiKeyId, model, code, minute })[0] ?? refusal.id
}

export const PRUNE_REFUSALS = `DELETE FROM refusals WHERE id IN
  (SELECT id FROM refusals WHERE created < {:before} ORDER BY created LIMIT 5000)`

export function pruneRefusals(db: Db, before: string): number {
  return execute(db, PRUNE_REFUSALS, { before })
}
