import { type Db, execute, selectJson } from "../db"

/** An ingest key and the tenant it belongs to: the tenant of every event is the key's, never the body's. */
export interface IngestKey {
  id: string
  tenantId: string
  status: string
  route: "any" | "events" | "litellm"
  expiresAt: string
  lastUsed: string
  timezone: string
  anchorDay: number
}

export const FIND_BY_HASH = `SELECT json_group_array(json_object('id', k.id, 'tenantId', k.tenant_id, 'status', k.status,
  'route', k.route, 'expiresAt', k.expires_at, 'lastUsed', k.last_used, 'timezone', t.timezone, 'anchorDay', t.anchor_day)) AS j
  FROM ingest_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.key_hash = {:hash}`

export function findIngestKeyByHash(db: Db, hash: string): IngestKey | null {
  return selectJson<IngestKey[]>(db, FIND_BY_HASH, { hash })[0] ?? null
}

export function touchIngestKey(db: Db, id: string, now: string): void {
  execute(db, "UPDATE ingest_keys SET last_used = {:now} WHERE id = {:id}", { id, now })
}

export interface NewIngestKey {
  id: string
  tenantId: string
  name: string
  hash: string
  prefix: string
  last4: string
  route: string
  now: string
}

export function insertIngestKey(tx: Db, key: NewIngestKey): void {
  execute(
    tx,
    `INSERT INTO ingest_keys (id, tenant_id, name, key_hash, prefix, last4, status, route, expires_at, last_used, created)
     VALUES ({:id}, {:tenantId}, {:name}, {:hash}, {:prefix}, {:last4}, 'active', {:route}, '', '', {:now})`,
    { ...key },
  )
}

export function findIngestKey(
  db: Db,
  id: string,
): { id: string; tenantId: string; name: string; route: string; status: string; expiresAt: string } | null {
  return (
    selectJson<{ id: string; tenantId: string; name: string; route: string; status: string; expiresAt: string }[]>(
      db,
      `SELECT json_group_array(json_object('id', id, 'tenantId', tenant_id, 'name', name, 'route', route, 'status', status,
       'expiresAt', expires_at)) AS j FROM ingest_keys WHERE id = {:id}`,
      { id },
    )[0] ?? null
  )
}

export function expireIngestKey(tx: Db, id: string, at: string): void {
  execute(tx, "UPDATE ingest_keys SET expires_at = {:at} WHERE id = {:id}", { id, at })
}

export function revokeIngestKey(tx: Db, id: string): void {
  execute(tx, "UPDATE ingest_keys SET status = 'revoked' WHERE id = {:id}", { id })
}
