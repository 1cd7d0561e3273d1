// The price book from outside: publish prices to a running server, or rebuild the
// seed of the price book. `npm run prices -- help` says how.
import { readFile, stat, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { renderChanges } from "./prices/changes-table.mjs"
import { globMatcher, toPriceEntries } from "./prices/litellm-map.mjs"

/**
 * @typedef {import("./prices/litellm-map.mjs").PriceEntry} PriceEntry
 * @typedef {import("./prices/litellm-map.mjs").Skipped} Skipped
 * @typedef {import("./prices/changes-table.mjs").Change} Change
 * @typedef {{dry_run: boolean, changes: Change[], published: number, repriced: number}} PublishAnswer
 */

const USAGE = `Usage:
  npm run prices -- import FILE [--apply] [--only GLOB,GLOB] [--provider NAME,NAME]
                         [--effective-from ISO] [--source TEXT] [--url URL] [--credentials FILE]
      Shows what publishing the prices of FILE would change; --apply publishes them.
      FILE: LiteLLM's cost map, or the format of scripts/prices/seed.json.
      Signs in with POCKETBASE_ADMIN_EMAIL and POCKETBASE_ADMIN_PASSWORD, or with --credentials
      (a demo-credentials.json or the folder that holds it). URL: http://127.0.0.1:8090
  npm run prices -- seed FILE [--source TEXT] [--date YYYY-MM-DD]
      Rewrites scripts/prices/seed.json from a cost map, for the models in seed-models.json.`

const CHUNK = 100
const TIMEOUT_MS = 60_000

/** A failure the reader can act on: printed without a stack. */
export class CliError extends Error {}

/**
 * @param {string} file
 * @returns {Promise<any>}
 */
async function readJson(file) {
  const text = await readFile(file, "utf8").catch((error) => {
    throw new CliError(`cannot read ${file}: ${error.code ?? error.message}`)
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CliError(`${file} is not JSON: ${/** @type {Error} */ (error).message}`)
  }
}

/** @param {string|undefined} text @returns {string[]} */
const list = (text) =>
  (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)

/**
 * @param {string} file LiteLLM's map or our seed
 * @param {{only?: string, provider?: string, source?: string}} options
 * @returns {Promise<{entries: PriceEntry[], skipped: Skipped[], source: string}>}
 */
async function loadEntries(file, options) {
  const content = await readJson(file)
  if (typeof content !== "object" || content === null) throw new CliError(`${file} is neither a cost map nor a seed`)
  const only = list(options.only)
  const isSeed = Array.isArray(content.entries)
  const { entries, skipped } = isSeed
    ? {
        entries: content.entries.filter((/** @type {PriceEntry} */ entry) => globMatcher(only)(entry.model)),
        skipped: [],
      }
    : toPriceEntries(content, { only })
  const providers = list(options.provider)
  const named = isSeed
    ? `${content.source ?? basename(file)} (${content.source_date ?? "no date"})`
    : `LiteLLM cost map, file ${basename(file)}`
  return {
    entries: entries.filter((/** @type {PriceEntry} */ entry) => providers.length === 0 || providers.includes(entry.provider)),
    skipped: skipped.filter(({ model }) => providers.length === 0 || providers.includes(content[model]?.litellm_provider)),
    source: options.source ?? named,
  }
}

/**
 * @param {string} url
 * @param {unknown} body
 * @param {string} [token]
 * @returns {Promise<any>} the body of a 200
 */
async function post(url, body, token) {
  const headers = { "Content-Type": "application/json", ...(token ? { Authorization: token } : {}) }
  const init = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS) }
  const response = await fetch(url, init).catch((error) => {
    throw new CliError(`cannot reach ${url}: ${error.cause?.code ?? error.message}`)
  })
  /** @type {any} */
  const answer = await response.json().catch(() => null)
  if (response.status === 200 && answer !== null) return answer
  const request = answer?.requestId ? ` (request ${answer.requestId})` : ""
  throw new CliError(`${answer?.code ?? response.status}: ${answer?.message ?? `unexpected answer ${response.status}`}${request}`)
}

/**
 * @param {{url?: string, credentials?: string}} options
 * @returns {Promise<{url: string, token: string}>}
 */
async function signIn(options) {
  const url = (options.url ?? "http://127.0.0.1:8090").replace(/\/+$/, "")
  let email = process.env.POCKETBASE_ADMIN_EMAIL
  let password = process.env.POCKETBASE_ADMIN_PASSWORD
  if (options.credentials) {
    const isFolder = await stat(options.credentials).then(
      (found) => found.isDirectory(),
      () => false,
    )
    const content = await readJson(isFolder ? join(options.credentials, "demo-credentials.json") : options.credentials)
    ;({ email, password } = content.superuser ?? {})
  }
  if (!email || !password) {
    throw new CliError("no login: set POCKETBASE_ADMIN_EMAIL and POCKETBASE_ADMIN_PASSWORD, or give --credentials")
  }
  const answer = await post(`${url}/api/collections/_superusers/auth-with-password`, { identity: email, password })
  if (typeof answer.token !== "string") throw new CliError("the login answered without a token")
  return { url, token: answer.token }
}

