import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  dearestRates,
  decidePrice,
  hasCounts,
  inputTokens,
  modelNames,
  type PricedCall,
  type PriceVersion,
  priceCounts,
  tokenRatesFor,
  type UsageCounts,
  versionInForce,
} from "./pricing"

const NONE: UsageCounts = {
  uncached: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  output: 0,
  images: 0,
  audioMs: 0,
  characters: 0,
}
const RATES = { input: 1_000_000, cache_read: 100_000, cache_write: 1_250_000, cache_write_1h: 2_000_000, output: 4_000_000 }
const version = (over: Partial<PriceVersion> = {}): PriceVersion => ({
  id: "p1",
  model: "m",
  provider: "openai",
  effectiveFromMs: 0,
  rates: RATES,
  ...over,
})
const call = (over: Partial<PricedCall> = {}): PricedCall => ({
  ...{ model: "m", provider: "openai", kind: "chat", status: "success", cacheHit: false, timestampMs: 1000 },
  counts: { ...NONE, uncached: 10, output: 5 },
  ...over,
})

describe("every token class has its own price", () => {
  it.each<[keyof UsageCounts, number]>([
    ["uncached", 1_000],
    ["cacheRead", 100],
    ["cacheWrite", 1_250],
    ["cacheWrite1h", 2_000],
    ["output", 4_000],
  ])("1,000 of %s cost %i nano", (name, nano) => {
    expect(priceCounts({ ...NONE, [name]: 1_000 }, RATES)).toEqual({ costNano: nano })
  })

  it("a cache class without a price costs like input, never nothing", () => {
    const counts = { ...NONE, cacheRead: 10, cacheWrite: 10, cacheWrite1h: 10 }
    expect(priceCounts(counts, { input: 1_000_000 })).toEqual({ costNano: 30 })
    expect(priceCounts({ ...NONE, cacheWrite1h: 10 }, { input: 1_000_000, cache_write: 3_000_000 })).toEqual({ costNano: 30 })
  })

  it.each<[Partial<UsageCounts>, string]>([
    [{ uncached: 1 }, "input"],
    [{ output: 1 }, "output"],
    [{ images: 1 }, "image"],
    [{ audioMs: 1 }, "second"],
    [{ characters: 1 }, "mchar"],
  ])("%j without a rate is named, not free", (counts, missing) => {
    expect(priceCounts({ ...NONE, ...counts }, {})).toEqual({ missing })
  })

  it("units beyond tokens: images, seconds, characters, calls", () => {
    const rates = { image: 40_000_000, second: 100_000, mchar: 15_000_000, call: 7 }
    expect(priceCounts({ ...NONE, images: 2, audioMs: 1_500, characters: 1_000_000 }, rates)).toEqual({
      costNano: 80_000_000 + 150_000 + 15_000_000 + 7,
    })
  })

  it("images that the tokens already pay for need no price of their own", () => {
    expect(priceCounts({ ...NONE, uncached: 20, output: 1_056, images: 1 }, RATES)).toEqual({ costNano: 20 + 4_224 })
  })

  it("the cost never falls when a count rises", () => {
    const count = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(
        fc.record({ uncached: count, cacheRead: count, cacheWrite: count, cacheWrite1h: count, output: count }),
        (tokens) => {
          const base = priceCounts({ ...NONE, ...tokens }, RATES) as { costNano: number }
          const more = priceCounts({ ...NONE, ...tokens, output: tokens.output + 1 }, RATES) as { costNano: number }
          expect(more.costNano).toBeGreaterThanOrEqual(base.costNano + 4)
        },
      ),
    )
  })
})

describe("long context", () => {
  const rates = {
    ...RATES,
    long_context: [
      { above_tokens: 200, input: 2_000_000, output: 6_000_000 },
      { above_tokens: 400, input: 3_000_000 },
    ],
  }
  it.each([
    [200, 1_000_000, 4_000_000],
    [201, 2_000_000, 6_000_000],
    [400, 2_000_000, 6_000_000],
    [401, 3_000_000, 4_000_000],
  ])("at %i input tokens input costs %i and output %i", (input, inputRate, outputRate) => {
    expect(tokenRatesFor(rates, input)).toMatchObject({ input: inputRate, output: outputRate, cache_read: 100_000 })
  })
  it("the tier counts the whole input, cache included, and applies to the whole call", () => {
    const counts = { ...NONE, uncached: 1, cacheRead: 200, output: 1 }
    expect(inputTokens(counts)).toBe(201)
    expect(priceCounts(counts, rates)).toEqual({ costNano: 2 + 20 + 6 })
  })
})

