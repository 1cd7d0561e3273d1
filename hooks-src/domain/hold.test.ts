import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Grant, HoldDecision, PricedModel, Refusal } from "./call-facts"
import { budget, call, EUR, facts, KEY, PRICE, PRODUCT } from "./call-facts.examples"
import { DEFAULT_MAX_TOKENS, decideHold, USEFUL_MIN_TOKENS } from "./hold"

const IN = 2_000
const OUT = 10_000

function granted(decision: HoldDecision): Grant {
  if (!decision.allowed) throw new Error(decision.message)
  return decision
}
function refused(decision: HoldDecision): Refusal {
  if (decision.allowed) throw new Error(`granted ${decision.amountNano}`)
  return decision
}
const left = (nano: number) => ({ budgets: [budget("tenant"), budget("user", { totalNano: nano })] })
const priced = (changes: Partial<PricedModel>) => ({ prices: [{ ...PRICE, ...changes }] })

describe("a hold", () => {
  it("is the estimated input and the most output at the model's price", () => {
    expect(decideHold(call(), facts())).toEqual({
      ...{ allowed: true, amountNano: 1_000 * IN + 500 * OUT, maxTokens: 500, clamped: false },
      availableNano: 10 * EUR - 7_000_000,
    })
  })
  it("takes the rates of the long-context tier that the input reaches", () => {
    const rates = { ...PRICE.rates, long_context: [{ above_tokens: 200_000, input: 4 * EUR, output: 15 * EUR }] }
    const grant = (tokensInput: number) => granted(decideHold(call({ tokensInput }), facts(priced({ rates })))).amountNano
    expect(grant(200_000)).toBe(200_000 * IN + 500 * OUT)
    expect(grant(200_001)).toBe(200_001 * 2 * IN + 500 * 15_000)
  })
  it("takes the price in force now, not one that is to come", () => {
    const dearer = {
      ...PRICE,
      id: "next",
      effectiveFromMs: Date.parse("2026-12-01T00:00:00Z"),
      rates: { input: 9 * EUR, output: 9 * EUR },
    }
    expect(granted(decideHold(call(), facts({ prices: [dearer, PRICE] }))).amountNano).toBe(7_000_000)
  })
})

describe("without max_tokens", () => {
  const asked = (productDefault: number, modelMaximum: number, kind = "chat") => {
    const user = { status: "active", product: { ...PRODUCT, defaultMaxTokens: productDefault } }
    return granted(decideHold(call({ maxTokens: null }), facts({ user, ...priced({ maxOutputTokens: modelMaximum, kind }) })))
      .maxTokens
  }
  it.each([
    ["the product's default", 2_000, 16_384, "chat", 2_000],
    ["our default if the product has none", 0, 16_384, "chat", DEFAULT_MAX_TOKENS],
    ["at most the model's maximum", 20_000, 16_384, "chat", 16_384],
    ["our default is cut to the model's maximum, too", 0, 4_096, "chat", 4_096],
    ["a model whose maximum nobody knows", 20_000, 0, "chat", 20_000],
    ["another kind that may answer in text", 2_000, 0, "other", 2_000],
    ["an embedding has no output", 2_000, 0, "embedding", 0],
    ["an image has no limit that could be set", 2_000, 0, "image", 0],
    ["speech has no output tokens", 2_000, 0, "speech", 0],
    ["a transcript neither", 2_000, 0, "transcription", 0],
  ])("%s", (_name, productDefault, maximum, kind, expected) => expect(asked(productDefault, maximum, kind)).toBe(expected))

  it("what the client asks for is held as it is", () => {
    expect(granted(decideHold(call({ maxTokens: 20_000 }), facts())).maxTokens).toBe(20_000)
    expect(granted(decideHold(call({ maxTokens: 0 }), facts())).amountNano).toBe(1_000 * IN)
  })
})

