import { ApiProblem } from "../contract/error-codes"
import { nanoToEur } from "../domain/money"
import { type Caller, isOperator } from "../pocketbase/auth"
import { dbTime } from "../pocketbase/clock"
import { tenantBudget } from "../pocketbase/stores/budgets"
import { type SummaryFilter, type SummaryGroup, type SummaryRow, usageSummary } from "../pocketbase/stores/usage-summary"

export interface SummaryQuery {
  group: string
  /** Period key; the current period if neither it nor from/to is given. */
  period: string
  from: string
  to: string
  tenantId: string
}

/** Usage by day, model or user. A member sees the own rows, a tenant admin the tenant's, an operator any tenant's. */
export function summarizeUsage(caller: Caller, query: SummaryQuery) {
  const group = query.group === "" ? "day" : query.group
  if (!["day", "model", "user"].includes(group))
    throw new ApiProblem("invalid_field", "group must be one of day, model, user", { path: "group" })
  const filter = filterFor(caller, query)
  const rows = usageSummary($app, group as SummaryGroup, filter)
  const total = usageSummary($app, "total", filter)[0]
  return {
    group,
    period: filter.period ?? null,
    from: query.from || null,
    to: query.to || null,
    total: view(total ?? { group: "", events: 0, tokensInput: 0, tokensOutput: 0, costNano: 0 }),
    rows: rows.map((row) => ({ [group]: row.group, ...view(row) })),
  }
}

function filterFor(caller: Caller, query: SummaryQuery): SummaryFilter {
  const tenantId = isOperator(caller) ? query.tenantId : caller.tenantId
  if (caller.role === "sales") throw new ApiProblem("forbidden", "sales does not see usage")
  if (tenantId === "")
    throw new ApiProblem("invalid_field", "tenant_id is missing: an operator says whose usage", { path: "tenant_id" })
  if (query.tenantId !== "" && query.tenantId !== tenantId) throw new ApiProblem("forbidden", "this is another tenant's usage")
  const userId = caller.role === "member" ? caller.id : ""
  if (query.from === "" && query.to === "") {
    const period = query.period === "" ? (tenantBudget($app, tenantId)?.periodKey ?? "none") : query.period
    return { tenantId, userId, period }
  }
  return { tenantId, userId, from: instant(query.from, "from", 0), to: instant(query.to, "to", 253_402_300_799_000) }
}

function instant(text: string, name: string, fallbackMs: number): string {
  const ms = text === "" ? fallbackMs : Date.parse(text)
  if (Number.isNaN(ms)) throw new ApiProblem("invalid_field", `${name} must be an RFC 3339 time`, { path: name })
  return dbTime(ms)
}

function view(row: SummaryRow) {
  return { events: row.events, tokens_input: row.tokensInput, tokens_output: row.tokensOutput, cost: nanoToEur(row.costNano) }
}
