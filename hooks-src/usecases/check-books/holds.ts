/** I5: where calls are authorized, a budget is overdrawn by no more than calls cost beyond what was held for them. */
import { type Check, checkAll, type Finding } from "./run-checks"

/**
 * Beyond its hold a row may have cost anything: it was spent. Without a hold on this very budget (sent by a tenant without the
 * gate, after the hold's time, before the key had a limit) all of its cost counts. What lowered the balance itself, a debt
 * carried in or credit that expired under a running call included, is in the ledger with a minus.
 */
const OVERDRAWN: Check = {
  sql: `WITH overdrawn AS MATERIALIZED (SELECT id, scope, tenant_id, user_id, api_key_id, period_key, used_nano - total_nano AS deficit
      FROM budgets WHERE used_nano > total_nano),
    charged AS (
      SELECT o.id AS budget_id, u.tenant_id, u.event_id, u.cost_nano FROM overdrawn o JOIN usage_logs u ON u.tenant_id = o.tenant_id
        AND u.period_key = o.period_key WHERE o.scope = 'tenant' OR (o.scope = 'user' AND u.user_id = o.user_id)
      UNION ALL SELECT o.id, u.tenant_id, u.event_id, u.cost_nano FROM overdrawn o JOIN api_keys k ON k.budget_key_id = o.api_key_id
        JOIN usage_logs u ON u.api_key_id = k.id AND u.tenant_id = o.tenant_id AND u.period_key = o.period_key WHERE o.scope = 'api_key'),
    settled AS MATERIALIZED (SELECT tenant_id, user_id, key_budget_id, settled_by, amount_nano FROM holds
      WHERE state = 'settled' AND updated < expires_at),
    held AS (SELECT o.id AS budget_id, s.settled_by, sum(s.amount_nano) AS nano FROM overdrawn o JOIN settled s ON s.tenant_id = o.tenant_id
      AND (o.scope = 'tenant' OR (o.scope = 'user' AND s.user_id = o.user_id) OR s.key_budget_id = o.id) GROUP BY o.id, s.settled_by),
    beyond AS (SELECT c.budget_id, sum(max(0, c.cost_nano - coalesce(h.nano, 0))) AS nano
      FROM charged c LEFT JOIN held h ON h.budget_id = c.budget_id AND h.settled_by = c.event_id GROUP BY c.budget_id),
    lowered AS (SELECT o.id AS budget_id, sum(-e.amount_nano) AS nano FROM overdrawn o JOIN ledger_entries e ON e.budget_id = o.id
      AND e.period_key = o.period_key AND e.amount_nano < 0 GROUP BY o.id)
    SELECT o.scope || ' budget ' || o.id || ' period ' || o.period_key || ': overdrawn by ' || o.deficit || ', calls cost '
      || coalesce(b.nano, 0) || ' beyond their holds, lowered by ' || coalesce(l.nano, 0) AS line
    FROM overdrawn o LEFT JOIN beyond b ON b.budget_id = o.id LEFT JOIN lowered l ON l.budget_id = o.id
    WHERE o.deficit > coalesce(b.nano, 0) + coalesce(l.nano, 0)`,
}

const SETTLED_BY: Check = {
  sql: `SELECT 'hold ' || h.id || ' of tenant ' || h.tenant_id || ' call ' || h.call_id || ': settled by ' || h.settled_by
      || ', no such event' AS line
    FROM holds h WHERE h.state = 'settled'
      AND NOT EXISTS (SELECT 1 FROM usage_logs u WHERE u.tenant_id = h.tenant_id AND u.event_id = h.settled_by)`,
}

const OWNERS: Check = {
  sql: `SELECT 'open hold ' || h.id || ' call ' || h.call_id || ': there is no user ' || h.user_id || ' in tenant ' || h.tenant_id AS line
    FROM holds h WHERE h.state = 'open'
      AND NOT EXISTS (SELECT 1 FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.id = h.user_id AND t.id = h.tenant_id)`,
}

const AMOUNTS: Check = {
  sql: `SELECT 'hold ' || id || ' call ' || call_id || ': amount_nano ' || amount_nano || ' is no integer of 0 or more' AS line
    FROM holds WHERE typeof(amount_nano) != 'integer' OR amount_nano < 0`,
}

export function checkHolds(): Finding {
  return checkAll("I5", "no budget is overdrawn beyond what calls cost more than was held; holds name owner and event", [
    OVERDRAWN,
    SETTLED_BY,
    OWNERS,
    AMOUNTS,
  ])
}
