/** I1 and PERIOD: what the budgets rows say, against the ledger and the usage that made them. */
import { type Check, checkAll, type Finding } from "./run-checks"

/** Usage that a budget must answer for: the tenant's row for everything, a user's and a key's row for their own. */
const USED_BY_BUDGET = `
  used AS MATERIALIZED (SELECT tenant_id, user_id, api_key_id, period_key, sum(cost_nano) AS cost, count(*) AS events
    FROM usage_logs GROUP BY tenant_id, user_id, api_key_id, period_key),
  charged AS (
    SELECT b.id AS budget_id, u.period_key, u.cost FROM used u JOIN budgets b ON b.tenant_id = u.tenant_id AND b.scope = 'tenant'
    UNION ALL SELECT b.id, u.period_key, u.cost FROM used u
      JOIN budgets b ON b.user_id = u.user_id AND b.tenant_id = u.tenant_id AND b.scope = 'user' WHERE u.user_id != ''
    UNION ALL SELECT b.id, u.period_key, u.cost FROM used u
      JOIN api_keys k ON k.id = u.api_key_id JOIN budgets b ON b.api_key_id = k.budget_key_id AND b.tenant_id = u.tenant_id AND b.scope = 'api_key' WHERE u.api_key_id != ''),
  booked AS MATERIALIZED (SELECT budget_id, period_key, sum(cost) AS used FROM charged GROUP BY budget_id, period_key),
  granted AS MATERIALIZED (SELECT budget_id, period_key, sum(amount_nano) AS total FROM ledger_entries GROUP BY budget_id, period_key)`

/** One statement for open and closed periods: two would let an event slip in between them while the server runs. */
const BALANCES: Check = {
  sql: `WITH ${USED_BY_BUDGET},
    periods AS (SELECT id AS budget_id, period_key FROM budgets UNION SELECT budget_id, period_key FROM booked
      UNION SELECT budget_id, period_key FROM granted),
    sums AS (SELECT p.budget_id, p.period_key, coalesce(g.total, 0) AS total, coalesce(u.used, 0) AS used,
        b.period_key AS current_key, b.scope, b.total_nano, b.used_nano
      FROM periods p LEFT JOIN budgets b ON b.id = p.budget_id
      LEFT JOIN granted g ON g.budget_id = p.budget_id AND g.period_key = p.period_key
      LEFT JOIN booked u ON u.budget_id = p.budget_id AND u.period_key = p.period_key)
    SELECT CASE
      WHEN current_key IS NULL THEN 'ledger of budget ' || budget_id || ' period ' || period_key || ': there is no such budget'
      WHEN current_key = period_key THEN scope || ' budget ' || budget_id || ' period ' || period_key || ': total_nano ' || total_nano
        || ' (ledger ' || total || '), used_nano ' || used_nano || ' (usage ' || used || '), off by '
        || ((total - used) - (total_nano - used_nano))
      ELSE scope || ' budget ' || budget_id || ' closed period ' || period_key || ': ledger ' || total || ', usage ' || used
        || ', off by ' || (total - used) END AS line
    FROM sums WHERE current_key IS NULL
      OR (current_key = period_key AND (total_nano IS NOT total OR used_nano IS NOT used))
      OR (current_key != period_key AND total IS NOT used)`,
}

const USAGE_WITHOUT_BUDGET: Check = {
  sql: `WITH owners AS (SELECT tenant_id, user_id, count(*) AS events, sum(cost_nano) AS cost FROM usage_logs GROUP BY tenant_id, user_id)
    SELECT 'tenant ' || o.tenant_id || ' user ' || o.user_id || ': ' || o.events || ' usage rows of ' || o.cost || ' nano and no '
      || CASE WHEN t.id IS NULL THEN 'tenant' ELSE 'user' END || ' budget' AS line
    FROM owners o LEFT JOIN budgets t ON t.tenant_id = o.tenant_id AND t.scope = 'tenant'
    LEFT JOIN budgets u ON u.user_id = o.user_id AND u.scope = 'user' AND u.tenant_id = o.tenant_id
    WHERE t.id IS NULL OR (o.user_id != '' AND u.id IS NULL)`,
}

/** The same expressions as the triggers of 1795000400_create_budgets, so that equal means equal to the last bit. */
const PROJECTION: Check = {
  sql: `SELECT 'user ' || b.user_id || ' budget ' || b.id || ': '
      || CASE WHEN u.id IS NULL THEN 'there is no such user' ELSE 'shows total ' || u.budget_total || ' used ' || u.budget_used
        || ' remaining ' || u.budget_remaining || ' reset ' || u.budget_reset_date || ', the budget has total_nano ' || b.total_nano
        || ' used_nano ' || b.used_nano || ' resets_at ' || b.resets_at END AS line
    FROM budgets b LEFT JOIN users u ON u.id = b.user_id
    WHERE b.scope = 'user' AND (u.budget_total IS NOT b.total_nano / 1e9 OR u.budget_used IS NOT b.used_nano / 1e9
      OR u.budget_remaining IS NOT (b.total_nano - b.used_nano) / 1e9 OR u.budget_reset_date IS NOT b.resets_at)`,
}

const INTEGERS: Check = {
  sql: `SELECT what || ': ' || stored || ' is no integer' AS line FROM (
      SELECT 'budget ' || id || ' total_nano' AS what, total_nano AS stored FROM budgets
      UNION ALL SELECT 'budget ' || id || ' used_nano', used_nano FROM budgets
      UNION ALL SELECT 'ledger row ' || id || ' amount_nano', amount_nano FROM ledger_entries
      UNION ALL SELECT 'lot ' || id || ' amount_nano', amount_nano FROM credit_lots
      UNION ALL SELECT 'lot ' || id || ' open_nano', open_nano FROM credit_lots)
    WHERE typeof(stored) != 'integer'`,
}

export function checkBalances(): Finding {
  return checkAll("I1", "ledger, usage, budgets and the users' view of them agree", [
    BALANCES,
    USAGE_WITHOUT_BUDGET,
    PROJECTION,
    INTEGERS,
  ])
}

/** A call is charged to all its budgets in one period, so a tenant's rows must move on together. */
const SAME_PERIOD: Check = {
  sql: `SELECT 'tenant ' || t.tenant_id || ' is in ' || t.period_key || ' until ' || t.resets_at || ', its ' || b.scope || ' budget '
      || b.id || ' in ' || b.period_key || ' until ' || b.resets_at AS line
    FROM budgets b JOIN budgets t ON t.tenant_id = b.tenant_id AND t.scope = 'tenant'
    WHERE b.period_key != t.period_key OR b.period_start != t.period_start OR b.resets_at != t.resets_at
    UNION ALL SELECT b.scope || ' budget ' || b.id || ' of tenant ' || b.tenant_id || ': the tenant has no budget of its own' FROM budgets b
    WHERE NOT EXISTS (SELECT 1 FROM budgets t WHERE t.tenant_id = b.tenant_id AND t.scope = 'tenant')`,
}

export function checkPeriods(): Finding {
  return checkAll("PERIOD", "all budgets of a tenant are in the same period", [SAME_PERIOD])
}
