import { type Db, execute, selectJson } from "../db"

export interface NewHold {
  id: string
  tenantId: string
  userId: string
  apiKeyId: string
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
  /** The rows that must be able to pay; keyBudget empty = the key has no limit of its own. */
  tenantBudget: string
  userBudget: string
  keyBudget: string
  periodKey: string
  /** 0 = no limit, here and below. */
  rateLimit: number
  minuteAgo: string
  userParallel: number
  keyParallel: number
}

const COLUMNS = `id, tenant_id, user_id, api_key_id, key_budget_id, call_id, model, purpose, amount_nano, tokens_input_estimate,
  max_tokens, clamped, state, settled_by, expires_at, created, updated`
const VALUES = `{:id}, {:tenantId}, {:userId}, {:apiKeyId}, {:keyBudget}, {:callId}, {:model}, {:purpose}, {:amountNano}, {:tokensInput},
  {:maxTokens}, {:clamped}, 'open', '', {:expiresAt}, {:now}, {:now}`
const TAKE_UP = `ON CONFLICT (tenant_id, call_id) DO UPDATE SET state = 'open', amount_nano = excluded.amount_nano,
  max_tokens = excluded.max_tokens, clamped = excluded.clamped, key_budget_id = excluded.key_budget_id,
  expires_at = excluded.expires_at, updated = excluded.updated
  WHERE (holds.state = 'expired' OR (holds.state = 'open' AND holds.expires_at <= {:now}))
    AND holds.user_id = excluded.user_id AND holds.api_key_id = excluded.api_key_id AND holds.model = excluded.model`

/** What is held on a scope in this moment, by the rows of the subquery `o`. */
const canPay = (budget: string, held: string) =>
  `(SELECT total_nano - used_nano - o.${held} >= {:amountNano} FROM budgets WHERE id = {:${budget}} AND period_key = {:periodKey})`

/**
 * The hold, only if at this very moment every scope can pay for it and no limit is reached: facts that were read before
 * may be old, and this one statement is what makes 200 parallel calls on one euro exact. Only the conditions that apply are
 * in it, because the host compiles it anew for each call. `takeUp`: an expired hold of the same call is opened again.
 */
export function placeHoldSql(hold: Pick<NewHold, "amountNano">, guard: Omit<HoldGuard, "minuteAgo">, takeUp: boolean): string {
  const held = ["coalesce(sum(h.amount_nano), 0) AS tenant_held"]
  const conditions: string[] = []
  held.push("coalesce(sum(CASE WHEN h.user_id = {:userId} THEN h.amount_nano END), 0) AS user_held")
  // What costs nothing can always be paid, also from a budget that is overdrawn.
  if (hold.amountNano > 0) conditions.push(canPay("tenantBudget", "tenant_held"), canPay("userBudget", "user_held"))
  if (hold.amountNano > 0 && guard.keyBudget !== "") {
    held.push("coalesce(sum(CASE WHEN h.key_budget_id = {:keyBudget} THEN h.amount_nano END), 0) AS key_held")
    conditions.push(canPay("keyBudget", "key_held"))
  }
  if (guard.rateLimit > 0) {
    conditions.push("(SELECT count(*) FROM holds r WHERE r.user_id = {:userId} AND r.created > {:minuteAgo}) < {:rateLimit}")
  }
  if (guard.userParallel > 0) {
    held.push("coalesce(sum(h.user_id = {:userId}), 0) AS user_calls")
    conditions.push("o.user_calls < {:userParallel}")
  }
  if (guard.keyParallel > 0) {
    held.push("coalesce(sum(h.api_key_id = {:apiKeyId}), 0) AS key_calls")
    conditions.push("o.key_calls < {:keyParallel}")
  }
  return `INSERT ${takeUp ? "" : "OR IGNORE "}INTO holds (${COLUMNS}) SELECT ${VALUES} FROM (SELECT ${held.join(", ")}
    FROM holds h WHERE h.state = 'open' AND h.tenant_id = {:tenantId} AND h.expires_at > {:now}) AS o
    WHERE ${conditions.length > 0 ? conditions.join("\n    AND ") : "true"} ${takeUp ? TAKE_UP : ""}`
}

/** False: the facts have changed since; decide again. @param takeUp an expired hold of this call is there */
export function placeHold(db: Db, hold: NewHold, guard: HoldGuard, takeUp: boolean): boolean {
  return execute(db, placeHoldSql(hold, guard, takeUp), { ...hold, ...guard }) === 1
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

/**
 * A hold that ran out is settled all the same: the call ran, and "why was money held?" wants an answer. The unary plus keeps
 * the planner from walking through all holds of the tenant instead of looking up each one.
 */
export const SETTLE_HOLDS = `UPDATE holds SET state = 'settled', settled_by = d.event_id, updated = {:now}
  FROM (SELECT value ->> 0 AS hold_id, value ->> 1 AS call_id, value ->> 2 AS event_id FROM json_each({:calls})) AS d
  WHERE holds.id = coalesce(
      (SELECT a.id FROM holds a WHERE a.id = d.hold_id AND a.tenant_id = {:tenantId}), (SELECT c.id FROM holds c WHERE c.tenant_id = {:tenantId} AND c.call_id = d.call_id))
    AND +holds.tenant_id = {:tenantId} AND +holds.state IN ('open', 'expired')`

export function settleHolds(tx: Db, tenantId: string, calls: [string, string, string][], now: string): number {
  return execute(tx, SETTLE_HOLDS, { tenantId, calls: JSON.stringify(calls), now })
}

export const EXPIRE_HOLDS = "UPDATE holds SET state = 'expired', updated = {:now} WHERE state = 'open' AND expires_at <= {:now}"

export function expireHolds(db: Db, now: string): number {
  return execute(db, EXPIRE_HOLDS, { now })
}

/** Ids grow with time, so the oldest are found without an index of their own. */
export const PRUNE_HOLDS = `DELETE FROM holds WHERE id IN
  (SELECT id FROM holds WHERE id < {:beforeId} AND state != 'open' ORDER BY id LIMIT 5000)`

export function pruneHolds(db: Db, beforeId: string): number {
  return execute(db, PRUNE_HOLDS, { beforeId })
}

/** What is on hold on each of a tenant's budgets. */
export const HELD_BY_BUDGET = `SELECT json_group_array(json_array(b.id, (SELECT coalesce(sum(h.amount_nano), 0) FROM holds h
    WHERE h.state = 'open' AND h.tenant_id = b.tenant_id AND h.expires_at > {:now} AND (b.scope = 'tenant'
      OR (b.scope = 'user' AND h.user_id = b.user_id) OR (b.scope = 'api_key' AND h.key_budget_id = b.id))))) AS j
  FROM budgets b WHERE b.id IN (SELECT value FROM json_each({:budgetIds}))`

export function heldByBudget(db: Db, budgetIds: string[], now: string): Map<string, number> {
  return new Map(selectJson<[string, number][]>(db, HELD_BY_BUDGET, { budgetIds: JSON.stringify(budgetIds), now }))
}
