import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { allowsModel, intersectModels, readModelList } from "./model-access"

describe("a stored list", () => {
  it.each<[unknown, string[]]>([
    [
      ["gpt-4o", "gpt-4o-mini"],
      ["gpt-4o", "gpt-4o-mini"],
    ],
    [["*"], ["*"]],
    [["all"], ["*"]],
    [["gpt-4o", "all"], ["*"]],
    [[], []],
    [["", 5, null, "o3"], ["o3"]],
    ["*", []],
    ["gpt-4o", []],
    [null, []],
    [undefined, []],
    [{ "*": true }, []],
  ])("%j means %j", (stored, names) => expect(readModelList(stored)).toEqual(names))
})

describe("a list allows", () => {
  it.each<[string[], string[], boolean]>([
    [["*"], ["anything"], true],
    [["gpt-4o"], ["gpt-4o"], true],
    [["gpt-4o"], ["gpt-4o-mini"], false],
    [["gpt-4o*"], ["gpt-4o-mini"], true],
    [["gpt-4o*"], ["gpt-4"], false],
    [["gpt-4o"], ["openai/gpt-4o", "gpt-4o"], true],
    [["openai/gpt-4o"], ["openai/gpt-4o", "gpt-4o"], true],
    [["openai/gpt-4o"], ["gpt-4o"], false],
    [["openai/*"], ["openai/gpt-4o", "gpt-4o"], true],
    [["openai/*"], ["azure/gpt-4o", "gpt-4o"], false],
    [["GPT-4o"], ["gpt-4o"], false],
    [["g*t"], ["gpt"], false],
    [[], ["gpt-4o"], false],
  ])("%j to a model called %j: %s", (list, names, allowed) => expect(allowsModel(list, names)).toBe(allowed))
})

describe("two lists together", () => {
  it.each<[string[], string[], string[]]>([
    [["*"], ["gpt-4o"], ["gpt-4o"]],
    [["gpt-4o"], ["*"], ["gpt-4o"]],
    [["*"], ["*"], ["*"]],
    [["gpt-4*"], ["gpt-4o*", "o3"], ["gpt-4o*"]],
    [["gpt-4*"], ["gpt-4o", "o3"], ["gpt-4o"]],
    [
      ["gpt-4o", "o3"],
      ["o3", "gpt-4o"],
      ["gpt-4o", "o3"],
    ],
    [["gpt-4o"], ["gpt-4*"], ["gpt-4o"]],
    [["gpt-4o"], ["o3"], []],
    [["a*"], ["b*"], []],
    [[], ["*"], []],
  ])("%j and %j leave %j", (product, key, left) => {
    expect(intersectModels(product, key).toSorted()).toEqual(left.toSorted())
  })

  const entry = fc
    .tuple(fc.stringMatching(/^[ab]{0,3}$/), fc.boolean())
    .map(([name, open]) => (open || name === "" ? `${name}*` : name))
  const lists = fc.array(entry, { maxLength: 4 })

  it("show exactly the models that both allow", () => {
    fc.assert(
      fc.property(lists, lists, fc.stringMatching(/^[ab]{1,4}$/), (product, key, model) => {
        const both = allowsModel(product, [model]) && allowsModel(key, [model])
        expect(allowsModel(intersectModels(product, key), [model])).toBe(both)
      }),
    )
  })
})
