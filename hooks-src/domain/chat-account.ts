/** What a chat's account must become so that it says the same as our user. */
import { type ChatPerson, isReserved } from "./chat-access"

/** The account as the chat describes it. */
export interface AccountThere {
  externalId: string | null
  userName: string
  displayName: string
  active: boolean
}

export type AccountVerdict =
  /** The chat's own administrator: we never touch that account, whoever it seems to belong to. */
  { verdict: "reserved" } | { verdict: "change"; active: boolean; changes: Record<string, string | boolean> }

/**
 * `person` is null for a user who is gone. Only what differs is changed. An address that is not confirmed is not told to the
 * chat: it may be somebody else's, who has an account there.
 */
export function decideAccount(
  userId: string,
  person: ChatPerson | null,
  there: AccountThere,
  tenant: { tenantId: string; adminEmail: string },
): AccountVerdict {
  if (isReserved(there.userName, tenant.adminEmail)) return { verdict: "reserved" }
  const belongs = person !== null && person.tenantId === tenant.tenantId && ["member", "tenant_admin"].includes(person.role)
  const active = belongs && person.status === "active"
  const changes: Record<string, string | boolean> = {}
  if (there.active !== active) changes.active = active
  if (there.externalId !== userId) changes.externalId = userId
  if (belongs) {
    const email = person.email.toLowerCase()
    const name = person.name === "" ? email : person.name
    const mayTell = person.verified && !isReserved(email, tenant.adminEmail)
    if (mayTell && there.userName.toLowerCase() !== email) changes.userName = email
    if (there.displayName !== name && (person.name !== "" || mayTell)) changes.displayName = name
  }
  return { verdict: "change", active, changes }
}
