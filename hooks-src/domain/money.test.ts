import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  affordableCount,
  type BillLine,
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

describe("what is affordable", () => {
  const line = (count: number, rateNano: number, per: BillLine["per"] = 1_000_000): BillLine => ({ count, rateNano, per })
  const M = 1_000_000
  it.each<[string, number, BillLine[], number, number, number]>([
    ["all that is asked", 1_000, [], M, 1_000, 1_000],
    ["cut to what is left", 999, [], M, 1_000, 999],
    ["after the fixed lines", 1_000, [line(400, M)], M, 1_000, 600],
    ["each fixed line by its own measure", 1_000, [line(2, 100, 1), line(500, 400, 1_000), line(100, M)], M, 1_000, 500],
    ["not even the fixed lines", 399, [line(400, M)], M, 1_000, -1],
    ["the fixed lines to the nano, and nothing more", 400, [line(400, M)], M, 1_000, 0],
    ["the fixed lines, and the rest is free", 400, [line(400, M)], 0, 1_000, 1_000],
    ["fixed lines that are too dear, although the rest is free", 399, [line(400, M)], 0, 1_000, -1],
    ["nothing asked and the fixed lines paid", 400, [line(400, M)], M, 0, 0],
    ["nothing asked and the fixed lines too dear", 399, [line(400, M)], M, 0, -1],
    ["everything free, in debt", -5, [line(400, 0)], 0, 1_000, 1_000],
    ["nothing at all, in debt", -5, [], M, 0, 0],
    ["in debt", -5, [], M, 1, -1],
    ["a fraction of a nano is not rounded away", 1, [line(1, 1)], M, 5, 0],
    ["a token that costs a fraction of a nano", 1, [], 300_000, 5, 3],
    ["products beyond 2^53 stay exact", 9_007_199_254_740_991, [], 9_007_199_254_740_991, 2 * M, M],
  ])("%s", (_name, available, fixed, rate, asked, expected) =>
    expect(affordableCount(available, fixed, rate, asked)).toBe(expected),
  )

  const per = fc.constantFrom<BillLine["per"]>(1, 1_000, 1_000_000)
  const anyLine = fc.record({ count: fc.nat(5_000), rateNano: fc.nat(5_000_000_000), per })
  const question = fc.record({
    available: fc.integer({ min: -1_000_000, max: 60_000_000_000 }),
    fixed: fc.array(
      anyLine.map((one) => ({ ...one, count: Math.ceil(one.count * (one.per / 1_000_000)) })),
      { maxLength: 3 },
    ),
    rate: fc.nat(500_000_000_000),
    asked: fc.nat(1_000_000_000),
  })
  /** The exact bill in millionths of a nano-EUR, before any rounding. */
  const exact = (fixed: BillLine[], rate: number, count: number) =>
    [...fixed, line(count, rate)].reduce(
      (sum, one) => sum + (BigInt(one.count) * BigInt(one.rateNano) * 1_000_000n) / BigInt(one.per),
      0n,
    )

  it("never costs more than is available, rounded or not, unless it is free", () => {
    fc.assert(
      fc.property(question, ({ available, fixed, rate, asked }) => {
        const count = affordableCount(available, fixed, rate, asked)
        const bill = exact(fixed, rate, Math.max(0, count))
        if (count < 0) expect(exact(fixed, rate, asked) > BigInt(available) * 1_000_000n).toBe(true)
        else if (bill > 0n) {
          expect(bill <= BigInt(available) * 1_000_000n).toBe(true)
          expect(billNano([...fixed, line(count, rate)])).toBeLessThanOrEqual(available)
        } else expect(count === asked || available >= 0).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it("is the most: a unit more is beyond what is available or beyond what was asked", () => {
    fc.assert(
      fc.property(question, ({ available, fixed, rate, asked }) => {
        const count = affordableCount(available, fixed, rate, asked)
        expect(count).toBeLessThanOrEqual(asked)
        if (count < asked) expect(exact(fixed, rate, count + 1) > BigInt(available) * 1_000_000n).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it("leaves less than a token's price: at least 95 % of what is left can be used as soon as it buys 19 tokens", () => {
    const money = fc.integer({ min: 1, max: 60_000_000_000 })
    fc.assert(
      fc.property(money, fc.integer({ min: 1, max: 500_000_000_000 }), (available, rate) => {
        const count = affordableCount(available, [], rate, Number.MAX_SAFE_INTEGER)
        const [used, all] = [exact([], rate, count), BigInt(available) * 1_000_000n]
        expect(all - used < BigInt(rate) || count === Number.MAX_SAFE_INTEGER).toBe(true)
        if (count >= 19 && count < Number.MAX_SAFE_INTEGER) expect(used * 20n >= all * 19n).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})