describe("the version in force when the call started", () => {
  const versions = [
    version({ id: "a", effectiveFromMs: 10 }),
    version({ id: "b", effectiveFromMs: 20 }),
    version({ id: "x", model: "other" }),
  ]
  it.each([
    [9, "a"],
    [10, "a"],
    [19, "a"],
    [20, "b"],
    [99, "b"],
  ])("at %i it is %s", (at, id) => expect(versionInForce(versions, "m", "openai", at)?.id).toBe(id))
  it("does not depend on the order of the rows", () => {
    expect(versionInForce([...versions].reverse(), "m", "openai", 15)?.id).toBe("a")
    expect(versionInForce([...versions].reverse(), "m", "openai", 5)?.id).toBe("a")
  })
  it("knows a model with and without its provider in front", () => {
    expect(modelNames("m", "")).toEqual(["m"])
    expect(modelNames("m", "gemini")).toEqual(["m", "gemini/m"])
    expect(modelNames("gemini/m", "gemini")).toEqual(["gemini/m", "m"])
    expect(versionInForce([version({ model: "gemini/m" })], "m", "gemini", 1)?.id).toBe("p1")
    expect(versionInForce(versions, "nobody", "openai", 1)).toBeNull()
  })
})

describe("the price decision", () => {
  const all = () => [
    version(),
    version({ id: "q", model: "dear", provider: "azure", rates: { input: 9_000_000, output: 9_000_000, image: 50 } }),
  ]
  it("prices a known model and pins the version", () => {
    expect(decidePrice(call(), [version()], all)).toEqual({ status: "priced", costNano: 30, priceId: "p1" })
  })
  it.each<[string, Partial<PricedCall>]>([
    ["served from our cache", { cacheHit: true }],
    ["failed without having used anything", { status: "failure", counts: NONE }],
    ["failed so on an unknown model", { status: "failure", counts: NONE, model: "nope" }],
  ])("a call %s costs nothing", (_, over) => {
    expect(decidePrice(call(over), [version()], all)).toEqual({ status: "free", costNano: 0, priceId: "" })
  })
  it("a failed call that used tokens is billed on them", () => {
    expect(decidePrice(call({ status: "failure" }), [version()], all)).toMatchObject({ status: "priced", costNano: 30 })
  })
  it("an unknown model costs the dearest of its provider", () => {
    expect(decidePrice(call({ model: "nope" }), [], all)).toMatchObject({ status: "quarantined", costNano: 30 })
  })
  it("an unknown provider costs the dearest of the whole book", () => {
    expect(decidePrice(call({ model: "nope", provider: "" }), [], all)).toMatchObject({ status: "quarantined", costNano: 135 })
  })
  it("a class that the provider's book lacks costs the dearest of the whole book", () => {
    const counts = { ...NONE, images: 3 }
    expect(decidePrice(call({ model: "nope", counts }), [], all)).toMatchObject({ status: "quarantined", costNano: 150 })
  })
  it("a known model with an unpriced class is quarantined and says which", () => {
    expect(decidePrice(call({ counts: { ...NONE, images: 1 } }), [version()], all)).toMatchObject({
      status: "quarantined",
      reason: expect.stringContaining("image"),
    })
  })
  it.each(["speech", "transcription"])("%s without any counts is quarantined at cost 0", (kind) => {
    expect(decidePrice(call({ kind, counts: NONE }), [version()], all)).toMatchObject({ status: "quarantined", costNano: 0 })
  })
  it("an empty book cannot price anything, and says so without a crash", () => {
    expect(decidePrice(call(), [], () => [])).toMatchObject({ status: "quarantined", costNano: 0 })
  })
  it("dearest is taken class by class", () => {
    const rates = dearestRates(
      [version({ rates: { input: 1, output: 9 } }), version({ rates: { input: 5, output: 2 } })],
      "openai",
      1,
    )
    expect(rates).toMatchObject({ input: 5, output: 9 })
    expect(hasCounts(NONE)).toBe(false)
  })
})
