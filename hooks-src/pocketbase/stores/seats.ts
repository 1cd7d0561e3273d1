import { type Db, selectJson } from "../db"

export interface Seat {
  userId: string
  allowanceNano: number
  hasBudget: boolean
}

/** A seat is an active user with a product; everybody else of the tenant is listed with allowance 0. */
export const SEATS_OF_TENANT = `SELECT json_group_array(json_object('userId', u.id,
  'allowanceNano', CASE WHEN u.status = 'active' AND v.id IS NOT NULL THEN v.budget_included_nano ELSE 0 END,
  'hasBudget', json(CASE WHEN b.id IS NULL THEN 'false' ELSE 'true' END))) AS j
  FROM users u
  LEFT JOIN product_versions v ON v.id = CASE WHEN u.product_version_id != '' THEN u.product_version_id ELSE
    (SELECT p.id FROM product_versions p WHERE p.product_id = u.product_id ORDER BY p.version DESC LIMIT 1) END
  LEFT JOIN budgets b ON b.user_id = u.id AND b.scope = 'user'
  WHERE u.tenant_id = {:tenantId}`

export function seatsOfTenant(db: Db, tenantId: string): Seat[] {
  return selectJson<Seat[]>(db, SEATS_OF_TENANT, { tenantId })
}

export interface TenantFacts {
  id: string
  slug: string
  status: string
  timezone: string
  anchorDay: number
}

export function findTenant(db: Db, id: string): TenantFacts | null {
  return (
    selectJson<TenantFacts[]>(
      db,
      `SELECT json_group_array(json_object('id', id, 'slug', slug, 'status', status, 'timezone', timezone,
       'anchorDay', anchor_day)) AS j FROM tenants WHERE id = {:id}`,
      { id },
    )[0] ?? null
  )
}

/** The newest version of a product; empty if it has none. */
export function latestProductVersion(db: Db, productId: string): { id: string; version: number } | null {
  return (
    selectJson<{ id: string; version: number }[]>(
      db,
      `SELECT json_group_array(json_object('id', id, 'version', version)) AS j FROM
       (SELECT id, version FROM product_versions WHERE product_id = {:productId} ORDER BY version DESC LIMIT 1)`,
      { productId },
    )[0] ?? null
  )
}
