/** All invariants of a data folder, one after the other. Reads only; the same while its server runs. */
import { selectJson } from "../../pocketbase/db"
import { checkAcknowledged } from "./acked-events"
import { checkBalances, checkPeriods } from "./balances"
import { checkCauses, checkResets } from "./causes"
import { checkHolds } from "./holds"
import { checkIntegrity } from "./integrity"
import { checkPrices } from "./prices"
import type { Finding } from "./run-checks"
import { checkEvents, checkTenants } from "./usage-rows"

const TABLES = [
  "tenants",
  "users",
  "api_keys",
  "budgets",
  "credit_lots",
  "ledger_entries",
  "usage_logs",
  "holds",
  "model_prices",
  "audit_log",
]

/** Tables that a folder of ours must have: without them "nothing is broken" would be a lie. */
export function missingTables(): string[] {
  return selectJson<string[]>(
    $app,
    `SELECT json_group_array(value) AS j FROM json_each({:tables})
     WHERE value NOT IN (SELECT name FROM sqlite_master WHERE type = 'table')`,
    { tables: JSON.stringify(TABLES) },
  )
}

/**
 * Lazily, so that each finding can be printed as soon as it is known.
 * @param ackedFile event ids that senders saw acknowledged; undefined: I3 is not checked
 */
export function bookChecks(ackedFile: string | undefined): (() => Finding)[] {
  const elsewhere = (id: string, summary: string) => (): Finding => ({ id, outcome: "not_applicable", summary, rows: [] })
  return [
    checkBalances,
    checkEvents,
    () => checkAcknowledged(ackedFile),
    checkCauses,
    checkHolds,
    elsewhere("I6", "proved by tests (replay)"),
    elsewhere("I7", "not applicable yet (Stripe)"),
    checkResets,
    checkTenants,
    checkIntegrity,
    checkPrices,
    checkPeriods,
  ]
}
