import { describe, expect, it } from "vitest"
import { fillEnv, isHostName } from "./stack-env"
import { chooseStackModels, type PricedModel } from "./stack-models"

const model = (name: string, input: number, output: number, more: Partial<PricedModel> = {}): PricedModel => ({
  ...{ model: name, provider: "openai", kind: "chat", maxOutputTokens: 0, rates: { input, output } },
  ...more,
})
const big = model("big", 10, 40)
const small = model("small", 1, 4)
const foreign = model("groq/oss", 0.1, 0.1, { provider: "groq" })
const embed = model("text-embedding-3-small", 2, 0, { kind: "embedding" })
const embedCheap = model("embed-cheap", 1, 0, { kind: "embedding" })
const image = model("image", 0, 0, { kind: "image" })
const book = [big, embedCheap, small, foreign, embed, image]
const all = ["big", "embed-cheap", "image", "small", "text-embedding-3-small"]

describe("a stack offers what any of the tenant's products allows, the book prices and a provider key can pay for", () => {
  it.each<[string, string[][], string[], string[]]>([
    ["no product yet: the whole book", [], ["openai"], all],
    ["every model", [["*"]], ["openai"], all],
    ["two products: the union", [["big"], ["small"]], ["openai"], ["big", "small"]],
    ["a prefix", [["embed*"]], ["openai"], ["embed-cheap"]],
    ["a model that the book does not have", [["dream"]], ["openai"], []],
    ["an empty list allows nothing", [[]], ["openai"], []],
    ["a provider without a key", [["groq/oss", "big"]], ["openai"], ["big"]],
    ["a provider with a key, by its bare name", [["oss"]], ["openai", "groq"], ["groq/oss"]],
  ])("%s", (_name, lists, providers, expected) =>
    expect(chooseStackModels(book, lists, providers).offered.map((entry) => entry.model)).toEqual(expected),
  )
})

describe("what nobody chose is allowed to everybody; titles are cheap, the index does not change with the prices", () => {
  it.each<[string, string[][], string, string]>([
    ["every model", [["*"]], "small", "text-embedding-3-small"],
    ["no product yet", [], "small", "text-embedding-3-small"],
    ["not what only some may use", [["*"], ["big", "embed-cheap"]], "big", ""],
    ["nothing in common", [["big"], ["small"]], "", ""],
  ])("%s", (_name, lists, taskModel, embeddingModel) =>
    expect(chooseStackModels(book, lists, ["openai"])).toMatchObject({ taskModel, embeddingModel }),
  )
  it("a model without a token price is not taken for free", () =>
    expect(chooseStackModels([model("odd", 0, 0), big], [], ["openai"]).taskModel).toBe("big"))
})

describe(".env", () => {
  const example = "# Which tenant this is.\nTENANT_SLUG=\n\n# Workers.\nLITELLM_WORKERS=1\n"
  it("keeps comments, order and what is not given", () =>
    expect(fillEnv(example, { TENANT_SLUG: "alpha" })).toBe(
      "# Which tenant this is.\nTENANT_SLUG=alpha\n\n# Workers.\nLITELLM_WORKERS=1\n",
    ))
  it("replaces what the example says", () => expect(fillEnv(example, { LITELLM_WORKERS: "2" })).toContain("LITELLM_WORKERS=2\n"))
  it("a variable that nobody reads is a mistake", () =>
    expect(() => fillEnv(example, { TENANT_SLAG: "x" })).toThrow("TENANT_SLAG"))
  it.each(["two words", "a$b", 'a"b', "a'b", "a#b", "a\\b", "a\nb"])("%j would be read as something else", (value) =>
    expect(() => fillEnv(example, { TENANT_SLUG: value })).toThrow("TENANT_SLUG"),
  )
  it("the complaint never repeats the value", () => {
    expect(() => fillEnv(example, { TENANT_SLUG: "s3cret value" })).toThrow(/^(?!.*s3cret)/)
  })
})

describe("a domain", () => {
  it.each(["alpha.cloudfreedom.de", "a.bc", "x-1.example.com", "xn--bcher-kva.example"])("%s is a host name", (name) =>
    expect(isHostName(name)).toBe(true),
  )
  it.each([
    ...["", "alpha", "https://a.de", "a.de/", "a.de:8080", "a b.de", "-a.de", "a-.de", "A.de", "a..de", ".de", "a.de.", "a_b.de"],
    ...["127.0.0.1", "`x`.de", "$X.de", `${"a".repeat(64)}.de`, `${"a.".repeat(130)}de`],
  ])("%j is none", (name) => expect(isHostName(name)).toBe(false))
})
