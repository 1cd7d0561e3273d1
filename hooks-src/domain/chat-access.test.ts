import { describe, expect, it } from "vitest"
import { type ChatPerson, type ChatTenant, refusalOfChat } from "./chat-access"

const TENANT: ChatTenant = { tenantId: "t1", tenantStatus: "active", adminEmail: "ops@chat.example" }
const PERSON: ChatPerson = {
  userId: "u1",
  email: "anna@example.com",
  verified: true,
  name: "Anna",
  role: "member",
  status: "active",
  tenantId: "t1",
}

describe("the chat of a tenant", () => {
  it.each<[string | null, Partial<ChatPerson>, Partial<ChatTenant>]>([
    [null, {}, {}],
    [null, { role: "tenant_admin" }, {}],
    [null, {}, { adminEmail: "" }],
    ["not_a_member", { tenantId: "t2" }, {}],
    ["not_a_member", { tenantId: "" }, { tenantId: "" }],
    ["not_a_member", { role: "operator" }, {}],
    ["not_a_member", { role: "sales" }, {}],
    ["not_a_member", { tenantId: "t2", status: "suspended", verified: false }, { tenantStatus: "suspended" }],
    ["tenant_suspended", {}, { tenantStatus: "suspended" }],
    ["tenant_suspended", {}, { tenantStatus: "pending" }],
    ["tenant_suspended", {}, { tenantStatus: "deleted" }],
    ["user_suspended", { status: "suspended" }, {}],
    ["user_suspended", { status: "pending" }, {}],
    ["email_unverified", { verified: false }, {}],
    ["address_reserved", { email: "ops@chat.example" }, {}],
    ["address_reserved", { email: "OPS@Chat.Example" }, { adminEmail: " ops@chat.example " }],
  ])("answers %s to %j at %j", (refusal, person, tenant) => {
    expect(refusalOfChat({ ...PERSON, ...person }, { ...TENANT, ...tenant })).toBe(refusal)
  })
})
