/** F3: 64 clients deduct from one user while whole-record saves of the same user rain on it, forged amounts included. */
import { afterAll, beforeAll, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetOf, costOf, EUR, expectSoundBooks, PRICE, seededRandom, send, usageEvent } from "./books"

const CLIENTS = 64
const REQUESTS_PER_CLIENT = 20

let platform: Platform
let tenant: Tenant
let user: { id: string; email: string; password: string }

beforeAll(async () => {
  platform = await startPlatform()
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  user = await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct()).id })
})
afterAll(() => platform.stop())

interface Projection {
  name: string
  budget_total: number
  budget_used: number
  budget_remaining: number
  budget_reset_date: string
}

function projection(): Projection {
  const query = "SELECT name, budget_total, budget_used, budget_remaining, budget_reset_date FROM users WHERE id = ?"
  return platform.sql<Projection>(query, [user.id])[0] as Projection
}

test("no deduction is lost to a parallel save of the user, and no forged budget survives", async () => {
  const random = seededRandom(3)
  const events = Array.from({ length: CLIENTS * REQUESTS_PER_CLIENT * 2 }, (_, i) =>
    usageEvent(`parallel-${i}`, user.id, 1 + Math.floor(random() * 3_000), Date.now()),
  )
  let running = CLIENTS
  const client = async (index: number) => {
    for (let n = 0; n < REQUESTS_PER_CLIENT; n++) {
      const first = (index * REQUESTS_PER_CLIENT + n) * 2
      for (const result of await send(platform, tenant, events.slice(first, first + 2))) expect(result.verdict).toBe("accepted")
    }
    running -= 1
  }
  const token = await platform.tokenOf(user)
  const route = `/api/collections/users/records/${user.id}`
  const forged = {
    budget_used: 0,
    budget_total: 1_000_000,
    budget_remaining: 1_000_000,
    budget_reset_date: "2030-01-01 00:00:00.000Z",
  }
  const patches = { superuser: 0, self: 0 }
  const patch = async (who: keyof typeof patches) => {
    for (; running > 0; patches[who]++) {
      const body = who === "self" ? { name: `self ${patches.self}` } : { name: `superuser ${patches.superuser}`, ...forged }
      const answer =
        who === "self"
          ? await platform.request("PATCH", route, { token, body })
          : await platform.asSuperuser("PATCH", route, body)
      expect(answer.status).toBe(200)
    }
  }
  await Promise.all([
    ...Array.from({ length: CLIENTS }, (_, i) => client(i)),
    patch("superuser"),
    patch("superuser"),
    patch("self"),
    patch("self"),
  ])
  expect(Math.min(patches.superuser, patches.self), "the race took place").toBeGreaterThan(5)

  const own = budgetOf(platform, tenant.id, user.id)
  expect({ own: own.used_nano, tenant: budgetOf(platform, tenant.id).used_nano }).toEqual({
    own: costOf(events),
    tenant: costOf(events),
  })
  expect(projection()).toEqual({
    name: expect.stringMatching(/^(self|superuser) \d+$/),
    budget_total: 50,
    budget_used: own.used_nano / EUR,
    budget_remaining: (own.total_nano - own.used_nano) / EUR,
    budget_reset_date: own.resets_at,
  })
})

test("without any usage a forged budget is put right at once as well", async () => {
  const before = projection()
  await platform.superuser.collection("users").update(user.id, { budget_used: 7, budget_total: 8, budget_remaining: 1 })
  expect(projection()).toEqual(before)
})

test("the books are sound", () => expectSoundBooks(platform))
