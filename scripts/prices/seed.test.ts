import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import type { PriceEntry as Entry } from "./litellm-map.mjs"

describe("the seed of the price book", () => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"))
  const seed = read("./seed.json")
  const models: string[] = seed.entries.map((entry: Entry) => entry.model)

  it("names its source and date", () => {
    expect(seed.source).toMatch(/litellm \d+\.\d+\.\d+/)
    expect(seed.source_date).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  })

  it("holds exactly the listed models, sorted, each once", () => {
    expect(models).toEqual([...new Set(models)].sort())
    expect(models).toEqual([...read("./seed-models.json")].sort())
  })

  it.each([
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-5",
    "claude-sonnet-4-5",
    "text-embedding-3-small",
    "gemini/gemini-2.5-pro",
    "whisper-1",
    "tts-1",
    "gpt-image-1",
  ])("has %s", (model) => {
    expect(models).toContain(model)
  })

  it.each<Entry>(seed.entries)("$model has provider, kind and a positive price", (entry) => {
    expect(entry.provider).toMatch(/\S/)
    expect(["chat", "embedding", "image", "speech", "transcription", "other"]).toContain(entry.kind)
    const { long_context = [], ...rates } = entry.usd
    const all = [rates, ...long_context.map(({ above_tokens: _above, ...tier }) => tier)]
    for (const rate of all.flatMap((one) => Object.values(one))) expect(rate).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/)
    expect(Object.values(rates).some((rate) => Number(rate) > 0)).toBe(true)
    if (rates.input !== undefined || rates.output !== undefined) {
      expect(Object.keys(rates)).not.toContain("image")
      expect(Object.keys(rates)).not.toContain("second")
    }
  })
})
