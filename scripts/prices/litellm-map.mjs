// Turns LiteLLM's published cost map (USD per token, floats) into price entries
// (USD per million tokens, decimal strings). Pure: no files, no clock, no network.
//
// The rule behind every decision here: an entry we cannot price exactly is
// skipped and named, never guessed. A model without a price is refused and seen;
// a model with a wrong price is billed wrongly and not seen.

import { decimal } from "./decimal.mjs"

/**
 * @typedef {"chat"|"embedding"|"image"|"speech"|"transcription"|"other"} Kind
 * @typedef {{input?: string, cache_read?: string, cache_write?: string, cache_write_1h?: string, output?: string}} TokenRates
 * @typedef {TokenRates & {image?: string, second?: string, mchar?: string, call?: string, long_context?: Array<TokenRates & {above_tokens: number}>}} UsdRates
 * @typedef {{model: string, provider: string, kind: Kind, max_input_tokens?: number, max_output_tokens?: number, usd: UsdRates}} PriceEntry
 * @typedef {{model: string, reason: string}} Skipped
 * @typedef {Record<string, unknown>} ModelInfo one value of the map
 */

/** @type {Record<string, Kind>} */
const KIND_OF_MODE = {
  chat: "chat",
  completion: "chat",
  responses: "chat",
  embedding: "embedding",
  image_generation: "image",
  audio_speech: "speech",
  audio_transcription: "transcription",
}

/** @type {Array<[keyof TokenRates, string]>} */
const TOKEN_FIELDS = [
  ["input", "input_cost_per_token"],
  ["cache_read", "cache_read_input_token_cost"],
  ["cache_write", "cache_creation_input_token_cost"],
  ["cache_write_1h", "cache_creation_input_token_cost_above_1hr"],
  ["output", "output_cost_per_token"],
]

/**
 * The token rate of the medium a mode is about. It stands in when the map has no
 * plain rate for that class; if both exist and differ, one class would carry two
 * prices and the entry is skipped.
 * @type {Record<string, Array<{rate: "input"|"output", field: string}>>}
 */
const MEDIUM_FIELDS = {
  image_generation: [{ rate: "output", field: "output_cost_per_image_token" }],
  image_edit: [{ rate: "output", field: "output_cost_per_image_token" }],
  audio_speech: [{ rate: "output", field: "output_cost_per_audio_token" }],
  audio_transcription: [{ rate: "input", field: "input_cost_per_audio_token" }],
  realtime: [
    { rate: "input", field: "input_cost_per_audio_token" },
    { rate: "output", field: "output_cost_per_audio_token" },
  ],
}

const PER_MILLION = 6
const PER_UNIT = 0

/**
 * @param {ModelInfo} info
 * @param {string} field
 * @param {number} shift
 * @returns {string|undefined} undefined when the map does not have the field
 */
function rateOf(info, field, shift) {
  const value = info[field]
  return value === undefined || value === null ? undefined : decimal(value, shift)
}

/** @param {string|undefined} rate */
const isPositive = (rate) => rate !== undefined && /[1-9]/.test(rate)

/**
 * @param {ModelInfo} info
 * @param {string} suffix "" or "_above_200k_tokens"
 * @returns {TokenRates}
 */
function tokenRates(info, suffix) {
  /** @type {TokenRates} */
  const rates = {}
  for (const [name, field] of TOKEN_FIELDS) {
    const rate = rateOf(info, field + suffix, PER_MILLION)
    if (rate !== undefined) rates[name] = rate
  }
  return rates
}

/**
 * @param {ModelInfo} info
 * @returns {Array<TokenRates & {above_tokens: number}>} ascending
 */
function longContextRates(info) {
  const thousands = new Set()
  for (const field of Object.keys(info)) {
    // Variants such as "…_above_200k_tokens_priority" are service tiers: not ours.
    const match = /^(.+)_above_(\d+)k_tokens$/.exec(field)
    if (match && TOKEN_FIELDS.some(([, base]) => base === match[1])) thousands.add(Number(match[2]))
  }
  return [...thousands].sort((a, b) => a - b).map((k) => ({ above_tokens: k * 1000, ...tokenRates(info, `_above_${k}k_tokens`) }))
}

/**
 * @param {ModelInfo} info
 * @param {TokenRates} rates receives the medium's rate where the plain one is missing
 * @returns {string|undefined} why the token rates cannot be used
 */
function applyMedium(info, rates) {
  for (const { rate, field } of MEDIUM_FIELDS[String(info.mode)] ?? []) {
    const medium = rateOf(info, field, PER_MILLION)
    if (medium === undefined) continue
    if (rates[rate] !== undefined && rates[rate] !== medium) {
      return `mixed_token_rates: ${field} differs from the plain ${rate} rate`
    }
    rates[rate] = medium
  }
  const reasoning = rateOf(info, "output_cost_per_reasoning_token", PER_MILLION)
  if (reasoning !== undefined && Number(reasoning) > Number(rates.output ?? "0")) {
    // Reasoning tokens are part of the output count; they have no class of their own.
    return "mixed_token_rates: reasoning tokens cost more than output tokens"
  }
  return undefined
}

