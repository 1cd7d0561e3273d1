// What publishing would change in the price book, as text for a terminal. Pure.

/**
 * @typedef {Record<string, unknown>} Rates nano-EUR; a token class is per 1,000,000 tokens
 * @typedef {{model: string, provider: string, status: "new"|"changed"|"unchanged", before: Rates|null, after: Rates}} Change
 */

const TOKEN_CLASSES = ["input", "cache_read", "cache_write", "cache_write_1h", "output"]
/** @type {Record<string, string>} */
const UNIT_NAMES = { image: "image", second: "second", mchar: "1M characters", call: "call" }

/**
 * @param {unknown} nano integer nano-EUR
 * @returns {string} EUR, at least two decimals, no noise: 2145000000 is "2.145"
 */
export function eur(nano) {
  if (typeof nano !== "number" || !Number.isSafeInteger(nano)) return "?"
  const digits = Math.abs(nano).toString().padStart(10, "0")
  const fraction = digits.slice(-9).replace(/0{1,7}$/, "")
  return `${nano < 0 ? "-" : ""}${digits.slice(0, -9)}.${fraction}`
}

/**
 * @param {Rates|null} rates
 * @returns {Map<string, unknown>} label to nano-EUR, in the order in which they are printed
 */
function flatten(rates) {
  const flat = new Map()
  for (const name of TOKEN_CLASSES) if (rates?.[name] != null) flat.set(name, rates[name])
  for (const [name, unit] of Object.entries(UNIT_NAMES)) {
    if (rates?.[name] != null) flat.set(`per ${unit}`, rates[name])
  }
  const tiers = rates?.long_context
  for (const tier of Array.isArray(tiers) ? tiers : []) {
    for (const name of TOKEN_CLASSES) {
      if (tier[name] != null) flat.set(`${name} above ${tier.above_tokens}`, tier[name])
    }
  }
  return flat
}

/**
 * @param {Change} change
 * @returns {string[][]} rows of [status, model, provider, class, before, after]; only classes that differ
 */
function rowsOf(change) {
  const before = flatten(change.before)
  const after = flatten(change.after)
  const labels = [...after.keys(), ...[...before.keys()].filter((label) => !after.has(label))]
  return labels
    .filter((label) => before.get(label) !== after.get(label))
    .map((label, index) => [
      ...(index === 0 ? [change.status, change.model, change.provider] : ["", "", ""]),
      label,
      before.has(label) ? eur(before.get(label)) : "-",
      after.has(label) ? eur(after.get(label)) : "-",
    ])
}

/**
 * @param {Change[]} changes
 * @param {number} skippedCount
 * @returns {string} the table and the counts under it
 */
export function renderChanges(changes, skippedCount) {
  const count = (/** @type {string} */ status) => changes.filter((change) => change.status === status).length
  const summary = `${count("new")} new, ${count("changed")} changed, ${count("unchanged")} unchanged, ${skippedCount} skipped`
  const rows = changes.filter((change) => change.status !== "unchanged").flatMap(rowsOf)
  if (rows.length === 0) return summary
  const table = [["", "model", "provider", "class", "before", "after"], ...rows]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column < 4 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  )
  return ["EUR per 1,000,000 tokens; other units as named", "", ...lines, "", summary].join("\n")
}