describe("the clamp", () => {
  const input = 1_000 * IN
  it.each<[string, number, number | "refused"]>([
    ["all of it", input + 500 * OUT, 500],
    ["one nano less costs a token", input + 500 * OUT - 1, 499],
    ["down to the useful minimum", input + USEFUL_MIN_TOKENS * OUT, USEFUL_MIN_TOKENS],
    ["below the useful minimum", input + USEFUL_MIN_TOKENS * OUT - 1, "refused"],
    ["the input alone", input, "refused"],
    ["less than the input", input - 1, "refused"],
    ["nothing", 0, "refused"],
    ["a debt", -1, "refused"],
  ])("with %s left", (_name, nano, tokens) => {
    const decision = decideHold(call(), facts(left(nano)))
    if (tokens === "refused") {
      expect(refused(decision)).toMatchObject({
        code: "budget_exhausted",
        scope: "user",
        neededNano: input + USEFUL_MIN_TOKENS * OUT,
      })
    } else {
      expect(granted(decision)).toMatchObject({ maxTokens: tokens, clamped: tokens < 500 })
      expect(granted(decision).availableNano).toBe(nano - granted(decision).amountNano)
    }
  })
  it("a call that wants fewer than the useful minimum gets them, or is refused", () => {
    const three = (nano: number) => decideHold(call({ maxTokens: 3 }), facts(left(nano)))
    expect(granted(three(input + 3 * OUT))).toMatchObject({ maxTokens: 3, clamped: false })
    expect(refused(three(input + 3 * OUT - 1)).neededNano).toBe(input + 3 * OUT)
  })
  it("a call without output tokens is paid in full or refused", () => {
    const embed = (nano: number) =>
      decideHold(call({ maxTokens: null }), facts({ ...left(nano), ...priced({ kind: "embedding" }) }))
    expect(granted(embed(input))).toMatchObject({ amountNano: input, maxTokens: 0, clamped: false, availableNano: 0 })
    expect(refused(embed(input - 1)).neededNano).toBe(input)
  })
  it("what is free runs even with a debt", () => {
    const free = priced({ rates: { input: 0, output: 0 } })
    expect(granted(decideHold(call(), facts({ ...left(-5), ...free })))).toMatchObject({
      amountNano: 0,
      maxTokens: 500,
      clamped: false,
    })
  })
  it("goes by the scope with the least left, what others hold included", () => {
    const held = budget("api_key", { totalNano: EUR, usedNano: EUR - 10_000_000, heldNano: 10_000_000 - input - 100 * OUT })
    const grant = granted(decideHold(call(), facts({ key: KEY, budgets: [budget("tenant"), budget("user"), held] })))
    expect(grant).toMatchObject({ maxTokens: 100, clamped: true, availableNano: 0 })
  })

  it("never holds more than is left, and leaves less than a token costs", () => {
    const nano = fc.integer({ min: 0, max: 20_000_000 })
    fc.assert(
      fc.property(
        nano,
        fc.integer({ min: 0, max: 3_000 }),
        fc.integer({ min: 1, max: 3_000 }),
        (available, tokensInput, maxTokens) => {
          const decision = decideHold(call({ tokensInput, maxTokens }), facts(left(available)))
          const useful = tokensInput * IN + Math.min(maxTokens, USEFUL_MIN_TOKENS) * OUT
          expect(decision.allowed).toBe(available >= useful)
          if (!decision.allowed) return
          expect(decision.amountNano).toBeLessThanOrEqual(available)
          expect(decision.amountNano).toBe(tokensInput * IN + decision.maxTokens * OUT)
          expect(decision.clamped).toBe(decision.maxTokens < maxTokens)
          if (decision.clamped) expect(decision.availableNano).toBeLessThan(OUT)
        },
      ),
    )
  })
})

describe("what is not paid by tokens", () => {
  const amount = (changes: Parameters<typeof call>[0], price: Partial<PricedModel>) => {
    const decision = decideHold(call({ tokensInput: 0, maxTokens: null, ...changes }), facts(priced(price)))
    return decision.allowed ? decision.amountNano : `${decision.code} ${decision.scope}`
  }
  const UNPRICED = "model_unpriced model"
  it.each<[string, Parameters<typeof call>[0], Partial<PricedModel>, number | string]>([
    ["images by the piece", { images: 2 }, { kind: "image", rates: { image: 40_000_000 } }, 80_000_000],
    [
      "images by output tokens: the dearest image",
      { images: 2 },
      { kind: "image", rates: { output: 10 * EUR } },
      2 * 6_240 * OUT,
    ],
    ["an image's prompt on top", { images: 1, tokensInput: 10 }, { kind: "image", rates: PRICE.rates }, 10 * IN + 6_240 * OUT],
    ["images of a model with neither", { images: 1 }, { kind: "image", rates: { input: EUR } }, UNPRICED],
    ["speech by the character", { characters: 1_000 }, { kind: "speech", rates: { mchar: 15 * EUR } }, 15_000_000],
    [
      "audio by the second, to the millisecond",
      { audioMs: 1_500 },
      { kind: "transcription", rates: { second: 100_000 } },
      150_000,
    ],
    ["audio of a model that has no rate for it", { audioMs: 1 }, { kind: "transcription", rates: { mchar: 1 } }, UNPRICED],
    ["audio that tokens pay for", { audioMs: 1, tokensInput: 10 }, { kind: "transcription", rates: { input: EUR } }, 10_000],
    ["a price per call", {}, { kind: "embedding", rates: { call: 2_500_000 } }, 2_500_000],
    ["a price per call on top of tokens", { tokensInput: 10 }, { kind: "embedding", rates: { input: EUR, call: 5 } }, 10_005],
    ["input of a model without a rate for it", { tokensInput: 1 }, { kind: "speech", rates: { mchar: 1 } }, UNPRICED],
    ["output of a model without a rate for it", { maxTokens: 5 }, { rates: { input: EUR } }, UNPRICED],
    ["no output wanted of it", { tokensInput: 1, maxTokens: 0 }, { rates: { input: EUR } }, 1_000],
  ])("%s", (_name, changes, price, expected) => expect(amount(changes, price)).toBe(expected))
})

describe("of several reasons the first that a person can act on is named", () => {
  const ladder: [string, Parameters<typeof facts>[0]][] = [
    ["user_suspended", { user: { status: "suspended", product: { ...PRODUCT, models: [], rateLimit: 1 } } }],
    ["model_not_allowed", { user: { status: "active", product: { ...PRODUCT, models: [], rateLimit: 1 } } }],
    ["rate_limited", { user: { status: "active", product: { ...PRODUCT, rateLimit: 1 } } }],
    ["budget_exhausted", {}],
  ]
  it.each(ladder)("%s", (code, changes) => {
    const worst = { ...left(-1), lastMinute: { count: 1, oldestMs: 0 } }
    expect(refused(decideHold(call(), facts({ ...worst, ...changes }))).code).toBe(code)
  })
})
