/** I4 and I8: every movement of money has its cause, every cause its movement, and each happened once. */
import { type Check, checkAll, type Finding } from "./run-checks"

/** A lot of a reset carries the ref `reset:<ref>`, every other lot the ref of its entry. */
const LOT_REF = "CASE e.kind WHEN 'reset' THEN 'reset:' || e.ref ELSE e.ref END"
const FORGIVEN = "(e.kind = 'adjustment' AND e.ref = e.budget_id || ':' || e.period_key || ':forgiven')"

const LOTS_AND_ENTRIES: Check = {
  sql: `WITH grants AS MATERIALIZED (SELECT e.id, e.kind, e.ref, e.budget_id, e.amount_nano, ${LOT_REF} AS lot_ref FROM ledger_entries e
      WHERE e.kind IN ('reset', 'grant', 'top_up', 'adjustment') AND e.amount_nano > 0 AND NOT ${FORGIVEN})
    SELECT 'lot ' || l.id || ' of budget ' || l.budget_id || ' source ' || l.source_ref || ' over ' || l.amount_nano || ': '
      || CASE WHEN g.id IS NULL THEN 'no ledger entry' ELSE 'ledger entry ' || g.id || ' of budget ' || g.budget_id || ' is over '
        || g.amount_nano END AS line
    FROM credit_lots l LEFT JOIN grants g ON g.lot_ref = l.source_ref
    WHERE g.id IS NULL OR g.amount_nano != l.amount_nano OR g.budget_id != l.budget_id
    UNION ALL SELECT 'ledger entry ' || g.id || ' ' || g.kind || ' ' || g.ref || ' of budget ' || g.budget_id || ' over ' || g.amount_nano
      || ': no lot' FROM grants g LEFT JOIN credit_lots l ON l.source_ref = g.lot_ref WHERE l.id IS NULL`,
}

const ADJUSTMENTS_AND_AUDIT: Check = {
  sql: `WITH adjusted AS MATERIALIZED (SELECT e.id, e.ref, e.budget_id, e.amount_nano, e.tenant_id FROM ledger_entries e
      WHERE e.kind = 'adjustment' AND NOT ${FORGIVEN}),
    audited AS MATERIALIZED (SELECT ref, min(id) AS id, min(target) AS target, min(tenant_id) AS tenant_id, count(*) AS lines
      FROM audit_log WHERE action = 'budget.adjust' GROUP BY ref)
    SELECT 'ledger entry ' || e.id || ' adjustment ' || e.ref || ' of budget ' || e.budget_id || ' over ' || e.amount_nano || ': '
      || CASE WHEN a.id IS NULL THEN 'no audit_log row' WHEN a.lines > 1 THEN a.lines || ' audit_log rows'
        ELSE 'audit_log row ' || a.id || ' is about ' || a.target END AS line
    FROM adjusted e LEFT JOIN audited a ON a.ref = e.ref
    WHERE a.id IS NULL OR a.lines > 1 OR a.target != e.budget_id OR a.tenant_id != e.tenant_id
    UNION ALL SELECT 'audit_log row ' || a.id || ' ' || a.ref || ': no ledger entry' FROM audited a
    LEFT JOIN adjusted e ON e.ref = a.ref WHERE e.id IS NULL`,
}

/** What leaves a period must enter the next one of the same budget: an entry belongs to the boundary that it crosses. */
const CARRIED: Check = {
  sql: `WITH resets AS (SELECT budget_id, period_key, lag(period_key) OVER (PARTITION BY budget_id ORDER BY period_key) AS before
      FROM (SELECT DISTINCT budget_id, period_key FROM ledger_entries WHERE kind = 'reset')),
    carried AS (SELECT e.budget_id, e.amount_nano,
        CASE WHEN e.ref LIKE '%:out' THEN e.period_key ELSE coalesce(r.before, '(nothing)') END AS boundary
      FROM ledger_entries e LEFT JOIN resets r ON r.budget_id = e.budget_id AND r.period_key = e.period_key WHERE e.kind = 'carry_over')
    SELECT 'budget ' || budget_id || ' carry_over out of ' || boundary || ': in and out differ by ' || sum(amount_nano) AS line
    FROM carried GROUP BY budget_id, boundary HAVING sum(amount_nano) != 0`,
}

