import { decideAccount } from "../domain/chat-account"
import { nowMs } from "../pocketbase/clock"
import { type Db, transaction } from "../pocketbase/db"
import { warn } from "../pocketbase/log"
import { findScimUser, patchScimUser, type ScimTarget } from "../pocketbase/scim-client"
import { activeUsersOfTenant, deleteChatAccount, findChatPerson, saveChatAccount } from "../pocketbase/stores/chat-accounts"
import { enqueueLatest, type LeasedMessage } from "../pocketbase/stores/outbox"
import { findStack, provisionsUsers } from "../pocketbase/stores/tenant-stacks"

/**
 * The chat makes an account by itself at the first sign-in, with our user id as its subject. Here it is linked (SCIM
 * externalId), kept current and closed. It is never created by SCIM: Open WebUI finds a person who signs in by the subject
 * only, so that an account that SCIM made would lock its owner out ("address taken"), unless accounts were merged by address.
 */
export const SYNC_USER = "scim.sync_user"

/** Tells the tenant's chat about a user, in the transaction of the change. Nothing happens where no chat is provisioned. */
export function enqueueUserSync(tx: Db, tenantId: string, userId: string, now: number, delayMs = 0): void {
  if (provisionsUsers(tx, tenantId)) enqueueLatest(tx, syncMessage(tenantId, userId), now, delayMs)
}

/** Tells a chat about all active users of its tenant: for the first save of its stack (`saveStack`), in that transaction. */
export function enqueueWholeTenant(tx: Db, tenantId: string, now: number): void {
  if (!provisionsUsers(tx, tenantId)) return
  for (const userId of activeUsersOfTenant(tx, tenantId)) enqueueLatest(tx, syncMessage(tenantId, userId), now)
}

function syncMessage(tenantId: string, userId: string) {
  return { kind: SYNC_USER, tenantId, dedupeKey: `${SYNC_USER}:${userId}`, payload: { user_id: userId } }
}

/**
 * Delivers `scim.sync_user`: reads the user as they are now, looks their account up and changes what differs. Any order and
 * number of deliveries ends in the same state. Throws if the chat cannot be reached or refuses.
 */
export function syncChatUser(message: LeasedMessage): void {
  const { tenantId, payload } = message
  const userId = payload.user_id ?? ""
  const stack = findStack($app, tenantId)
  if (!stack || stack.scimUrl === "") return
  const person = findChatPerson($app, userId)
  const target: ScimTarget = { url: stack.scimUrl.replace(/\/+$/, ""), token: stack.secrets.SCIM_TOKEN ?? "" }
  if (target.token === "") throw new Error("the stack has no SCIM_TOKEN")

  const account = findScimUser(target, userId)
  if (!account) {
    transaction((tx) => deleteChatAccount(tx, tenantId, userId))
    return
  }
  const decided = decideAccount(userId, person, account, stack)
  if (decided.verdict === "reserved") {
    warn("the chat's administrator is linked to a user: not touched", { tenant: tenantId, user: userId })
    return
  }
  const known = Object.keys(decided.changes).length === 0 || patchScimUser(target, account.id, decided.changes)
  const state = decided.active ? "active" : "inactive"
  transaction((tx) => {
    if (known && person) saveChatAccount(tx, { tenantId, userId, chatUserId: account.id, state }, nowMs())
    else deleteChatAccount(tx, tenantId, userId)
  })
}
