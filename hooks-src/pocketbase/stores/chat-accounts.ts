import type { ChatPerson } from "../../domain/chat-access"
import { dbTime } from "../clock"
import { type Db, execute, newId, selectJson } from "../db"

const PERSON = `json_object('userId', u.id, 'email', u.email, 'verified', json(CASE WHEN u.verified THEN 'true' ELSE 'false' END),
  'name', u.name, 'role', u.role, 'status', u.status, 'tenantId', u.tenant_id)`

/** A user as sign-in and provisioning see them, at this moment. */
export function findChatPerson(db: Db, userId: string): ChatPerson | null {
  return (
    selectJson<ChatPerson[]>(db, `SELECT json_group_array(${PERSON}) AS j FROM users u WHERE u.id = {:userId}`, { userId })[0] ??
    null
  )
}

export function activeUsersOfTenant(db: Db, tenantId: string): string[] {
  return selectJson<string[]>(
    db,
    `SELECT json_group_array(id) AS j FROM users
     WHERE tenant_id = {:tenantId} AND status = 'active' AND role IN ('member', 'tenant_admin')`,
    { tenantId },
  )
}

/** Which account of the tenant's chat is this user's? */
export interface ChatAccount {
  tenantId: string
  userId: string
  /** The chat's own id of the user, as its signed token names it. */
  chatUserId: string
  state: "active" | "inactive"
}

export function findChatAccount(db: Db, tenantId: string, userId: string): ChatAccount | null {
  return (
    selectJson<ChatAccount[]>(
      db,
      `SELECT json_group_array(json_object('tenantId', tenant_id, 'userId', user_id, 'chatUserId', chat_user_id, 'state', state))
       AS j FROM chat_accounts WHERE tenant_id = {:tenantId} AND user_id = {:userId}`,
      { tenantId, userId },
    )[0] ?? null
  )
}

export function saveChatAccount(tx: Db, account: ChatAccount, nowMs: number): void {
  execute(
    tx,
    `INSERT INTO chat_accounts (id, tenant_id, user_id, chat_user_id, state, created, updated)
     VALUES ({:id}, {:tenantId}, {:userId}, {:chatUserId}, {:state}, {:now}, {:now})
     ON CONFLICT (tenant_id, user_id) DO UPDATE SET chat_user_id = excluded.chat_user_id, state = excluded.state,
       updated = excluded.updated`,
    { id: newId(nowMs), ...account, now: dbTime(nowMs) },
  )
}

/** The chat no longer knows the account: what it was linked to must not be trusted either. */
export function deleteChatAccount(tx: Db, tenantId: string, userId: string): void {
  execute(tx, "DELETE FROM chat_accounts WHERE tenant_id = {:tenantId} AND user_id = {:userId}", { tenantId, userId })
}
