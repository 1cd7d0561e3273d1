/**
 * A number of the map times 10^shift, as a plain decimal string without noise.
 * Works on decimal digits only. Fifteen significant digits are what a double
 * keeps of any decimal; the map's own noise (1.0000000000000001e-07) lies beyond.
 * @param {unknown} value finite number ≥ 0, or its decimal text
 * @param {number} shift decimal places to move the point to the right
 * @returns {string} e.g. `decimal(2.5e-6, 6)` is "2.5"
 * @throws {RangeError} on anything else
 */
export function decimal(value, shift) {
  const text = typeof value === "number" ? value.toPrecision(15) : String(value).trim()
  const parts = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,2}))?$/i.exec(text)
  if (!parts) throw new RangeError(`not a price: ${JSON.stringify(value)}`)
  const [, whole = "", fraction = "", exponent = "0"] = parts
  const digits = BigInt(whole + fraction)
  const places = fraction.length - Number(exponent) - shift
  if (places <= 0) return (digits * 10n ** BigInt(-places)).toString()
  const padded = digits.toString().padStart(places + 1, "0")
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`.replace(/\.?0+$/, "")
}
