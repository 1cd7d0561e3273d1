import { type Configuration, readConfiguration } from "../pocketbase/configuration"
import { error as logError } from "../pocketbase/log"
import { resetDueBudgets } from "./bring-budgets-up-to-date"

/**
 * Before the server listens: check the configuration and the clock's zones, migrate, and make sure that the superuser (raw
 * dashboard) and the operator (portals) of POCKETBASE_ADMIN_* exist. With a superuser there, no install link is printed.
 */
export function prepareStart(): void {
  const { configuration, problems } = readConfiguration()
  const berlin = new DateTime("2026-01-15 00:00:00", "Europe/Berlin").unix()
  if (berlin === new DateTime("2026-01-15 00:00:00", "UTC").unix())
    problems.push("no time zone data found (install tzdata): every reset would happen at UTC midnight")
  if (problems.length > 0) throw new Error(`the configuration is not usable:\n  - ${problems.join("\n  - ")}`)
  $app.runAllMigrations()
  ensureSuperuser(configuration)
  ensureOperator(configuration)
  catchUp()
}

/** Resets that came due while the server was down. A failure here must not keep calls from being booked: the cron tries again. */
function catchUp(): void {
  try {
    resetDueBudgets()
  } catch (thrown) {
    logError("the reset sweep at the start failed", { error: String(thrown) })
  }
}

function ensureSuperuser({ adminEmail, adminPassword }: Configuration): void {
  const collection = $app.findCollectionByNameOrId("_superusers")
  const record = findByEmail("_superusers", adminEmail) ?? new Record(collection)
  if (!record.isNew() && record.validatePassword(adminPassword)) return
  record.setEmail(adminEmail)
  record.setPassword(adminPassword)
  $app.save(record)
}

function ensureOperator({ adminEmail, adminPassword }: Configuration): void {
  const found = findByEmail("users", adminEmail)
  const record = found ?? new Record($app.findCollectionByNameOrId("users"))
  const right =
    !record.isNew() &&
    record.validatePassword(adminPassword) &&
    record.getString("role") === "operator" &&
    record.getString("status") === "active"
  if (right) return
  if (found && found.getString("tenant_id") !== "")
    throw new Error(`POCKETBASE_ADMIN_EMAIL ${adminEmail} is a user of a tenant: operators have an address of their own`)
  record.setEmail(adminEmail)
  record.setVerified(true)
  record.setPassword(adminPassword)
  record.set("role", "operator")
  record.set("status", "active")
  $app.save(record)
}

function findByEmail(collection: string, email: string): core.Record | null {
  return $app.findRecordsByFilter(collection, "email = {:email}", "", 1, 0, { email })[0] ?? null
}
