import { describe, expect, it } from "vitest"
import { globMatcher, toPriceEntries } from "./litellm-map.mjs"

/** The only result for a map of one model. */
function convert(info: Record<string, unknown>) {
  const { entries, skipped } = toPriceEntries({ m: { litellm_provider: "p", mode: "chat", ...info } })
  return { usd: entries[0]?.usd, kind: entries[0]?.kind, reason: skipped[0]?.reason }
}

describe("an entry carries the classes that the map has, and no others", () => {
  it("takes all five token classes, limits, provider and kind", () => {
    const info = {
      litellm_provider: "anthropic",
      mode: "chat",
      max_input_tokens: 200000,
      max_output_tokens: 64000,
      input_cost_per_token: 3e-6,
      cache_read_input_token_cost: 3e-7,
      cache_creation_input_token_cost: 3.75e-6,
      cache_creation_input_token_cost_above_1hr: 6e-6,
      output_cost_per_token: 1.5e-5,
      input_cost_per_token_batches: 1.5e-6,
      output_cost_per_token_priority: 3e-5,
      search_context_cost_per_query: { search_context_size_low: 0.01 },
    }
    expect(toPriceEntries({ claude: info })).toEqual({
      entries: [
        {
          model: "claude",
          provider: "anthropic",
          kind: "chat",
          max_input_tokens: 200000,
          max_output_tokens: 64000,
          usd: { input: "3", cache_read: "0.3", cache_write: "3.75", cache_write_1h: "6", output: "15" },
        },
      ],
      skipped: [],
    })
  })

  it.each([
    ["chat", "chat"],
    ["completion", "chat"],
    ["responses", "chat"],
    ["embedding", "embedding"],
    ["image_generation", "image"],
    ["audio_speech", "speech"],
    ["audio_transcription", "transcription"],
    ["rerank", "other"],
    [undefined, "other"],
  ])("mode %s is kind %s", (mode, kind) => {
    expect(convert({ mode, input_cost_per_token: 1e-6 }).kind).toBe(kind)
  })

  it.each([
    [
      "an embedding keeps its explicit zero",
      { mode: "embedding", input_cost_per_token: 2e-8, output_cost_per_token: 0 },
      { input: "0.02", output: "0" },
    ],
    ["an image by the piece", { mode: "image_generation", output_cost_per_image: 0.04 }, { image: "0.04" }],
    [
      "an image whose price stands on the input side",
      { mode: "image_generation", input_cost_per_image: 0.02 },
      { image: "0.02" },
    ],
    ["speech by the character", { mode: "audio_speech", input_cost_per_character: 1.5e-5 }, { mchar: "15" }],
    [
      "a second stated on both sides is one price",
      { mode: "audio_transcription", input_cost_per_second: 1e-4, output_cost_per_second: 1e-4 },
      { second: "0.0001" },
    ],
    [
      "a second with a zero on the other side",
      { mode: "audio_transcription", input_cost_per_second: 3.083e-5, output_cost_per_second: 0 },
      { second: "0.00003083" },
    ],
    [
      "a rerank by the call",
      { mode: "rerank", input_cost_per_query: 0.0025, input_cost_per_token: 0, output_cost_per_token: 0 },
      { call: "0.0025" },
    ],
    [
      "a fee per call beside tokens is a second, real price",
      { input_cost_per_request: 0.005, output_cost_per_token: 1e-6 },
      { output: "1", call: "0.005" },
    ],
    [
      "image tokens stand in for a missing output rate",
      { mode: "image_generation", input_cost_per_token: 5e-6, output_cost_per_image_token: 4e-5 },
      { input: "5", output: "40" },
    ],
    [
      "audio tokens stand in for a missing input rate",
      { mode: "audio_transcription", input_cost_per_audio_token: 2e-6, output_cost_per_token: 1e-5 },
      { input: "2", output: "10" },
    ],
  ])("%s", (_title, info, usd) => {
    expect(convert(info).usd).toEqual(usd)
  })
})

describe("long context becomes tiers, ascending", () => {
  it.each([100, 128, 200, 272, 512])("above %i thousand tokens", (k) => {
    const info = {
      input_cost_per_token: 1.25e-6,
      output_cost_per_token: 1e-5,
      [`input_cost_per_token_above_${k}k_tokens`]: 2.5e-6,
      [`cache_read_input_token_cost_above_${k}k_tokens`]: 2.5e-7,
      [`cache_creation_input_token_cost_above_${k}k_tokens`]: 3.125e-6,
      [`cache_creation_input_token_cost_above_1hr_above_${k}k_tokens`]: 5e-6,
      [`output_cost_per_token_above_${k}k_tokens`]: 1.5e-5,
      [`output_cost_per_token_above_${k}k_tokens_priority`]: 9e-5,
    }
    expect(convert(info).usd?.long_context).toEqual([
      {
        above_tokens: k * 1000,
        input: "2.5",
        cache_read: "0.25",
        cache_write: "3.125",
        cache_write_1h: "5",
        output: "15",
      },
    ])
  })

  it("orders several tiers by number, not by text, and leaves absent classes absent", () => {
    const info = {
      input_cost_per_token: 1e-6,
      input_cost_per_token_above_1000k_tokens: 4e-6,
      input_cost_per_token_above_200k_tokens: 2e-6,
    }
    expect(convert(info).usd?.long_context).toEqual([
      { above_tokens: 200000, input: "2" },
      { above_tokens: 1000000, input: "4" },
    ])
  })

  it("takes the price of the one-hour cache write for a class, not for a tier", () => {
    expect(convert({ input_cost_per_token: 1e-6, cache_creation_input_token_cost_above_1hr: 2e-6 }).usd).toEqual({
      input: "1",
      cache_write_1h: "2",
    })
  })
})

