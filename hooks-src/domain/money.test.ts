import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  billNano,
  divideHalfEven,
  eurFieldToNano,
  eurToNano,
  nanoToEur,
  parseDecimal,
  sellRateNano,
  shareNano,
  toSafeNumber,
} from "./money"

describe("division rounds half to even, once", () => {
  const cases: [bigint, bigint, bigint][] = [
    [5n, 10n, 0n],
    [15n, 10n, 2n],
    [25n, 10n, 2n],
    [26n, 10n, 3n],
    [24n, 10n, 2n],
    [-5n, 10n, 0n],
    [-15n, 10n, -2n],
    [-25n, 10n, -2n],
    [-26n, 10n, -3n],
    [0n, 7n, 0n],
    [7n, 7n, 1n],
  ]
  it.each(cases)("%s / %s = %s", (n, d, expected) => expect(divideHalfEven(n, d)).toBe(expected))

  it("is never off by more than half, and is symmetric around zero", () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 30n), 10n ** 30n), fc.bigInt(1n, 10n ** 12n), (n, d) => {
        const q = divideHalfEven(n, d)
        const twice = 2n * (n - q * d)
        expect(twice <= d && twice >= -d).toBe(true)
        expect(divideHalfEven(-n, d)).toBe(-q)
      }),
    )
  })
})

describe("a bill is exact where a double is not", () => {
  it("multiplies 1e9 tokens by 1e11 nano without losing a digit", () => {
    expect(billNano([{ count: 999_999_999, rateNano: 600_000_000_001, per: 1_000_000 }])).toBe(599_999_999_401_000)
  })
  it("rounds the sum, not the lines: three thirds of a nano are one", () => {
    const third = { count: 1, rateNano: 333_333, per: 1_000_000 as const }
    expect(billNano([third])).toBe(0)
    expect(billNano([third, third, third])).toBe(1)
  })
  it("charges units by their own measure", () => {
    expect(billNano([{ count: 2, rateNano: 44_000_000, per: 1 }])).toBe(88_000_000)
    expect(billNano([{ count: 1_500, rateNano: 100_000, per: 1_000 }])).toBe(150_000)
    expect(billNano([{ count: 1_000_000, rateNano: 7, per: 1_000_000 }])).toBe(7)
  })
  it("rounds an exact half to the even neighbour", () => {
    expect(billNano([{ count: 1, rateNano: 500_000, per: 1_000_000 }])).toBe(0)
    expect(billNano([{ count: 3, rateNano: 500_000, per: 1_000_000 }])).toBe(2)
  })
  it("refuses a result that a number cannot hold exactly", () => {
    expect(() => toSafeNumber(2n ** 53n)).toThrow(/exact range/)
    expect(toSafeNumber(2n ** 53n - 1n)).toBe(2 ** 53 - 1)
  })
})

describe("EUR text", () => {
  it.each([
    ["0", 0],
    ["1", 1_000_000_000],
    ["0.000000001", 1],
    ["-12.5", -12_500_000_000],
    ["12.500000000000", 12_500_000_000],
  ])("%s EUR is %i nano", (text, nano) => expect(eurToNano(text)).toBe(nano))

  it.each(["", "1,5", "1e3", ".5", "5.", "0.0000000001", "--1", "NaN", " 1"])("%j is no amount", (text) =>
    expect(eurToNano(text)).toBeNull(),
  )

  it.each([
    [0, "0.000000000"],
    [1, "0.000000001"],
    [-1, "-0.000000001"],
    [3_036_000, "0.003036000"],
    [-12_500_000_000, "-12.500000000"],
  ])("%i nano is written %s", (nano, text) => expect(nanoToEur(nano)).toBe(text))

  it("survives the way there and back", () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (nano) => eurToNano(nanoToEur(nano)) === nano))
  })
  it("parses at any scale", () => {
    expect(parseDecimal("1.25", 2)).toBe(125n)
    expect(parseDecimal("1.255", 2)).toBeNull()
    expect(parseDecimal("-0.5", 1)).toBe(-5n)
  })
  it.each([
    [50, 50_000_000_000],
    [0.1, 100_000_000],
    [19.99, 19_990_000_000],
  ])("an owner's field of %d EUR is %i nano", (eur, nano) => expect(eurFieldToNano(eur)).toBe(nano))
})

describe("sell rates", () => {
  it.each([
    ["2.5", 920_000, 2000, 2_760_000_000],
    ["0.15", 920_000, 2000, 165_600_000],
    ["1", 1_000_000, 0, 1_000_000_000],
    ["0.000000001", 500_000, 0, 0],
    ["0.000000003", 500_000, 0, 2],
    ["0", 920_000, 2000, 0],
  ])("%s USD at %i µEUR and %i bp is %i nano", (usd, micro, bp, nano) => expect(sellRateNano(usd, micro, bp)).toBe(nano))
  it("refuses what is no price", () => {
    expect(sellRateNano("-1", 920_000, 0)).toBeNull()
    expect(sellRateNano("free", 920_000, 0)).toBeNull()
  })
})

describe("shares", () => {
  it.each([
    [100, 1, 3, 33],
    [100, 2, 3, 67],
    [5, 1, 2, 2],
    [15, 1, 2, 8],
    [-100, 1, 3, -33],
  ])("%i × %i/%i = %i", (amount, part, whole, expected) => expect(shareNano(amount, part, whole)).toBe(expected))
})
