/** F6: a tenant changes its zone or its day of the month. Its present period ends as announced, and the next one follows the new rule. */
import { afterEach, beforeEach, expect, test } from "vitest"
import { type Platform, startPlatform, type Tenant } from "../support/platform"
import { budgetOf, EUR, expectSoundBooks, ledgerOf, NANO_PER_TOKEN, PRICE, send, usageEvent } from "./books"

const [NOVEMBER, DECEMBER] = ["2026-11-01", "2026-12-01"]

let platform: Platform
let tenant: Tenant

beforeEach(async () => {
  platform = await startPlatform({ clock: "2026-11-10T12:00:00Z" })
  await platform.publishPrices([PRICE])
  tenant = await platform.createTenant()
  await platform.createUser({ tenant_id: tenant.id, product_id: (await platform.createProduct({ budget_included: 50 })).id })
})
afterEach(async () => {
  await expectSoundBooks(platform)
  await platform.stop()
})

const money = () => budgetOf(platform, tenant.id)

const MOVES: [string, Record<string, unknown>, string, string][] = [
  ["to a zone west of the old one", { timezone: "America/New_York" }, DECEMBER, "2027-01-01 05:00:00.000Z"],
  ["to a zone east of the old one", { timezone: "Asia/Tokyo" }, DECEMBER, "2026-12-31 15:00:00.000Z"],
  ["to a later day of the month", { anchor_day: 15 }, "2026-11-15", "2026-12-14 23:00:00.000Z"],
]

test.each(MOVES)(
  "a tenant that moves %s is reset once at its old boundary and then follows the new one",
  async (_, change, key, resetsAt) => {
    await platform.superuser.collection("tenants").update(tenant.id, change)
    await platform.restart({ clock: "2026-12-01T08:00:00Z" })
    await send(platform, tenant, [usageEvent("moved", "", 1_000, Date.parse("2026-12-01T07:59:00Z"))])
    expect(money()).toMatchObject({
      period_key: key,
      resets_at: resetsAt,
      total_nano: 50 * EUR,
      used_nano: 1_000 * NANO_PER_TOKEN,
    })
    const resets = ledgerOf(platform, money().id).filter((entry) => entry.kind === "reset")
    expect(resets.map((entry) => entry.period_key)).toEqual([NOVEMBER, key])
  },
)
