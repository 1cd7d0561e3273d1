/**
 * From measured cells to the table, the ratios and their targets: printed and written to bench/results.md.
 */
import { writeFile } from "node:fs/promises"
import os from "node:os"

/**
 * @typedef {ReturnType<typeof import('./load.mjs').summarize>} Summary
 * @typedef {object} Results
 * @property {Map<string, Summary>} cells   by name, see run.mjs
 * @property {string} sqlite                version behind the ceiling
 * @property {number | undefined} memoryMb  peak of our PocketBase process
 * @property {{rows: number, balanced: boolean, stock_lost_share: number}} books
 * @property {string} pocketbase            version
 * @property {number} minutes               how long the run took
 */

/**
 * @param {Results} results
 * @returns {string} Markdown
 */
export function render(results) {
  const sections = [
    "# Benchmark results",
    "",
    "Written by `npm run bench`. Every number comes from one run on one machine, load generator included; compare the ratios",
    "between machines, not the rates. Every cell runs in every round, the sides of a ratio close together; a ratio is the",
    "median of the rounds’ ratios.",
    "",
    ...machine(results),
    "",
    "## Targets",
    "",
    ...table(["", "ratio", "value", "target"], targets(results).map(targetRow)),
    "",
    "## Measured",
    "",
    ...table(
      ["what", "events/s", "by round", "p50 ms", "p99 ms", "cores: server", "cores: load", "failed"],
      [...results.cells].map(([name, cell]) => cellRow(name, cell)),
    ),
    "",
    ...books(results),
    "",
  ]
  return sections.join("\n")
}

/** @param {string} markdown */
export async function save(markdown) {
  await writeFile(new URL("results.md", import.meta.url), markdown)
}

/** @param {Results} results */
function machine({ sqlite, pocketbase, minutes }) {
  const cpu = os.cpus()[0]?.model ?? "unknown CPU"
  return [
    `- ${new Date().toISOString().slice(0, 16)}Z, ${minutes.toFixed(1)} min`,
    `- ${os.cpus().length} cores (${cpu.trim()}), ${Math.round(os.totalmem() / 2 ** 30)} GB, ${os.platform()} ${os.arch()}`,
    `- PocketBase ${pocketbase}, Node ${process.version}, SQLite ${sqlite} for the ceiling`,
  ]
}

/**
 * @typedef {{name: string, value: number | undefined, target: number, unit?: string, note?: string}} Goal
 * @param {Results} results
 * @returns {Goal[]}
 */
function targets({ cells, memoryMb }) {
  const ratio = (/** @type {string} */ a, /** @type {string} */ b) => {
    const below = cells.get(b)?.rates ?? []
    return median((cells.get(a)?.rates ?? []).map((rate, round) => rate / below[round]))
  }
  const ofCeiling = (/** @type {number} */ size) => ({
    name: `ours, ${size} a request ÷ C SQLite, batches of ${size}`,
    value: ratio(`ours, ${size} a request, 16 connections`, `C SQLite, batches of ${size}`),
    target: 0.15,
    note: "want 0.5",
  })
  const scaling = (/** @type {number} */ size) => ({
    name: `ours, ${size} a request: 64 connections ÷ 16`,
    value: ratio(`ours, ${size} a request, 64 connections`, `ours, ${size} a request, 16 connections`),
    target: 0.9,
  })
  const versus = (/** @type {number} */ size, /** @type {number} */ connections, /** @type {number} */ target) => ({
    name: `${size} a request, ${connections} connections: ours ÷ five services`,
    value: ratio(
      `ours, ${size} a request, ${connections} connections`,
      `five services, ${size} a request, ${connections} connections`,
    ),
    target,
  })
  return [
    versus(1, 16, 8),
    versus(1, 64, 8),
    versus(100, 16, 2),
    ofCeiling(100),
    ofCeiling(500),
    ...[1, 100, 500].map(scaling),
    {
      name: "ours, 100 a request: 1,000,000 rows ÷ 10,000",
      value: ratio("ours, 1,000,000 rows", "ours, 10,000 rows"),
      target: 0.8,
    },
    { name: "peak memory of PocketBase", value: memoryMb, target: 400, unit: "MB", note: memoryMb ? "" : "skipped: needs /proc" },
  ]
}

/** @param {Goal} goal */
function targetRow({ name, value, target, unit, note }) {
  if (value === undefined) return ["–", name, "–", `${note}`]
  const met = unit ? value <= target : value >= target
  const wanted = unit ? `≤ ${target} ${unit}` : `≥ ${target}`
  const shown = unit ? `${whole(value)} ${unit}` : value.toFixed(2)
  return [met ? "✓" : "✗ missed", name, shown, note ? `${wanted} (${note})` : wanted]
}

/**
 * @param {string} name
 * @param {Summary} cell
 */
function cellRow(name, cell) {
  const byRound = cell.rates.map(whole).join(" · ")
  const milliseconds = [cell.p50, cell.p99].map((ms) => (Number.isNaN(ms) ? "–" : ms.toFixed(1)))
  const cores = [cell.serverCpu, cell.loadCpu].map((used) => (Number.isNaN(used) ? "–" : used.toFixed(2)))
  const failed = cell.failed === 0 ? "0" : `${cell.failed}: ${cell.firstFailure?.replaceAll("|", "\\|").slice(0, 120)}`
  return [name, whole(cell.rate), byRound, ...milliseconds, ...cores, failed]
}

/** @param {Results} results */
function books({ books: { rows, balanced, stock_lost_share: lost } }) {
  const ours = balanced
    ? "the tenant’s and the users’ budgets equal the sum of the usage"
    : "**the budgets do not equal the usage**"
  return [
    `Books after the load: ours has ${whole(rows)} usage rows and ${ours}.`,
    lost > 0
      ? `The five-service design lost ${(lost * 100).toFixed(0)} % of the money of its single events (GET, add, PATCH under concurrency).`
      : "The five-service design lost no money in this run.",
  ]
}

/**
 * A Markdown table, padded so that it reads in a terminal too.
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length), 3))
  const line = (/** @type {string[]} */ cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)]
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2
}

/** @param {number} value */
const whole = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "–")