/**
 * Publishes in chunks. Each chunk stands alone: after a failure in a later one the
 * earlier ones are published, and running the command again finds them unchanged.
 * @param {{url: string, token: string}} server
 * @param {PriceEntry[]} entries
 * @param {{source: string, effective_from?: string, dry_run: boolean}} head
 * @returns {Promise<PublishAnswer>}
 */
async function publish(server, entries, head) {
  /** @type {PublishAnswer} */
  const total = { dry_run: head.dry_run, changes: [], published: 0, repriced: 0 }
  for (let start = 0; start < entries.length; start += CHUNK) {
    const body = { entries: entries.slice(start, start + CHUNK), ...head }
    const answer = await post(`${server.url}/api/prices/publish`, body, server.token).catch((error) => {
      const done = head.dry_run ? "" : `; before that: ${total.published} published, ${total.repriced} re-priced`
      throw new CliError(`${error.message} [entries ${start + 1} to ${start + body.entries.length}${done}]`)
    })
    total.changes.push(...(answer.changes ?? []))
    total.published += answer.published ?? 0
    total.repriced += answer.repriced ?? 0
  }
  return total
}

/**
 * @param {string} file
 * @param {Record<string, any>} options
 */
async function runImport(file, options) {
  const from = options["effective-from"]
  const effective = from === undefined ? undefined : new Date(from)
  if (effective && Number.isNaN(effective.getTime())) throw new CliError(`--effective-from is not a date: ${from}`)
  const { entries, skipped, source } = await loadEntries(file, options)
  if (entries.length === 0) throw new CliError(`no entry to import (${skipped.length} skipped)`)
  const head = { source, ...(effective ? { effective_from: effective.toISOString() } : {}) }
  const server = await signIn(options)
  const preview = await publish(server, entries, { ...head, dry_run: true })
  console.log(renderChanges(preview.changes, skipped.length))
  for (const { model, reason } of skipped.slice(0, 20)) console.log(`  skipped ${model}: ${reason}`)
  if (skipped.length > 20) console.log(`  … and ${skipped.length - 20} more`)
  if (!options.apply) {
    console.log("Nothing was published. Add --apply to publish.")
    return
  }
  const done = await publish(server, entries, { ...head, dry_run: false })
  console.log(`Published ${done.published} prices; re-priced ${done.repriced} quarantined usage rows.`)
}

/**
 * @param {string} file
 * @param {Record<string, any>} options
 */
async function runSeed(file, options) {
  const folder = join(import.meta.dirname, "prices")
  const date = options.date ?? new Date().toISOString().slice(0, 10)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) throw new CliError(`--date is not YYYY-MM-DD: ${date}`)
  /** @type {string[]} */
  const models = await readJson(join(folder, "seed-models.json"))
  const { entries, skipped } = toPriceEntries(await readJson(file), { only: models })
  const found = new Set(entries.map((entry) => entry.model))
  const missing = models.filter((model) => !found.has(model))
  // A seed with holes would go unnoticed until the first call of that model is refused.
  if (missing.length > 0) {
    const why = (/** @type {string} */ model) => skipped.find((one) => one.model === model)?.reason ?? "not in the map"
    throw new CliError(
      `seed.json left as it is; no price for:\n${missing.map((model) => `  ${model}: ${why(model)}`).join("\n")}`,
    )
  }
  const seed = { source: options.source ?? "LiteLLM published cost map", source_date: date, entries }
  await writeFile(join(folder, "seed.json"), `${JSON.stringify(seed, null, 2)}\n`)
  console.log(`seed.json: ${entries.length} models`)
}

/** @param {string[]} args */
async function main(args) {
  const text = /** @type {const} */ ({ type: "string" })
  const flag = /** @type {const} */ ({ type: "boolean" })
  const options = {
    url: text,
    only: text,
    provider: text,
    "effective-from": text,
    source: text,
    credentials: text,
    date: text,
    apply: flag,
    help: flag,
  }
  /** @type {ReturnType<typeof parseArgs>} */
  let parsed
  try {
    parsed = parseArgs({ args, allowPositionals: true, options })
  } catch (error) {
    throw new CliError(`${/** @type {Error} */ (error).message}\n\n${USAGE}`)
  }
  const [verb, file, ...rest] = parsed.positionals
  if (parsed.values.help || verb === "help") return console.log(USAGE)
  if (file === undefined || rest.length > 0) throw new CliError(USAGE)
  if (verb === "import") return runImport(file, parsed.values)
  if (verb === "seed") return runSeed(file, parsed.values)
  throw new CliError(USAGE)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error instanceof CliError ? error.message : error)
    process.exitCode = 1
  })
}
