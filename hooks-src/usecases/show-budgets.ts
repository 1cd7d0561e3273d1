import { ApiProblem } from "../contract/error-codes"
import { type Forecast, forecastRunOut } from "../domain/forecast"
import { nanoToEur } from "../domain/money"
import type { Caller } from "../pocketbase/auth"
import { dbTime, fromDbTime, nowMs } from "../pocketbase/clock"
import { type BudgetRow, budgetsOfUser } from "../pocketbase/stores/budgets"
import { heldByBudget } from "../pocketbase/stores/holds"
import { dailyCosts, dailyCostsOfLine } from "../pocketbase/stores/usage-summary"
import { bringTenantUpToDate } from "./bring-budgets-up-to-date"

const DAY_MS = 86_400_000
const FORECAST_DAYS = 14

export interface BudgetView {
  id: string
  scope: string
  /** Scope api_key: the first key of the line that it limits. */
  api_key_id?: string
  total: string
  used: string
  /** On hold for calls in flight; `remaining` still contains it. */
  held: string
  remaining: string
  period_key: string
  period_start: string
  resets_at: string
  forecast: Forecast
}

/** Every budget that limits the caller: the tenant's money, the own limit, the own keys' limits. */
export function showBudgets(caller: Caller): { budgets: BudgetView[] } {
  if (caller.tenantId === "") throw new ApiProblem("forbidden", "this login belongs to no tenant and has no budget")
  const now = nowMs()
  let rows = budgetsOfUser($app, caller.tenantId, caller.id)
  if (rows.length < 2 || rows.some((row) => fromDbTime(row.resetsAt) <= now)) {
    bringTenantUpToDate(caller.tenantId)
    rows = budgetsOfUser($app, caller.tenantId, caller.id)
  }
  const held = heldByBudget(
    $app,
    rows.map((row) => row.id),
    dbTime(now),
  )
  return { budgets: rows.map((row) => view(row, held.get(row.id) ?? 0, now)) }
}

function view(row: BudgetRow, heldNano: number, now: number): BudgetView {
  const remainingNano = row.totalNano - row.usedNano
  const sinceMs = Math.max(now - FORECAST_DAYS * DAY_MS, fromDbTime(row.created))
  const costs =
    row.scope === "api_key"
      ? dailyCostsOfLine($app, row.tenantId, row.apiKeyId, dbTime(sinceMs))
      : dailyCosts($app, row.tenantId, row.scope === "user" ? row.userId : "", dbTime(sinceMs))
  const days = Math.min(FORECAST_DAYS, Math.max(1, Math.ceil((now - sinceMs) / DAY_MS)))
  const daily = [...costs.slice(-days), ...Array(Math.max(0, days - costs.length)).fill(0)]
  return {
    id: row.id,
    scope: row.scope,
    ...(row.scope === "api_key" ? { api_key_id: row.apiKeyId } : {}),
    total: nanoToEur(row.totalNano),
    used: nanoToEur(row.usedNano),
    held: nanoToEur(heldNano),
    remaining: nanoToEur(remainingNano),
    period_key: row.periodKey,
    period_start: row.periodStart.replace(" ", "T"),
    resets_at: row.resetsAt.replace(" ", "T"),
    forecast: forecastRunOut(remainingNano, daily, now, fromDbTime(row.resetsAt)),
  }
}
