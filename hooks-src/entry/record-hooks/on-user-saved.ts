import { nowMs } from "../../pocketbase/clock"
import { latestProductVersion } from "../../pocketbase/stores/seats"
import { changeSeat } from "../../usecases/change-seat"
import { enqueueUserSync } from "../../usecases/provision-chat-user"

/** What a seat and its allowance depend on. */
const SEAT_FACTS = ["tenant_id", "status", "product_version_id"]

/** What the tenant's chat knows of a user. */
const CHAT_FACTS = ["tenant_id", "email", "verified", "name", "role", "status"]

/** Pins the product's version, ends the sessions of whoever is no longer active, and grants what a new seat brings. */
export function onUserSaved(e: core.RecordEvent): void {
  const user = e.record as core.Record
  const before = user.isNew() ? null : user.original()
  const tenantId = user.getString("tenant_id")
  if (before && before.getString("tenant_id") !== "" && before.getString("tenant_id") !== tenantId) {
    throw new BadRequestError(
      "A user cannot move to another tenant: usage and ledger stay with the first. Invite them there instead.",
    )
  }
  const productId = user.getString("product_id")
  if (!before || before.getString("product_id") !== productId) {
    user.set("product_version_id", productId === "" ? "" : (latestProductVersion(e.app, productId)?.id ?? ""))
  }
  if (before && before.getString("status") === "active" && user.getString("status") !== "active") user.refreshTokenKey()
  // Two saves of one record may race: each writes only what it changed, so that neither undoes the other.
  if (!user.isNew()) user.ignoreUnchangedFields(true)
  const outer = e.app
  outer.runInTransaction((tx) => {
    e.app = tx
    e.next()
    if (tenantId !== "" && changed(before, user, SEAT_FACTS)) changeSeat(tx, tenantId, user.id)
    if (tenantId !== "" && changed(before, user, CHAT_FACTS)) enqueueUserSync(tx, tenantId, user.id, nowMs())
  })
  e.app = outer
}

function changed(before: core.Record | null, after: core.Record, names: string[]): boolean {
  return !before || names.some((name) => before.getString(name) !== after.getString(name))
}
