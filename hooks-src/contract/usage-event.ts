/**
 * The usage event of the wire contract, and its parser. Hand-written instead of a schema library: a batch of 1,000 events
 * is parsed inside PocketBase's interpreter, where a library cost several times the booking itself (docs/adr/0006).
 */

export const LIMITS = {
  eventsPerRequest: 1_000,
  idLength: 128,
  tokens: 1_000_000_000,
  aheadMs: 10 * 60_000,
  backMs: 60 * 86_400_000,
  depth: 32,
} as const

export const KINDS = ["chat", "embedding", "image", "speech", "transcription", "other"] as const

/** A parsed event: every optional field has its default, times are UTC milliseconds, counts are integers. */
export interface UsageEvent {
  eventId: string
  callId: string
  holdId: string
  userId: string
  apiKeyId: string
  /** SHA-256 of the API key, where the sender knows no id (LiteLLM's stock logger). */
  apiKeyHash: string
  model: string
  modelRequested: string
  provider: string
  kind: string
  tokensInput: number
  cacheRead: number
  cacheWrite: number
  cacheWrite1h: number
  tokensOutput: number
  tokensReasoning: number
  images: number
  audioMs: number
  characters: number
  status: string
  aborted: boolean
  estimated: boolean
  cacheHit: boolean
  purpose: string
  /** Nano-USD that the sender thinks it cost: a cross-check only. */
  reportedNanoUsd: number
  timestampMs: number
  durationMs: number
  claimedTenantId: string
}

export type ParsedEvent = { ok: true; event: UsageEvent } | { ok: false; eventId: string; message: string }

class Invalid extends Error {}

type Raw = Record<string, unknown>

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/
const DECIMAL = /^\d{1,12}(\.\d{1,12})?$/

/**
 * @param path how error messages call it, e.g. `events[3]`
 * @param nowMs the clock, for the bounds of `timestamp`
 */
export function parseUsageEvent(value: unknown, path: string, nowMs: number): ParsedEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, eventId: "", message: `${path} must be an object` }
  }
  const raw = value as Raw
  try {
    return { ok: true, event: readEvent(raw, path, nowMs) }
  } catch (error) {
    if (!(error instanceof Invalid)) throw error
    const id = raw.event_id
    return { ok: false, eventId: typeof id === "string" ? id.slice(0, LIMITS.idLength) : "", message: error.message }
  }
}

function readEvent(raw: Raw, path: string, nowMs: number): UsageEvent {
  const tokensInput = count(raw, "tokens_input", path, true)
  const cacheRead = count(raw, "tokens_cache_read", path)
  const cacheWrite = count(raw, "tokens_cache_write", path)
  const cacheWrite1h = count(raw, "tokens_cache_write_1h", path)
  if (cacheRead + cacheWrite > tokensInput) {
    throw new Invalid(`${path}: tokens_cache_read + tokens_cache_write must be ≤ tokens_input, which counts the whole prompt`)
  }
  if (cacheWrite1h > cacheWrite)
    throw new Invalid(`${path}.tokens_cache_write_1h must be ≤ tokens_cache_write, it is a part of it`)
  const provider = id(raw, "provider", path)
  const model = id(raw, "model", path, true)
  return {
    eventId: id(raw, "event_id", path, true),
    callId: id(raw, "call_id", path),
    holdId: id(raw, "hold_id", path),
    userId: id(raw, "user_id", path),
    apiKeyId: id(raw, "api_key_id", path),
    apiKeyHash: "",
    model: provider !== "" && model.startsWith(`${provider}/`) ? model.slice(provider.length + 1) : model,
    modelRequested: id(raw, "model_requested", path),
    provider,
    kind: oneOf(raw, "kind", KINDS, path, "chat"),
    tokensInput,
    cacheRead,
    cacheWrite,
    cacheWrite1h,
    tokensOutput: count(raw, "tokens_output", path, true),
    tokensReasoning: count(raw, "tokens_reasoning", path),
    images: count(raw, "images", path),
    audioMs: Math.round(decimal(raw, "audio_seconds", path, 1_000_000) * 1000),
    characters: count(raw, "characters", path),
    status: oneOf(raw, "status", ["success", "failure"], path),
    aborted: flag(raw, "aborted", path),
    estimated: flag(raw, "usage_estimated", path),
    cacheHit: flag(raw, "cache_hit", path),
    purpose: oneOf(raw, "purpose", ["user", "auxiliary"], path, "user"),
    reportedNanoUsd: Math.round(decimal(raw, "reported_cost_usd", path, 1_000_000) * 1e9),
    timestampMs: timestamp(raw, path, nowMs),
    durationMs: count(raw, "duration_ms", path),
    claimedTenantId: id(raw, "tenant_id", path),
  }
}

