// npm run test:mutation: breaks the money code on purpose, one change at a time; a change that no unit test notices fails.
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { promisify } from "node:util"
import { root } from "./project.mjs"

const run = promisify(execFile)

/** [file, what stands there, what is put there instead] */
const MUTANTS = [
  ["money.ts", "twice > denominator ||", "twice >= denominator ||"],
  ["money.ts", "quotient % 2n === 1n", "quotient % 2n === 0n"],
  ["money.ts", "return negative ? -quotient : quotient", "return quotient"],
  ["money.ts", "BigInt(line.count) * BigInt(line.rateNano)", "BigInt(Number(line.count) * Number(line.rateNano))"],
  ["money.ts", "toSafeNumber(divideHalfEven(total, UNITS_PER_RATE))", "Number(total / UNITS_PER_RATE)"],
  ["money.ts", "(UNITS_PER_RATE / BigInt(line.per))", "1n"],
  ["money.ts", "BigInt(10_000 + markupBp)", "BigInt(10_000)"],
  ["money.ts", 'value < 0n ? "-" : ""', '""'],
  [
    "pricing.ts",
    '"cache_read", counts.cacheRead, tokens.cache_read ?? tokens.input',
    '"cache_read", counts.cacheRead, tokens.input',
  ],
  ["pricing.ts", '"cache_write", counts.cacheWrite, write', '"cache_write", counts.cacheWrite, tokens.cache_read'],
  ["pricing.ts", "tokens.cache_write_1h ?? write", "write"],
  ["pricing.ts", '"output", counts.output, tokens.output', '"output", counts.output, tokens.input'],
  ["pricing.ts", '"input", counts.uncached, tokens.input', '"input", inputTokens(counts), tokens.input'],
  ["pricing.ts", "input > candidate.above_tokens", "input >= candidate.above_tokens"],
  [
    "pricing.ts",
    "a === undefined) return b\n  return b === undefined || a > b ? a : b",
    "a === undefined) return b\n  return b === undefined || a < b ? a : b",
  ],
  ["pricing.ts", "aBegan ? a.effectiveFromMs > b.effectiveFromMs", "aBegan ? a.effectiveFromMs < b.effectiveFromMs"],
  ["pricing.ts", 'call.cacheHit || (call.status === "failure" && !counted)', 'call.status === "failure" && !counted'],
  ["budget-reset.ts", 'budget.policy === "money" ? overrunNano : 0', "0"],
  ["budget-reset.ts", 'budget.policy === "limit" ? overrunNano : 0', "0"],
  ["budget-reset.ts", "lot.expiresAt > budget.periodEnd", "lot.expiresAt >= budget.periodEnd"],
  ["budget-reset.ts", "Math.min(costNano, expiredNano)", "costNano"],
  ["credit-lots.ts", "a.expiresAt < b.expiresAt ? -1 : 1", "a.expiresAt < b.expiresAt ? 1 : -1"],
  ["credit-lots.ts", "Math.max(0, Math.min(left, lot.openNano))", "Math.min(left, lot.openNano)"],
  ["seat-change.ts", "if (difference <= 0) return 0", ""],
  ["usage-batch.ts", "for (const budgetId of row.budgetIds)", "for (const budgetId of row.budgetIds.slice(0, 1))"],
  ["money.ts", "if (left < 0n) return -1", "if (left < 0n) return 0"],
  ["money.ts", "if (cost > 0n) free = false", ""],
  ["money.ts", "count < BigInt(asked) ? Number(count) : asked", "Number(count)"],
  ["money.ts", "free && (rateNano === 0 || asked === 0)", "rateNano === 0 || asked === 0"],
  ["call-facts.ts", "budget.totalNano - budget.usedNano - budget.heldNano", "budget.totalNano - budget.usedNano"],
  ["hold.ts", "affordable < Math.min(asked, USEFUL_MIN_TOKENS)", "affordable < USEFUL_MIN_TOKENS"],
  ["hold.ts", "tokenRatesFor(price.rates, call.tokensInput)", "price.rates"],
  ["refusal.ts", "availableOf(a) - availableOf(b)", "availableOf(b) - availableOf(a)"],
]

const base = path.join(root, ".cache/mutants")
rmSync(base, { recursive: true, force: true })
const survivors = []
const queue = MUTANTS.map((mutant, i) => ({ mutant, i }))

async function worker() {
  for (let job = queue.shift(); job; job = queue.shift()) {
    const [file, from, to] = job.mutant
    const dir = path.join(base, String(job.i))
    mkdirSync(dir, { recursive: true })
    for (const layer of ["domain", "contract"])
      cpSync(path.join(root, "hooks-src", layer), path.join(dir, layer), { recursive: true })
    const target = path.join(dir, "domain", file)
    const source = readFileSync(target, "utf8")
    if (source.split(from).length !== 2)
      throw new Error(`mutant ${job.i} fits ${file} ${source.split(from).length - 1} times, it must fit once: ${from}`)
    writeFileSync(
      target,
      source.replace(from, () => to),
    )
    writeFileSync(
      path.join(dir, "vitest.config.mjs"),
      "export default { test: { include: ['domain/*.test.ts'], bail: 1, pool: 'threads' } }\n",
    )
    const died = await run(path.join(root, "node_modules/.bin/vitest"), ["run", "--root", dir, "--reporter=dot"], {
      cwd: root,
    }).then(
      () => false,
      () => true,
    )
    if (!died) survivors.push(`${file}: ${from}  →  ${to}`)
  }
}

await Promise.all([worker(), worker()])
rmSync(base, { recursive: true, force: true })
console.log(`${MUTANTS.length - survivors.length} of ${MUTANTS.length} money mutants were caught`)
if (survivors.length > 0) {
  console.error(`survived:\n  ${survivors.join("\n  ")}`)
  process.exit(1)
}