/**
 * Prices per unit, without those a token rate already bills.
 * @param {ModelInfo} info
 * @param {Kind} kind
 * @param {TokenRates} tokens
 * @returns {Pick<UsdRates, "image"|"second"|"mchar"|"call">}
 */
function unitRates(info, kind, tokens) {
  /** @param {number} shift @param {...string} fields the first positive one counts */
  const first = (shift, ...fields) => fields.map((field) => rateOf(info, field, shift)).find(isPositive)
  const hasTokens = Object.values(tokens).some(isPositive)
  /** @type {ReturnType<typeof unitRates>} */
  const units = {}
  if (!hasTokens && (kind === "image" || info.mode === "image_edit")) {
    units.image = first(PER_UNIT, "output_cost_per_image", "input_cost_per_image")
  }
  if (kind === "speech" && !isPositive(tokens.input)) {
    units.mchar = first(PER_MILLION, "input_cost_per_character")
  }
  // The map states the same second on both sides (whisper-1): it is one price.
  if (kind === "transcription" && !isPositive(tokens.input)) {
    units.second = first(PER_UNIT, "input_cost_per_second", "output_cost_per_second")
  }
  if (kind === "speech" && !isPositive(tokens.output) && units.mchar === undefined) {
    units.second = first(PER_UNIT, "output_cost_per_second")
  }
  units.call = first(PER_UNIT, "input_cost_per_request", ...(kind === "other" ? ["input_cost_per_query"] : []))
  for (const name of /** @type {Array<keyof typeof units>} */ (Object.keys(units))) {
    if (units[name] === undefined) delete units[name]
  }
  return units
}

/**
 * @param {ModelInfo} info
 * @param {Kind} kind
 * @returns {{usd: UsdRates} | {reason: string}}
 */
function usdRates(info, kind) {
  const tokens = tokenRates(info, "")
  const mixed = applyMedium(info, tokens)
  if (mixed) return { reason: mixed }
  const units = unitRates(info, kind, tokens)
  if (Object.values(tokens).some(isPositive)) {
    const tiers = longContextRates(info)
    return { usd: { ...tokens, ...units, ...(tiers.length > 0 ? { long_context: tiers } : {}) } }
  }
  if (Object.keys(units).length > 0) return { usd: units }
  if ("tiered_pricing" in info) return { reason: "tiered_pricing: only prices by range of tokens" }
  const priced = Object.keys(info).filter((field) => /cost/.test(field) && Number(info[field]) > 0)
  if (priced.length > 0) return { reason: `unsupported_price: only ${priced.sort().join(", ")}` }
  // In the map a zero means "free" as well as "unknown": we cannot give it away.
  return { reason: Object.keys(tokens).length > 0 ? "zero_price" : "no_price" }
}

/** @param {unknown} value */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) > 0

/**
 * @param {string} model
 * @param {unknown} value
 * @returns {{entry: PriceEntry} | {reason: string}}
 */
function toEntry(model, value) {
  if (typeof value !== "object" || value === null || model === "sample_spec") return { reason: "not_a_model" }
  const info = /** @type {ModelInfo} */ (value)
  const provider = info.litellm_provider
  if (typeof provider !== "string" || provider === "") return { reason: "no_provider" }
  const kind = KIND_OF_MODE[String(info.mode)] ?? "other"
  try {
    const rates = usdRates(info, kind)
    if ("reason" in rates) return rates
    const limits = {
      ...(isCount(info.max_input_tokens) ? { max_input_tokens: Number(info.max_input_tokens) } : {}),
      ...(isCount(info.max_output_tokens) ? { max_output_tokens: Number(info.max_output_tokens) } : {}),
    }
    return { entry: { model, provider, kind, ...limits, usd: rates.usd } }
  } catch (error) {
    if (error instanceof RangeError) return { reason: `bad_number: ${error.message}` }
    throw error
  }
}

/**
 * @param {string[]} globs `*` stands for any text, "/" included; none given: everything matches
 * @returns {(model: string) => boolean}
 */
export function globMatcher(globs) {
  const patterns = globs.map(
    (glob) =>
      new RegExp(
        `^${glob
          .split("*")
          .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
          .join(".*")}$`,
      ),
  )
  return (model) => patterns.length === 0 || patterns.some((pattern) => pattern.test(model))
}

/**
 * @param {Record<string, unknown>} map LiteLLM's model_prices_and_context_window
 * @param {{only?: string[]}} [options] `only`: globs on the model name; the rest is left out, not "skipped"
 * @returns {{entries: PriceEntry[], skipped: Skipped[]}} both sorted by model (by code unit, the same everywhere)
 */
export function toPriceEntries(map, { only = [] } = {}) {
  const wanted = globMatcher(only)
  /** @type {PriceEntry[]} */
  const entries = []
  /** @type {Skipped[]} */
  const skipped = []
  for (const model of Object.keys(map).filter(wanted).sort()) {
    const result = toEntry(model, map[model])
    if ("entry" in result) entries.push(result.entry)
    else skipped.push({ model, reason: result.reason })
  }
  return { entries, skipped }
}