function count(raw: Raw, name: string, path: string, required = false): number {
  const value = raw[name]
  if (value === undefined && !required) return 0
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw new Invalid(`${path}.${name} must be an integer ≥ 0${value === undefined ? ", it is missing" : ""}`)
  }
  if (value > LIMITS.tokens) throw new Invalid(`${path}.${name} must be ≤ ${LIMITS.tokens}`)
  return value
}

function id(raw: Raw, name: string, path: string, required = false): string {
  const value = raw[name]
  if (value === undefined || value === null) {
    if (required) throw new Invalid(`${path}.${name} is missing`)
    return ""
  }
  if (typeof value !== "string") throw new Invalid(`${path}.${name} must be a string`)
  if (value === "" && required) throw new Invalid(`${path}.${name} must not be empty`)
  if (value.length > LIMITS.idLength) throw new Invalid(`${path}.${name} must have at most ${LIMITS.idLength} characters`)
  if (CONTROL.test(value)) throw new Invalid(`${path}.${name} must not contain control characters`)
  return value
}

function oneOf(raw: Raw, name: string, allowed: readonly string[], path: string, fallback?: string): string {
  const value = raw[name]
  if (value === undefined && fallback !== undefined) return fallback
  if (typeof value === "string" && allowed.includes(value)) return value
  throw new Invalid(`${path}.${name} must be one of ${allowed.join(", ")}`)
}

function flag(raw: Raw, name: string, path: string): boolean {
  const value = raw[name]
  if (value === undefined || value === null) return false
  if (typeof value !== "boolean") throw new Invalid(`${path}.${name} must be true or false`)
  return value
}

/** A decimal string (or number) ≥ 0. Never decides about money: audio lengths are rounded to ms, reported costs are stored. */
function decimal(raw: Raw, name: string, path: string, max: number): number {
  const value = raw[name]
  if (value === undefined || value === null) return 0
  const number = typeof value === "number" ? value : typeof value === "string" && DECIMAL.test(value) ? Number(value) : -1
  if (!(number >= 0)) throw new Invalid(`${path}.${name} must be a decimal number ≥ 0`)
  if (number > max) throw new Invalid(`${path}.${name} must be ≤ ${max}`)
  return number
}

function timestamp(raw: Raw, path: string, nowMs: number): number {
  const value = raw.timestamp
  const ms = typeof value === "string" && RFC3339.test(value) ? Date.parse(value.replace(" ", "T").toUpperCase()) : Number.NaN
  if (Number.isNaN(ms)) throw new Invalid(`${path}.timestamp must be an RFC 3339 time such as 2026-11-23T10:00:00Z`)
  if (ms > nowMs + LIMITS.aheadMs) throw new Invalid(`${path}.timestamp must be at most 10 minutes ahead of the server's clock`)
  if (ms < nowMs - LIMITS.backMs) throw new Invalid(`${path}.timestamp must be at most 60 days back`)
  return ms
}

/** The disjoint token classes of an event, as pricing wants them. */
export function countsOf(event: UsageEvent) {
  return {
    uncached: event.tokensInput - event.cacheRead - event.cacheWrite,
    cacheRead: event.cacheRead,
    cacheWrite: event.cacheWrite - event.cacheWrite1h,
    cacheWrite1h: event.cacheWrite1h,
    output: event.tokensOutput,
    images: event.images,
    audioMs: event.audioMs,
    characters: event.characters,
  }
}
