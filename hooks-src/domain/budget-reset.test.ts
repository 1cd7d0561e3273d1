import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type ClosingBudget, closePeriod, splitLateCost } from "./budget-reset"

const END = "2026-12-01"
const allowance = (openNano: number) => ({ id: "allowance", kind: "allowance" as const, openNano, expiresAt: END, created: "1" })
const credit = (openNano: number, expiresAt = "") => ({
  id: `credit${expiresAt}`,
  kind: "credit" as const,
  openNano,
  expiresAt,
  created: "2",
})
const budget = (over: Partial<ClosingBudget>): ClosingBudget => ({
  policy: "money",
  totalNano: 0,
  usedNano: 0,
  lots: [],
  periodEnd: END,
  ...over,
})

describe("closing a period", () => {
  it.each<[string, Partial<ClosingBudget>, object]>([
    [
      "unused allowance expires",
      { totalNano: 50, usedNano: 20, lots: [allowance(50)] },
      { expiryNano: -30, carryNano: 0, forgivenNano: 0 },
    ],
    [
      "unspent credit is carried",
      { totalNano: 80, usedNano: 60, lots: [allowance(50), credit(30)] },
      { expiryNano: 0, carryNano: 20, carriedLots: [{ id: "credit", leftNano: 20 }] },
    ],
    [
      "allowance burns before credit",
      { totalNano: 80, usedNano: 40, lots: [allowance(50), credit(30)] },
      { expiryNano: -10, carryNano: 30 },
    ],
    [
      "credit that ends with the period expires too",
      { totalNano: 80, usedNano: 0, lots: [allowance(50), credit(30, END)] },
      { expiryNano: -80, carryNano: 0, carriedLots: [] },
    ],
    [
      "a tenant's overrun is owed",
      { totalNano: 50, usedNano: 65, lots: [allowance(50)] },
      { expiryNano: 0, carryNano: -15, forgivenNano: 0 },
    ],
    [
      "a limit's overrun is forgiven",
      { policy: "limit", totalNano: 50, usedNano: 65, lots: [allowance(50)] },
      { expiryNano: 0, carryNano: 0, forgivenNano: 15 },
    ],
    ["a debt brought in counts as consumption", { totalNano: 35, usedNano: 40, lots: [allowance(50)] }, { carryNano: -5 }],
    [
      "corrections that give money back stay with the customer",
      { totalNano: 50, usedNano: -7, lots: [allowance(50)] },
      { expiryNano: -50, carryNano: 7 },
    ],
    [
      "on a limit they lapse",
      { policy: "limit", totalNano: 50, usedNano: -7, lots: [allowance(50)] },
      { expiryNano: -57, carryNano: 0 },
    ],
    ["nothing in, nothing out", {}, { expiryNano: 0, carryNano: 0, forgivenNano: 0, carriedLots: [] }],
  ])("%s", (_, given, expected) => expect(closePeriod(budget(given))).toMatchObject(expected))

  it("always ends at zero, and carries exactly the lots it says", () => {
    const nano = fc.integer({ min: 0, max: 1_000 })
    fc.assert(
      fc.property(
        fc.constantFrom("money" as const, "limit" as const),
        nano,
        nano,
        fc.integer({ min: -500, max: 3_000 }),
        fc.integer({ min: -500, max: 0 }),
        (policy, a, c, usedNano, debt) => {
          const closed = closePeriod(budget({ policy, totalNano: a + c + debt, usedNano, lots: [allowance(a), credit(c)] }))
          expect(a + c + debt - usedNano + closed.expiryNano + closed.forgivenNano - closed.carryNano).toBe(0)
          expect(closed.expiryNano).toBeLessThanOrEqual(0)
          expect(closed.forgivenNano).toBeGreaterThanOrEqual(0)
          if (policy === "limit") expect(closed.carryNano).toBe(closed.carriedLots.reduce((sum, lot) => sum + lot.leftNano, 0))
        },
      ),
    )
  })
})

describe("late usage", () => {
  it.each([
    [10, 0, 0, 10],
    [10, 4, 4, 6],
    [10, 10, 10, 0],
    [10, 99, 10, 0],
    [10, -3, 0, 10],
    [0, 5, 0, 0],
  ])("%i with %i expired: %i from there, %i charged", (cost, expired, fromExpiredNano, excessNano) => {
    expect(splitLateCost(cost, expired)).toEqual({ fromExpiredNano, excessNano })
  })
})