/** A closing entry without a later reset, or a lot's expiry without the lot, took money for no reason. */
const CLOSING: Check = {
  sql: `SELECT 'ledger entry ' || e.id || ' ' || e.kind || ' ' || e.ref || ' of budget ' || e.budget_id || ' over ' || e.amount_nano
      || ': its period ' || e.period_key || ' was not followed by a reset' AS line
    FROM ledger_entries e WHERE e.ref IN (e.budget_id || ':' || e.period_key || ':expiry', e.budget_id || ':' || e.period_key || ':forgiven',
      e.budget_id || ':' || e.period_key || ':out') AND NOT EXISTS (SELECT 1 FROM ledger_entries r WHERE r.budget_id = e.budget_id
      AND r.kind = 'reset' AND r.period_key > e.period_key)
    UNION ALL SELECT 'ledger entry ' || e.id || ' expiry ' || e.ref || ' of budget ' || e.budget_id || ' over ' || e.amount_nano
      || ': no such lot expired' FROM ledger_entries e
    WHERE e.kind = 'expiry' AND e.ref NOT LIKE 'late:%' AND e.ref != e.budget_id || ':' || e.period_key || ':expiry'
    AND NOT EXISTS (SELECT 1 FROM credit_lots l WHERE l.id || ':expiry' = e.ref AND l.id = substr(e.ref, 1, length(e.ref) - 7)
      AND l.budget_id = e.budget_id AND l.state != 'open')`,
}

/** On money the excess of a closed period is charged to a later one; on limits it is forgiven and has no charge. */
const LATE_USAGE: Check = {
  sql: `WITH late AS (SELECT budget_id, amount_nano, CASE WHEN ref LIKE '%:excess' THEN 1 ELSE 0 END AS excess,
        CASE WHEN ref LIKE '%:excess' THEN substr(ref, 1, length(ref) - 7) WHEN ref LIKE '%:charge' THEN substr(ref, 1, length(ref) - 7)
          ELSE ref END AS batch FROM ledger_entries WHERE kind = 'late_usage')
    SELECT b.scope || ' budget ' || l.budget_id || ' ' || l.batch || ': excess and charge differ by ' || sum(l.amount_nano) AS line
    FROM late l JOIN budgets b ON b.id = l.budget_id GROUP BY l.budget_id, l.batch
    HAVING (b.policy = 'money' AND sum(l.amount_nano) != 0) OR (b.policy = 'limit' AND (sum(l.excess) != count(*) OR min(l.amount_nano) < 0))`,
}

/**
 * The total is what the lots brought into the period, less what lowered it without a lot: negative adjustments, charges
 * for late usage, and on money a debt (then no lot was left to carry) or plus a surplus that corrections left.
 */
const LOTS_AND_TOTAL: Check = {
  sql: `WITH lots AS (SELECT budget_id, sum(open_nano) AS open FROM credit_lots WHERE state IN ('open', 'expired') GROUP BY budget_id),
    lowered AS (SELECT e.budget_id,
        sum(CASE WHEN e.kind IN ('adjustment', 'late_usage') AND e.amount_nano < 0 THEN e.amount_nano ELSE 0 END) AS nano,
        sum(CASE WHEN e.kind = 'carry_over' THEN e.amount_nano ELSE 0 END) AS carried
      FROM ledger_entries e JOIN budgets b ON b.id = e.budget_id AND b.period_key = e.period_key GROUP BY e.budget_id),
    sums AS (SELECT b.id, b.scope, b.policy, b.total_nano, coalesce(l.open, 0) AS open, coalesce(w.nano, 0) AS nano,
        coalesce(w.carried, 0) AS carried, b.total_nano - coalesce(l.open, 0) - coalesce(w.nano, 0) AS rest
      FROM budgets b LEFT JOIN lots l ON l.budget_id = b.id LEFT JOIN lowered w ON w.budget_id = b.id)
    SELECT scope || ' budget ' || id || ': total_nano ' || total_nano || ', lots ' || open || ', lowered by ' || nano || ', carried in '
      || carried || ': ' || rest || ' is unexplained' AS line
    FROM sums WHERE NOT CASE WHEN policy = 'limit' THEN rest = 0 WHEN carried < 0 THEN rest = carried ELSE rest BETWEEN 0 AND carried END`,
}

export function checkCauses(): Finding {
  const checks = [LOTS_AND_ENTRIES, ADJUSTMENTS_AND_AUDIT, CARRIED, CLOSING, LATE_USAGE, LOTS_AND_TOTAL]
  return checkAll("I4", "ledger, lots, carry-overs, late usage and audit log explain each other", checks)
}

const RESETS: Check = {
  sql: `WITH resets AS MATERIALIZED (SELECT budget_id, period_key, count(*) AS times, sum(amount_nano) AS total FROM ledger_entries
      WHERE kind = 'reset' GROUP BY budget_id, period_key)
    SELECT 'budget ' || budget_id || ' period ' || period_key || ': ' || times || ' resets, together ' || total AS line
    FROM resets WHERE times > 1
    UNION ALL SELECT b.scope || ' budget ' || b.id || ' period ' || b.period_key || ': no reset opened its current period'
    FROM budgets b LEFT JOIN resets r ON r.budget_id = b.id AND r.period_key = b.period_key WHERE r.times IS NULL`,
}

export function checkResets(): Finding {
  return checkAll("I8", "one reset per budget and period", [RESETS])
}
