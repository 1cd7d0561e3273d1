import { type Db, selectJson } from "../db"

export interface SummaryRow {
  group: string
  events: number
  tokensInput: number
  tokensOutput: number
  costNano: number
}

const GROUPS = { day: "substr(timestamp, 1, 10)", model: "model", user: "user_id", total: "''" } as const

export type SummaryGroup = keyof typeof GROUPS

/** The statement for one grouping and filter: by period (equals the ledger) or by time. */
export function summarySql(group: SummaryGroup, by: "period" | "time", oneUser: boolean): string {
  const range = by === "period" ? "period_key = {:period}" : "timestamp >= {:from} AND timestamp < {:to}"
  return `SELECT json_group_array(json_object('group', g, 'events', n, 'tokensInput', i, 'tokensOutput', o, 'costNano', c)) AS j
    FROM (SELECT ${GROUPS[group]} AS g, sum(corrects = '') AS n, sum(tokens_input) AS i, sum(tokens_output) AS o, sum(cost_nano) AS c
    FROM usage_logs WHERE tenant_id = {:tenantId}${oneUser ? " AND user_id = {:userId}" : ""} AND ${range} GROUP BY g ORDER BY g)`
}

export interface SummaryFilter {
  tenantId: string
  userId: string
  period?: string
  from?: string
  to?: string
}

export function usageSummary(db: Db, group: SummaryGroup, filter: SummaryFilter): SummaryRow[] {
  const { tenantId, userId, period, from, to } = filter
  const by = period === undefined ? "time" : "period"
  return selectJson<SummaryRow[]>(db, summarySql(group, by, userId !== ""), {
    tenantId,
    userId,
    period: period ?? "",
    from: from ?? "",
    to: to ?? "",
  })
}

export const DAILY_COSTS_OF_LINE = `SELECT json_group_array(c) AS j FROM (SELECT substr(timestamp, 1, 10) AS g, sum(cost_nano) AS c
  FROM usage_logs WHERE api_key_id != '' AND api_key_id IN (SELECT k.id FROM api_keys k WHERE k.budget_key_id = {:line})
  AND tenant_id = {:tenantId} AND timestamp >= {:from} GROUP BY g ORDER BY g)`

/** The same for a line of keys (a key and those that it was rotated from). */
export function dailyCostsOfLine(db: Db, tenantId: string, line: string, from: string): number[] {
  return selectJson<number[]>(db, DAILY_COSTS_OF_LINE, { tenantId, line, from })
}

/** Cost per UTC day with usage, oldest first; userId empty = the whole tenant. */
export function dailyCosts(db: Db, tenantId: string, userId: string, from: string): number[] {
  return usageSummary(db, "day", { tenantId, userId, from, to: "9999" }).map((row) => row.costNano)
}
