import { describe, expect, it } from "vitest"
import { languageOf, SENTENCES, type SentenceName, type SentenceValues, sentence } from "./refusal-sentences"

const model = "gpt-4o"
const calls = { count: 21, limit: 20 }
const money = {
  ...{ usedNano: 12_500_000_000, totalNano: 15_000_000_000, heldNano: 999_900_000, neededNano: 4_160_000 },
  resetsOn: "2026-12-01",
}
const VALUES: SentenceValues = {
  ...{ unknownUser: {}, unknownKey: {}, tenantSuspended: {}, userSuspended: {}, keyRevoked: {}, keyExpired: {}, noProduct: {} },
  ...{ modelNotInProduct: { model }, modelNotOfKey: { model }, modelBlocked: { model, reason: "no rate for audio" } },
  ...{ modelUnpriced: { model }, kindUnpriced: { model }, outputUnpriced: { model } },
  ...{ tooManyCalls: { ...calls, seconds: 40 }, tooManyRunning: calls, tooManyRunningOfKey: calls },
  ...{ tenantBudget: money, userLimit: money, keyLimit: money },
}
const NAMES = Object.keys(SENTENCES) as SentenceName[]
/** What a reader must find again, as each language writes it. */
const WRITTEN: [Partial<Record<string, string[]>>, Partial<Record<string, string[]>>] = [
  {
    model: ["gpt-4o"],
    count: ["21", "20"],
    seconds: ["40 s"],
    usedNano: ["12,50 von 15,00 EUR", "0,9999 EUR", "0,0042 EUR", "01.12.2026"],
  },
  {
    model: ["gpt-4o"],
    count: ["21", "20"],
    seconds: ["40 s"],
    usedNano: ["12.50 of 15.00 EUR", "0.9999 EUR", "0.0042 EUR", "2026-12-01"],
  },
]

describe.each(["de", "en"] as const)("in %s", (language) => {
  it.each(NAMES)("%s: a whole sentence that holds every value", (name) => {
    const text = sentence(language, name, VALUES[name])
    expect(text).toMatch(/^[A-Z].{20,}\.$/)
    expect(text).not.toMatch(/undefined|null|NaN|object| {2}|\.\.|: ?[;.]/)
    const written = WRITTEN[language === "de" ? 0 : 1]
    for (const value of Object.keys(VALUES[name])) for (const part of written[value] ?? []) expect(text).toContain(part)
  })

  it.each(NAMES)("%s: says what to do, or who can help", (name) => {
    const help = language === "de" ? /Bitte |Verwaltung kann es|Verwaltung können/ : /[Pp]lease |Create a new|administrator can/
    expect(sentence(language, name, VALUES[name])).toMatch(help)
  })

  it("no two cases read the same", () => {
    expect(new Set(NAMES.map((name) => sentence(language, name, VALUES[name]))).size).toBe(NAMES.length)
  })
})

it("German writes a decimal comma and no English word, English no umlaut", () => {
  for (const name of NAMES) {
    const german = sentence("de", name, VALUES[name])
    expect(german).not.toMatch(/\d\.\d+ EUR|\d{4}-\d\d-\d\d|\b(the|your|is|of|please|no rate)\b/i)
    expect(sentence("en", name, VALUES[name])).not.toMatch(/\d,\d|\d\d\.\d\d\.\d{4}|[äöüÄÖÜß]/)
  }
})

describe("amounts", () => {
  it.each<[string, Partial<typeof money>, string, string]>([
    ["cents at least", { usedNano: 0 }, "0,00 von 15,00 EUR verbraucht", "0.00 of 15.00 EUR used"],
    ["four places, cut off", { usedNano: 9_123_456_789 }, "9,1234 von", "9.1234 of"],
    ["no zeros after the cents", { usedNano: 9_120_000_000 }, "9,12 von", "9.12 of"],
    ["three places", { usedNano: 9_123_000_000 }, "9,123 von", "9.123 of"],
    ["zeros within", { usedNano: 10_050_000_000 }, "10,05 von", "10.05 of"],
    ["a debt", { totalNano: -1_500_000_000 }, "von -1,50 EUR", "of -1.50 EUR"],
    ["a debt of next to nothing", { totalNano: -1 }, "von 0,00 EUR", "of 0.00 EUR"],
    ["what a call needs is never nothing", { neededNano: 1 }, "mindestens 0,0001 EUR.", "at least 0.0001 EUR."],
    ["what is reserved neither", { heldNano: 1 }, ", 0,0001 EUR für laufende Aufrufe", ", 0.0001 EUR reserved"],
    ["nothing reserved", { heldNano: 0 }, "EUR verbraucht; der Aufruf", "EUR used; the call"],
  ])("%s", (_name, changes, german, english) => {
    expect(sentence("de", "userLimit", { ...money, ...changes })).toContain(german)
    expect(sentence("en", "userLimit", { ...money, ...changes })).toContain(english)
  })
})

it.each([
  ["de", false, "de"],
  ["en", false, "en"],
  ["", false, "de"],
  [undefined, false, "de"],
  ["de", true, "en"],
  ["en", true, "en"],
  ["", true, "en"],
] as const)("a tenant's language %j, asked with a key: %s → %s", (tenant, withKey, expected) => {
  expect(languageOf(tenant, withKey)).toBe(expected)
})
