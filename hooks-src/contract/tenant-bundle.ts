import * as v from "valibot"

/** POST /api/tenants/{id}/bundle: secrets to replace, by the name of their variable; all others stay as they are. */
export const TenantBundle = v.object({
  rotate: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(100))), v.maxLength(20)), []),
})
