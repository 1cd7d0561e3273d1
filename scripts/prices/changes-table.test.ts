import { describe, expect, it } from "vitest"
import { eur, renderChanges } from "./changes-table.mjs"

describe("the table of changes", () => {
  it.each([
    [2_145_000_000, "2.145"],
    [0, "0.00"],
    [1, "0.000000001"],
    [15_000_000_000, "15.00"],
    [120_500_000_000, "120.50"],
    [1.5, "?"],
    ["1", "?"],
  ])("%s nano-EUR prints as %s", (nano, expected) => {
    expect(eur(nano)).toBe(expected)
  })

  it("shows before and after for the classes that differ, and counts the rest", () => {
    const text = renderChanges(
      [
        {
          model: "new-one",
          provider: "p",
          status: "new",
          before: null,
          after: {
            input: 1_000_000_000,
            image: 40_000_000,
            long_context: [{ above_tokens: 200000, input: 2_000_000_000 }],
          },
        },
        {
          model: "dearer",
          provider: "q",
          status: "changed",
          before: { input: 1_000_000_000, output: 5, cache_read: 7_000_000 },
          after: { input: 2_000_000_000, output: 5 },
        },
        { model: "same", provider: "q", status: "unchanged", before: { input: 1 }, after: { input: 1 } },
      ],
      3,
    )
    expect(text.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["EUR per 1,000,000 tokens; other units as named"],
      [""],
      ["model", "provider", "class", "before", "after"],
      ["new", "new-one", "p", "input", "-", "1.00"],
      ["per image", "-", "0.04"],
      ["input above 200000", "-", "2.00"],
      ["changed", "dearer", "q", "input", "1.00", "2.00"],
      ["cache_read", "0.007", "-"],
      [""],
      ["1 new, 1 changed, 1 unchanged, 3 skipped"],
    ])
  })
})
