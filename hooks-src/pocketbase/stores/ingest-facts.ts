import type { UserFact } from "../../domain/usage-batch"
import { type Db, selectJson } from "../db"
import type { BudgetRow } from "./budgets"

/** What booking a batch must know of users, keys and the tenant's budget row, in one statement. */
export const INGEST_FACTS = `SELECT json_object(
  'bookRow', (SELECT max(rowid) FROM model_prices), 'budgetRow', (SELECT max(rowid) FROM budgets),
  'tenantBudget', (SELECT json_object('id', id, 'periodKey', period_key, 'periodStart', period_start, 'resetsAt', resets_at)
    FROM budgets WHERE tenant_id = {:tenantId} AND scope = 'tenant'),
  'users', (SELECT json_group_array(json_object('id', u.id, 'tenantId', u.tenant_id, 'budgetId', coalesce(b.id, ''),
      'periodKey', coalesce(b.period_key, '')))
    FROM users u LEFT JOIN budgets b ON b.user_id = u.id AND b.scope = 'user'
    WHERE u.id IN (SELECT value FROM json_each({:userIds})
      UNION SELECT o.user_id FROM api_keys o WHERE o.id IN (SELECT value FROM json_each({:keyIds}))
      UNION SELECT o.user_id FROM api_keys o WHERE o.key_hash IN (SELECT value FROM json_each({:keyHashes})))),
  'keys', (SELECT json_group_array(json_object('id', k.id, 'hash', k.key_hash, 'tenantId', k.tenant_id, 'userId', k.user_id,
      'budgetId', coalesce((SELECT b.id FROM budgets b WHERE b.tenant_id = k.tenant_id AND b.scope = 'api_key'
        AND b.user_id = k.user_id AND b.api_key_id = k.budget_key_id), '')))
    FROM api_keys k WHERE k.id IN (SELECT value FROM json_each({:keyIds}))
      OR k.key_hash IN (SELECT value FROM json_each({:keyHashes})))) AS j`

export interface IngestFacts {
  /** The newest row of the price book, or null: what was read of the book before it still holds. */
  bookRow: number | null
  /** The newest row of budgets: a budget that is opened before the batch is saved must be charged too. */
  budgetRow: number | null
  tenantBudget: Pick<BudgetRow, "id" | "periodKey" | "periodStart" | "resetsAt"> | null
  users: (UserFact & { id: string; periodKey: string })[]
  keys: (UserFact & { id: string; hash: string; userId: string })[]
}

export function ingestFacts(db: Db, tenantId: string, userIds: string[], keyIds: string[], keyHashes: string[]): IngestFacts {
  return selectJson<IngestFacts>(db, INGEST_FACTS, {
    tenantId,
    userIds: JSON.stringify(userIds),
    keyIds: JSON.stringify(keyIds),
    keyHashes: JSON.stringify(keyHashes),
  })
}
