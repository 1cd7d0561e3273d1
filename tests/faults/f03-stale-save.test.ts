/** F3: a save of a whole record carries stale values of its other fields. They must not undo what somebody else just decided. */
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetOf, EUR, expectSoundBooks, waitUntil } from "./books"

const USERS = 6

let platform: Platform
let tenant: Tenant
let products: [string, string]

beforeAll(async () => {
  platform = await startPlatform()
  tenant = await platform.createTenant()
  const make = async (euro: number) => (await platform.createProduct({ budget_included: euro })).id
  products = [await make(10), await make(90)]
})
afterAll(() => platform.stop())

const stored = (id: string) =>
  platform.sql<Record<string, string>>("SELECT * FROM users WHERE id = ?", [id])[0] as Record<string, string>

/** A user who saves the own name from four connections without pause while the work is done. */
async function whileRenaming(user: { id: string; email: string; password: string }, work: () => Promise<unknown>): Promise<void> {
  const token = await platform.tokenOf(user)
  let working = true
  const rename = async () => {
    for (let n = 0; working; n++) {
      const answer = await platform.request("PATCH", `/api/collections/users/records/${user.id}`, {
        token,
        body: { name: `me ${n}` },
      })
      if (answer.status !== 200) return
    }
  }
  const connections = [rename(), rename(), rename(), rename()]
  await waitUntil("the user is saving", () => stored(user.id).name?.startsWith("me ") === true)
  await work()
  working = false
  await Promise.all(connections)
}

const DECISIONS: [string, () => Record<string, unknown>][] = [
  ["a suspension", () => ({ status: "suspended" })],
  ["another product", () => ({ product_id: products[1] })],
  ["another role", () => ({ role: "tenant_admin" })],
]

test.each(DECISIONS)("%s is not undone by the user's own save at the same time", async (_, decision) => {
  for (let i = 0; i < USERS; i++) {
    const user = await platform.createUser({ tenant_id: tenant.id, product_id: products[0] })
    await whileRenaming(user, () => platform.superuser.collection("users").update(user.id, decision()))
    expect(stored(user.id)).toMatchObject(decision())
  }
})

test("an upgrade that raced with saves leaves the product, its version and the budget in agreement", () => {
  const upgraded = platform.sql<{ id: string }>("SELECT id FROM users WHERE product_id = ?", [products[1]])
  expect(upgraded.length).toBe(USERS)
  for (const { id } of upgraded) expect(budgetOf(platform, tenant.id, id).allowance_nano).toBe(90 * EUR)
})

test("the books are sound", () => expectSoundBooks(platform))
