import { type Db, execute, selectJson } from "../db"

export interface NewHold {
  id: string
  tenantId: string
  userId: string
  apiKeyId: string
  keyBudgetId: string
  callId: string
  model: string
  purpose: string
  amountNano: number
  tokensInput: number
  maxTokens: number
  clamped: boolean
  expiresAt: string
  now: string
}

export interface HoldGuard {
  /** The rows that must be able to pay, as they were when it was decided. */
  budgetIds: string[]
  periodKey: string
  rateLimit: number
  minuteAgo: string
  userParallel: number
  keyParallel: number
}

/**
 * The hold, only if at this very moment every scope can pay for it and no limit is reached: facts that were read before
 * may be old, and this one statement is what makes 200 parallel calls on one euro exact. An expired hold of the same call
 * is taken up again under the same conditions.
 */
export const PLACE_HOLD = `INSERT INTO holds (id, tenant_id, user_id, api_key_id, key_budget_id, call_id, model, purpose, amount_nano,
    tokens_input_estimate, max_tokens, clamped, state, settled_by, expires_at, created, updated)
  SELECT {:id}, {:tenantId}, {:userId}, {:apiKeyId}, {:keyBudgetId}, {:callId}, {:model}, {:purpose}, {:amountNano},
    {:tokensInput}, {:maxTokens}, {:clamped}, 'open', '', {:expiresAt}, {:now}, {:now}
  FROM (SELECT coalesce(sum(h.amount_nano), 0) AS tenant_held,
      coalesce(sum(h.amount_nano) FILTER (WHERE h.user_id = {:userId}), 0) AS user_held,
      coalesce(sum(h.amount_nano) FILTER (WHERE h.key_budget_id = {:keyBudgetId}), 0) AS key_held,
      count(*) FILTER (WHERE h.user_id = {:userId}) AS user_calls,
      count(*) FILTER (WHERE h.api_key_id = {:apiKeyId}) AS key_calls
    FROM holds h WHERE h.state = 'open' AND h.tenant_id = {:tenantId} AND h.expires_at > {:now}) AS o
  WHERE (SELECT count(*) FROM budgets b WHERE b.id IN (SELECT value FROM json_each({:budgetIds})) AND b.period_key = {:periodKey}
      AND ({:amountNano} = 0 OR b.total_nano - b.used_nano - CASE b.scope WHEN 'tenant' THEN o.tenant_held WHEN 'user' THEN o.user_held
        ELSE o.key_held END >= {:amountNano})) = json_array_length({:budgetIds})
    AND ({:rateLimit} = 0 OR (SELECT count(*) FROM holds r WHERE r.user_id = {:userId} AND r.created > {:minuteAgo}) < {:rateLimit})
    AND ({:userParallel} = 0 OR o.user_calls < {:userParallel})
    AND ({:keyParallel} = 0 OR o.key_calls < {:keyParallel})
  ON CONFLICT (tenant_id, call_id) DO UPDATE SET state = 'open', amount_nano = excluded.amount_nano, max_tokens = excluded.max_tokens,
    clamped = excluded.clamped, key_budget_id = excluded.key_budget_id, expires_at = excluded.expires_at, updated = excluded.updated
    WHERE (holds.state = 'expired' OR (holds.state = 'open' AND holds.expires_at <= {:now}))
      AND holds.user_id = excluded.user_id AND holds.api_key_id = excluded.api_key_id AND holds.model = excluded.model`

/** False: the facts have changed since; decide again. */
export function placeHold(db: Db, hold: NewHold, guard: HoldGuard): boolean {
  return execute(db, PLACE_HOLD, { ...hold, ...guard, budgetIds: JSON.stringify(guard.budgetIds) }) === 1
}

export function extendHold(db: Db, id: string, expiresAt: string, now: string): boolean {
  return (
    execute(
      db,
      "UPDATE holds SET expires_at = {:expiresAt}, updated = {:now} WHERE id = {:id} AND state = 'open' AND expires_at > {:now}",
      {
        id,
        expiresAt,
        now,
      },
    ) === 1
  )
}

export function releaseHold(db: Db, tenantId: string, holdId: string, callId: string, now: string): boolean {
  const one = holdId === "" ? "call_id = {:callId}" : "id = {:holdId}"
  const params: Record<string, string> = { tenantId, now }
  if (holdId === "") params.callId = callId
  else params.holdId = holdId
  return (
    execute(
      db,
      `UPDATE holds SET state = 'released', updated = {:now} WHERE tenant_id = {:tenantId} AND ${one} AND state = 'open'`,
      params,
    ) === 1
  )
}

/** A hold that ran out is settled all the same: the call ran, and "why was money held?" wants an answer. */
export const SETTLE_HOLDS = `UPDATE holds SET state = 'settled', settled_by = d.event_id, updated = {:now}
  FROM (SELECT value ->> 0 AS hold_id, value ->> 1 AS call_id, value ->> 2 AS event_id FROM json_each({:calls})) AS d
  WHERE holds.id = coalesce(
      (SELECT a.id FROM holds a WHERE a.id = d.hold_id AND a.tenant_id = {:tenantId}), (SELECT c.id FROM holds c WHERE c.tenant_id = {:tenantId} AND c.call_id = d.call_id))
    AND holds.tenant_id = {:tenantId} AND holds.state IN ('open', 'expired')`

export function settleHolds(tx: Db, tenantId: string, calls: [string, string, string][], now: string): number {
  return execute(tx, SETTLE_HOLDS, { tenantId, calls: JSON.stringify(calls), now })
}

export const EXPIRE_HOLDS = "UPDATE holds SET state = 'expired', updated = {:now} WHERE state = 'open' AND expires_at <= {:now}"

export function expireHolds(db: Db, now: string): number {
  return execute(db, EXPIRE_HOLDS, { now })
}

export const PRUNE_HOLDS = `DELETE FROM holds WHERE id IN
  (SELECT id FROM holds WHERE created < {:before} AND state != 'open' ORDER BY created LIMIT 5000)`

export function pruneHolds(db: Db, before: string): number {
  return execute(db, PRUNE_HOLDS, { before })
}

/** What is on hold on each of a tenant's budgets. */
export const HELD_BY_BUDGET = `SELECT json_group_array(json_array(b.id, (SELECT coalesce(sum(h.amount_nano), 0) FROM holds h
    WHERE h.state = 'open' AND h.tenant_id = b.tenant_id AND h.expires_at > {:now} AND (b.scope = 'tenant'
      OR (b.scope = 'user' AND h.user_id = b.user_id) OR (b.scope = 'api_key' AND h.key_budget_id = b.id))))) AS j
  FROM budgets b WHERE b.id IN (SELECT value FROM json_each({:budgetIds}))`

export function heldByBudget(db: Db, budgetIds: string[], now: string): Map<string, number> {
  return new Map(selectJson<[string, number][]>(db, HELD_BY_BUDGET, { budgetIds: JSON.stringify(budgetIds), now }))
}
