import { type Db, execute, newId } from "../db"

/** A model without a price must not run again for the tenant until one is published. */
export function blockModel(
  tx: Db,
  tenantId: string,
  model: string,
  provider: string,
  reason: string,
  now: string,
  nowMs: number,
): boolean {
  return (
    execute(
      tx,
      `INSERT INTO model_blocks (id, tenant_id, model, provider, reason, lifted_at, created)
       VALUES ({:id}, {:tenantId}, {:model}, {:provider}, {:reason}, '', {:now}) ON CONFLICT DO NOTHING`,
      { id: newId(nowMs), tenantId, model, provider, reason, now },
    ) === 1
  )
}

export function liftBlocks(tx: Db, models: string[], now: string): void {
  execute(
    tx,
    "UPDATE model_blocks SET lifted_at = {:now} WHERE lifted_at = '' AND model IN (SELECT value FROM json_each({:models}))",
    {
      models: JSON.stringify(models),
      now,
    },
  )
}
