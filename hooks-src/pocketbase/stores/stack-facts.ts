import { type Db, selectJson } from "../db"

/** What a bundle is made from, besides the stack itself and the price book. */
export interface BundleTenant {
  id: string
  slug: string
  domain: string
  status: string
  language: string
  /** The owner's free field; `{"providers": ["openai", …]}` says whose keys the stack has. */
  services: unknown
}

export const FIND_BUNDLE_TENANT = `SELECT json_group_array(json_object('id', id, 'slug', slug, 'domain', domain, 'status', status,
  'language', language, 'services', CASE WHEN json_valid(services) THEN json(services) END)) AS j
  FROM tenants WHERE id = {:id}`

export function findBundleTenant(db: Db, id: string): BundleTenant | null {
  return selectJson<BundleTenant[]>(db, FIND_BUNDLE_TENANT, { id })[0] ?? null
}

/** Suspended people count: they may be back tomorrow, and the gate refuses them call by call. */
export const PRODUCT_MODELS = `SELECT json_group_array(json(models)) AS j FROM product_versions WHERE id IN (
  SELECT CASE WHEN u.product_version_id != '' THEN u.product_version_id ELSE
    (SELECT p.id FROM product_versions p WHERE p.product_id = u.product_id ORDER BY p.version DESC LIMIT 1) END
  FROM users u WHERE u.tenant_id = {:tenantId} AND u.product_id != '')`

/** The model lists of the product versions that the tenant's users have, each once, as they are stored. */
export function productModelLists(db: Db, tenantId: string): unknown[] {
  return selectJson<unknown[]>(db, PRODUCT_MODELS, { tenantId })
}
