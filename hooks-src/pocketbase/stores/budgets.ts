import { type Db, execute, selectJson } from "../db"

export interface BudgetRow {
  id: string
  scope: "tenant" | "user" | "api_key"
  tenantId: string
  userId: string
  apiKeyId: string
  totalNano: number
  usedNano: number
  allowanceNano: number
  periodKey: string
  periodStart: string
  resetsAt: string
  policy: "money" | "limit"
  created: string
}

const AS_JSON = `json_object('id', id, 'scope', scope, 'tenantId', tenant_id, 'userId', user_id, 'apiKeyId', api_key_id,
  'totalNano', total_nano, 'usedNano', used_nano, 'allowanceNano', allowance_nano, 'periodKey', period_key,
  'periodStart', period_start, 'resetsAt', resets_at, 'policy', policy, 'created', created)`

export const TENANT_BUDGETS = `SELECT json_group_array(${AS_JSON}) AS j FROM budgets WHERE tenant_id = {:tenantId}`
export const TENANT_BUDGET = `SELECT json_group_array(${AS_JSON}) AS j FROM budgets
  WHERE tenant_id = {:tenantId} AND scope = 'tenant'`
export const USER_BUDGETS = `SELECT json_group_array(${AS_JSON}) AS j FROM budgets
  WHERE (tenant_id = {:tenantId} AND scope = 'tenant') OR (user_id = {:userId} AND user_id != '')`
export const DUE_TENANTS = "SELECT json_group_array(DISTINCT +tenant_id) AS j FROM budgets WHERE resets_at <= {:now}"

export function tenantBudgets(db: Db, tenantId: string): BudgetRow[] {
  return selectJson<BudgetRow[]>(db, TENANT_BUDGETS, { tenantId })
}

export function tenantBudget(db: Db, tenantId: string): BudgetRow | null {
  return selectJson<BudgetRow[]>(db, TENANT_BUDGET, { tenantId })[0] ?? null
}

/** The rows that apply to a user: the tenant's, the own, those of own keys. */
export function budgetsOfUser(db: Db, tenantId: string, userId: string): BudgetRow[] {
  return selectJson<BudgetRow[]>(db, USER_BUDGETS, { tenantId, userId })
}

export function findBudget(db: Db, id: string): BudgetRow | null {
  return selectJson<BudgetRow[]>(db, `SELECT json_group_array(${AS_JSON}) AS j FROM budgets WHERE id = {:id}`, { id })[0] ?? null
}

export function dueTenants(db: Db, now: string): string[] {
  return selectJson<string[]>(db, DUE_TENANTS, { now })
}

export function insertBudget(tx: Db, row: BudgetRow): void {
  execute(
    tx,
    `INSERT INTO budgets (id, scope, tenant_id, user_id, api_key_id, total_nano, used_nano, allowance_nano, period_key,
      period_start, resets_at, policy, created, updated)
     VALUES ({:id}, {:scope}, {:tenantId}, {:userId}, {:apiKeyId}, {:totalNano}, {:usedNano}, {:allowanceNano}, {:periodKey},
      {:periodStart}, {:resetsAt}, {:policy}, {:created}, {:created})`,
    { ...row },
  )
}

/** `charges` is JSON text [["budget id", nano], …], written by hand because a nano amount may not fit a JS number. */
export const ADD_USED = `UPDATE budgets SET used_nano = used_nano + d.cost, updated = {:now}
  FROM (SELECT value ->> 0 AS id, value ->> 1 AS cost FROM json_each({:charges})) AS d
  WHERE budgets.id = d.id AND budgets.period_key = {:periodKey}
    AND ({:budgetRow} = 0 OR (SELECT max(rowid) FROM budgets) = {:budgetRow})`

/**
 * Charges rows of the period; answers how many rows it found there (fewer = a reset came between, or a budget was opened).
 * @param budgetRow the newest row of budgets when it was decided which ones pay; 0 = decided in this transaction
 */
export function addUsed(tx: Db, charges: Map<string, bigint>, periodKey: string, budgetRow: number, now: string): number {
  const pairs: string[] = []
  charges.forEach((cost, id) => {
    pairs.push(`["${id}",${cost}]`)
  })
  return execute(tx, ADD_USED, { charges: `[${pairs.join(",")}]`, periodKey, budgetRow, now })
}

export function addTotal(tx: Db, id: string, amountNano: number, now: string): void {
  execute(tx, "UPDATE budgets SET total_nano = total_nano + {:amountNano}, updated = {:now} WHERE id = {:id}", {
    id,
    amountNano,
    now,
  })
}

export function setAllowance(tx: Db, id: string, allowanceNano: number): void {
  execute(tx, "UPDATE budgets SET allowance_nano = {:allowanceNano} WHERE id = {:id}", { id, allowanceNano })
}

export function moveToPeriod(tx: Db, row: BudgetRow, now: string): void {
  execute(
    tx,
    `UPDATE budgets SET total_nano = {:totalNano}, used_nano = 0, allowance_nano = {:allowanceNano}, period_key = {:periodKey},
      period_start = {:periodStart}, resets_at = {:resetsAt}, updated = {:now} WHERE id = {:id}`,
    {
      id: row.id,
      totalNano: row.totalNano,
      allowanceNano: row.allowanceNano,
      periodKey: row.periodKey,
      periodStart: row.periodStart,
      resetsAt: row.resetsAt,
      now,
    },
  )
}

/** The rows that usage of this user and key was charged to. */
export function chargedBudgets(tx: Db, tenantId: string, userId: string, apiKeyId: string): string[] {
  return selectJson<string[]>(
    tx,
    `SELECT json_group_array(id) AS j FROM budgets WHERE tenant_id = {:tenantId} AND (scope = 'tenant'
     OR (scope = 'user' AND user_id = {:userId}) OR (scope = 'api_key' AND api_key_id = (SELECT k.budget_key_id FROM api_keys k WHERE k.id = {:apiKeyId})))`,
    { tenantId, userId, apiKeyId },
  )
}
