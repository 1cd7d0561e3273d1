import { validZone } from "../../pocketbase/clock"
import { seatsOfTenant } from "../../pocketbase/stores/seats"
import { changeSeat } from "../../usecases/change-seat"

/** Refuses a zone that the host does not know (it would silently be UTC), and grants allowances when a tenant goes live. */
export function onTenantSaved(e: core.RecordEvent): void {
  const tenant = e.record as core.Record
  const zone = tenant.getString("timezone")
  if (!validZone(zone)) throw new BadRequestError(`timezone: ${zone} is not an IANA time zone that this server knows`)
  if (zone === "") tenant.set("timezone", "Europe/Berlin")
  if (tenant.getString("language") === "") tenant.set("language", "de")
  if (tenant.getInt("anchor_day") === 0) tenant.set("anchor_day", 1)
  const goesLive =
    !tenant.isNew() && tenant.original().getString("status") !== "active" && tenant.getString("status") === "active"
  // Two saves of one record may race: each writes only what it changed, so that neither undoes the other.
  if (!tenant.isNew()) tenant.ignoreUnchangedFields(true)
  const outer = e.app
  outer.runInTransaction((tx) => {
    e.app = tx
    e.next()
    if (goesLive) for (const seat of seatsOfTenant(tx, tenant.id)) changeSeat(tx, tenant.id, seat.userId)
  })
  e.app = outer
}
