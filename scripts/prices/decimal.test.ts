import { describe, expect, it } from "vitest"
import { decimal } from "./decimal.mjs"

describe("a price of the map becomes an exact decimal", () => {
  it.each([
    [2.5e-6, 6, "2.5"],
    [1.5e-7, 6, "0.15"],
    [1.25e-6, 6, "1.25"],
    [6e-7, 6, "0.6"],
    [0.00012, 6, "120"],
    [1e-5, 6, "10"],
    [2e-8, 6, "0.02"],
    [3.083e-5, 0, "0.00003083"],
    [0.04, 0, "0.04"],
    [0, 6, "0"],
    [0.0, 0, "0"],
    [1, 6, "1000000"],
    [100, 0, "100"],
    [1.0000000000000001e-7, 6, "0.1"], // noise that is already in the map
    [1.5000999999999998e-7, 6, "0.15001"],
    [0.1 + 0.05, 0, "0.15"], // 0.15000000000000002
    ["3e-07", 6, "0.3"],
    ["0.0000025", 6, "2.5"],
  ])("%s moved by %i places is %s", (value, shift, expected) => {
    expect(decimal(value, shift)).toBe(expected)
  })

  it("agrees with whole-number arithmetic for every price of 1 to 5,000 hundredths per million", () => {
    for (let cents = 1; cents <= 5000; cents++) {
      const expected = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`.replace(/\.?0+$/, "")
      expect(decimal(cents / 100 / 1e6, 6)).toBe(expected)
    }
  })

  it.each([[-1e-6], [Number.NaN], [Number.POSITIVE_INFINITY], ["free"], [""], [{}], [true], ["1e999"]])("refuses %s", (value) => {
    expect(() => decimal(value, 6)).toThrow(RangeError)
  })
})
