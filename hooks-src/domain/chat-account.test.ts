import { describe, expect, it } from "vitest"
import type { ChatPerson } from "./chat-access"
import { type AccountThere, decideAccount } from "./chat-account"

const TENANT = { tenantId: "t1", adminEmail: "ops@chat.example" }
const ANNA: ChatPerson = {
  userId: "u1",
  email: "Anna@example.com",
  verified: true,
  name: "Anna",
  role: "member",
  status: "active",
  tenantId: "t1",
}
const THERE: AccountThere = { externalId: "u1", userName: "anna@example.com", displayName: "Anna", active: true }

describe("an account in the chat", () => {
  it.each<[string, Partial<ChatPerson> | null, Partial<AccountThere>, Record<string, unknown>]>([
    ["is left alone when it says the same", {}, {}, {}],
    ["is linked when it was made by a sign-in", {}, { externalId: null }, { externalId: "u1" }],
    ["is deactivated with its user", { status: "suspended" }, {}, { active: false }],
    ["stays inactive with its user", { status: "suspended" }, { active: false }, {}],
    ["comes back with its user", {}, { active: false }, { active: true }],
    ["follows a confirmed address", { email: "Anna.B@example.com" }, {}, { userName: "anna.b@example.com" }],
    ["does not learn an unconfirmed address", { email: "boss@example.com", verified: false }, {}, {}],
    ["does not learn the administrator's address", { email: "ops@chat.example" }, {}, {}],
    ["follows the name", { name: "Anna B" }, {}, { displayName: "Anna B" }],
    ["is named by its address without a name", { name: "" }, {}, { displayName: "anna@example.com" }],
    ["is not named by an unconfirmed address", { name: "", verified: false }, {}, {}],
    ["is deactivated when its user is gone", null, {}, { active: false }],
    ["is deactivated when its user works for us now", { role: "operator", name: "X" }, {}, { active: false }],
    ["is deactivated when its user is another tenant's", { tenantId: "t2", name: "X" }, {}, { active: false }],
  ])("%s", (_name, person, there, changes) => {
    const verdict = decideAccount("u1", person === null ? null : { ...ANNA, ...person }, { ...THERE, ...there }, TENANT)
    expect(verdict).toEqual({ verdict: "change", active: expect.any(Boolean), changes })
  })

  it("of the administrator is never touched", () => {
    const there = { ...THERE, userName: "OPS@chat.example" }
    expect(decideAccount("u1", { ...ANNA, status: "suspended" }, there, TENANT)).toEqual({ verdict: "reserved" })
  })
})
