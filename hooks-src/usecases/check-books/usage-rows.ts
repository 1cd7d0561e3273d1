/** I2 and I9: each usage row by itself, and against the rows that it names. */
import { type Check, checkAll, type Finding } from "./run-checks"

/** The unique index says so too; this also holds it against a folder whose index is gone or damaged. */
const EVENT_ONCE: Check = {
  sql: `SELECT 'tenant ' || tenant_id || ' event ' || event_id || ': ' || count(*) || ' rows' AS line
    FROM usage_logs NOT INDEXED GROUP BY tenant_id, event_id HAVING count(*) > 1`,
}

const CORRECTIONS: Check = {
  sql: `SELECT 'tenant ' || c.tenant_id || ' event ' || c.event_id || ' corrects ' || c.corrects || ': '
      || CASE WHEN o.id IS NULL THEN 'no such event in this tenant'
        WHEN c.price_status != 'corrected' THEN 'its price_status is ' || c.price_status
        WHEN o.price_status = 'corrected' THEN 'that is a correction itself'
        ELSE 'it has tokens or units of its own' END AS line
    FROM usage_logs c LEFT JOIN usage_logs o ON o.tenant_id = c.tenant_id AND o.event_id = c.corrects
    WHERE c.corrects != '' AND (o.id IS NULL OR c.price_status != 'corrected' OR o.price_status = 'corrected'
      OR c.tokens_input != 0 OR c.tokens_output != 0 OR c.total_tokens != 0 OR c.tokens_uncached != 0 OR c.tokens_cache_read != 0
      OR c.tokens_cache_write != 0 OR c.tokens_cache_write_1h != 0 OR c.tokens_reasoning != 0
      OR c.images != 0 OR c.audio_ms != 0 OR c.characters != 0)
    UNION ALL SELECT 'tenant ' || tenant_id || ' event ' || event_id || ': corrected, but it names no event' FROM usage_logs
    WHERE price_status = 'corrected' AND corrects = ''`,
}

const CORRECTED_ONCE: Check = {
  sql: `SELECT 'tenant ' || o.tenant_id || ' event ' || o.event_id || ': quarantined and corrected ' || count(*) || ' times' AS line
    FROM usage_logs o JOIN usage_logs c ON c.tenant_id = o.tenant_id AND c.corrects = o.event_id AND c.corrects != ''
    WHERE o.price_status = 'quarantined' GROUP BY o.id HAVING count(*) > 1`,
}

export function checkEvents(): Finding {
  return checkAll("I2", "one usage row per tenant and event; corrections are linked", [EVENT_ONCE, CORRECTIONS, CORRECTED_ONCE])
}

const TENANT_OF_USAGE: Check = {
  sql: `SELECT 'usage of tenant ' || g.tenant_id || ' event ' || g.event_id || ' (' || g.events || ' rows): user ' || g.user_id || ' is of tenant '
      || coalesce(u.tenant_id, '(no such user)') AS line
    FROM (SELECT tenant_id, user_id, min(event_id) AS event_id, count(*) AS events FROM usage_logs WHERE user_id != ''
      GROUP BY tenant_id, user_id) g LEFT JOIN users u ON u.id = g.user_id WHERE u.tenant_id IS NOT g.tenant_id
    UNION ALL SELECT 'usage of tenant ' || g.tenant_id || ' event ' || g.event_id || ' (' || g.events || ' rows): key ' || g.api_key_id
      || ' is of tenant ' || k.tenant_id
    FROM (SELECT tenant_id, api_key_id, min(event_id) AS event_id, count(*) AS events FROM usage_logs WHERE api_key_id != ''
      GROUP BY tenant_id, api_key_id) g JOIN api_keys k ON k.id = g.api_key_id WHERE k.tenant_id != g.tenant_id
    UNION ALL SELECT 'usage of tenant ' || g.tenant_id || ' event ' || g.event_id || ' (' || g.events || ' rows): there is no such tenant'
    FROM (SELECT tenant_id, min(event_id) AS event_id, count(*) AS events FROM usage_logs GROUP BY tenant_id) g
    WHERE NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = g.tenant_id)`,
}

/** Rows that copy their owner for the API rules: a wrong copy shows one customer's money to another. */
const OWNER_COPIES: Check = {
  sql: `SELECT what || ' is of tenant ' || r.tenant_id || ' user ' || r.user_id || ', its budget ' || r.budget_id || ' of tenant '
      || b.tenant_id || ' user ' || b.user_id AS line
    FROM (SELECT 'ledger row ' || id AS what, budget_id, tenant_id, user_id FROM ledger_entries
      UNION ALL SELECT 'lot ' || id, budget_id, tenant_id, user_id FROM credit_lots) r
    JOIN budgets b ON b.id = r.budget_id WHERE b.tenant_id != r.tenant_id OR b.user_id != r.user_id
    UNION ALL SELECT 'budget ' || b.id || ' is of tenant ' || b.tenant_id || ', its user ' || b.user_id || ' of tenant ' || u.tenant_id
    FROM budgets b JOIN users u ON u.id = b.user_id WHERE b.user_id != '' AND u.tenant_id != b.tenant_id`,
}

export function checkTenants(): Finding {
  return checkAll("I9", "usage, ledger, lots and budgets belong to the tenant of their user and key", [
    TENANT_OF_USAGE,
    OWNER_COPIES,
  ])
}
