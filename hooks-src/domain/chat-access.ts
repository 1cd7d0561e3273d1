/** Who may enter a tenant's chat. Asked at every step of a sign-in, because minutes lie between the first and the last. */

export interface ChatPerson {
  userId: string
  email: string
  verified: boolean
  name: string
  role: string
  status: string
  tenantId: string
}

export interface ChatTenant {
  tenantId: string
  tenantStatus: string
  /** Address of the chat's own administrator, who can run code there. */
  adminEmail: string
}

export type ChatRefusal = "not_a_member" | "tenant_suspended" | "user_suspended" | "email_unverified" | "address_reserved"

const MEMBERS = ["member", "tenant_admin"]

/** The first reason that keeps the person out; null lets them in. Membership comes first: strangers learn nothing more. */
export function refusalOfChat(person: ChatPerson, tenant: ChatTenant): ChatRefusal | null {
  if (person.tenantId === "" || person.tenantId !== tenant.tenantId || !MEMBERS.includes(person.role)) return "not_a_member"
  if (tenant.tenantStatus !== "active") return "tenant_suspended"
  if (person.status !== "active") return "user_suspended"
  if (!person.verified) return "email_unverified"
  if (isReserved(person.email, tenant.adminEmail)) return "address_reserved"
  return null
}

/** Addresses are compared as the chat does it: without regard to case. */
export function isReserved(email: string, adminEmail: string): boolean {
  return adminEmail.trim() !== "" && email.trim().toLowerCase() === adminEmail.trim().toLowerCase()
}