describe("nothing is billed twice", () => {
  it.each([
    [
      "image and token rates",
      {
        mode: "image_generation",
        output_cost_per_image: 0.039,
        input_cost_per_token: 3e-7,
        output_cost_per_image_token: 3e-5,
      },
      ["input", "output"],
    ],
    [
      "input images of a chat model",
      { input_cost_per_image: 0.001, input_cost_per_token: 3e-7, output_cost_per_token: 1e-6 },
      ["input", "output"],
    ],
    [
      "seconds and input tokens of a transcription",
      {
        mode: "audio_transcription",
        input_cost_per_second: 1e-4,
        input_cost_per_token: 2.5e-6,
        output_cost_per_token: 1e-5,
      },
      ["input", "output"],
    ],
    [
      "seconds and output tokens of speech",
      {
        mode: "audio_speech",
        output_cost_per_second: 2.5e-4,
        input_cost_per_token: 6e-7,
        output_cost_per_token: 1.2e-5,
      },
      ["input", "output"],
    ],
    [
      "characters and tokens of an embedding",
      { mode: "embedding", input_cost_per_character: 2.5e-8, input_cost_per_token: 1e-7 },
      ["input"],
    ],
    [
      "zero token rates do not hide the price of an image",
      { mode: "image_generation", output_cost_per_image: 0.04, input_cost_per_token: 0, output_cost_per_token: 0 },
      ["image"],
    ],
  ])("%s", (_title, info, classes) => {
    expect(Object.keys(convert(info).usd ?? {}).sort()).toEqual(classes)
  })
})

describe("what cannot be priced exactly is skipped and named", () => {
  it.each([
    ["no price", {}, "no_price"],
    ["only zeros", { input_cost_per_token: 0, output_cost_per_token: 0 }, "zero_price"],
    ["no provider", { litellm_provider: undefined, input_cost_per_token: 1e-6 }, "no_provider"],
    ["prices by range", { tiered_pricing: [{ range: [0, 32000], input_cost_per_token: 1e-6 }] }, "tiered_pricing"],
    [
      "video by the second",
      { mode: "video_generation", output_cost_per_second: 0.1 },
      "unsupported_price: only output_cost_per_second",
    ],
    ["rented capacity is not audio", { input_cost_per_second: 0.01 }, "unsupported_price: only input_cost_per_second"],
    [
      "two output rates of an image model",
      { mode: "image_generation", output_cost_per_token: 1e-5, output_cost_per_image_token: 3.2e-5 },
      "mixed_token_rates: output_cost_per_image_token",
    ],
    [
      "dearer reasoning",
      { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, output_cost_per_reasoning_token: 4e-6 },
      "mixed_token_rates: reasoning",
    ],
    ["a negative price", { input_cost_per_token: -1e-6 }, "bad_number"],
    ["a word for a price", { input_cost_per_token: "free" }, "bad_number"],
  ])("%s", (_title, info, reason) => {
    expect(convert(info).usd).toBeUndefined()
    expect(convert(info).reason).toContain(reason)
  })

  it("leaves out the map's own template and what is not an object", () => {
    expect(toPriceEntries({ sample_spec: { input_cost_per_token: 1 }, b: null, a: 3 }).skipped).toEqual([
      { model: "a", reason: "not_a_model" },
      { model: "b", reason: "not_a_model" },
      { model: "sample_spec", reason: "not_a_model" },
    ])
  })

  it("one bad entry leaves its neighbours alone; both lists are sorted", () => {
    const good = { litellm_provider: "p", mode: "chat", input_cost_per_token: 1e-6 }
    const { entries, skipped } = toPriceEntries({
      z: good,
      bad: { ...good, input_cost_per_token: "x" },
      Z: good,
      a: good,
    })
    expect(entries.map((entry) => entry.model)).toEqual(["Z", "a", "z"])
    expect(skipped.map((one) => one.model)).toEqual(["bad"])
  })
})

describe("globs", () => {
  it.each([
    [["gpt-4.1"], "gpt-4.1", true],
    [["gpt-4.1"], "gpt-4x1", false],
    [["gpt-4*"], "gpt-4o-mini", true],
    [["gemini/*"], "gemini/a/b", true],
    [["gpt"], "gpt-4o", false],
    [["a", "b*"], "bc", true],
    [[], "anything", true],
  ])("%j against %s is %s", (globs, model, expected) => {
    expect(globMatcher(globs)(model)).toBe(expected)
    const map = { [model]: { litellm_provider: "p", input_cost_per_token: 1e-6 } }
    expect(toPriceEntries(map, { only: globs }).entries).toHaveLength(expected ? 1 : 0)
  })
})
