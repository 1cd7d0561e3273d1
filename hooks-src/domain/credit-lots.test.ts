import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { burnLots, type CreditLot } from "./credit-lots"

const lot = (id: string, openNano: number, expiresAt = "", created = "1", kind: CreditLot["kind"] = "credit"): CreditLot => ({
  id,
  kind,
  openNano,
  expiresAt,
  created,
})

describe("burning lots", () => {
  it("uses first what expires first, then the oldest, then the lowest id", () => {
    const lots = [
      lot("never", 5),
      lot("b", 5, "2026-12", "2"),
      lot("soon", 5, "2026-11"),
      lot("a", 5, "2026-12", "2"),
      lot("old", 5, "2026-12", "1"),
    ]
    expect(burnLots(lots, 12).lots.map((l) => [l.id, l.usedNano, l.leftNano])).toEqual([
      ["soon", 5, 0],
      ["old", 5, 0],
      ["a", 2, 3],
      ["b", 0, 5],
      ["never", 0, 5],
    ])
  })
  it("says what no lot could pay for", () => expect(burnLots([lot("a", 5)], 7)).toMatchObject({ overrunNano: 2 }))
  it("negative consumption uses nothing and owes nothing", () => {
    expect(burnLots([lot("a", 5)], -3)).toMatchObject({ overrunNano: 0, lots: [{ usedNano: 0, leftNano: 5 }] })
  })
  it("neither makes nor loses money, whatever the lots", () => {
    const arbitrary = fc.array(fc.record({ open: fc.nat(1_000), expires: fc.constantFrom("", "2026-11", "2026-12") }), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(arbitrary, fc.nat(8_000), (given, consumed) => {
        const lots = given.map((g, i) => lot(String(i), g.open, g.expires))
        const burn = burnLots(lots, consumed)
        const used = burn.lots.reduce((sum, l) => sum + l.usedNano, 0)
        expect(used + burn.overrunNano).toBe(consumed)
        expect(burn.lots.every((l) => l.usedNano + l.leftNano === l.openNano && l.leftNano >= 0)).toBe(true)
      }),
    )
  })
})
