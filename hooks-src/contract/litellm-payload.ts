/**
 * LiteLLM's standard logging payload (what its stock `generic_api` logger posts) → our wire event. Only named fields are
 * read: prompts and answers, which the payload carries, are dropped unread. Facts: tests/litellm, captured from 1.106.2.
 */

type Json = Record<string, unknown>

const KIND_BY_CALL_TYPE: [string, string][] = [
  ["embedding", "embedding"],
  ["image", "image"],
  ["speech", "speech"],
  ["transcription", "transcription"],
  ["completion", "chat"],
  ["responses", "chat"],
  ["anthropic_messages", "chat"],
]

/**
 * @param eventId sha256 hex of `id|status|startTime` as sent (the id alone is shared by fallbacks and can be set by clients)
 * @returns an object for parseUsageEvent; what the payload lacks or has in a wrong type is refused there
 */
export function toWireEvent(payload: Json, eventId: string): Json {
  const metadata = object(payload.metadata)
  const usage = object(metadata.usage_object)
  const promptDetails = object(usage.prompt_tokens_details)
  const error = object(payload.error_information)
  const aborted = String(error.error_code ?? "") === "499"
  const input = payload.prompt_tokens ?? 0
  const output = payload.completion_tokens ?? 0
  return {
    event_id: eventId,
    call_id: clip(payload.litellm_call_id),
    user_id: clip(metadata.user_api_key_user_id),
    model: payload.model,
    model_requested: clip(payload.model_group),
    provider: clip(payload.custom_llm_provider),
    kind: kindOf(payload.call_type),
    ...cacheTokens(usage, promptDetails, typeof input === "number" ? input : 0),
    tokens_input: input,
    tokens_output: output,
    tokens_reasoning: integer(object(usage.completion_tokens_details).reasoning_tokens),
    images: integer(usage.output_image_count),
    audio_seconds: typeof usage.seconds === "number" ? usage.seconds : 0,
    status: payload.status,
    aborted,
    usage_estimated: aborted || isEstimated(payload, usage),
    cache_hit: payload.cache_hit === true,
    reported_cost_usd: typeof payload.response_cost === "number" && payload.response_cost > 0 ? payload.response_cost : 0,
    timestamp: isoTime(payload.startTime),
    duration_ms: duration(payload),
  }
}

/** Hash of the API key as LiteLLM logs it; it equals ours because both are SHA-256 of the key's text. */
export function apiKeyHashOf(payload: Json): string {
  const hash = object(payload.metadata).user_api_key_hash
  return typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash) ? hash : ""
}

/** Providers report cache tokens in one of two places; neither may exceed the prompt that contains them. */
function cacheTokens(usage: Json, details: Json, input: number): Json {
  const read = integer(details.cached_tokens) || integer(usage.cache_read_input_tokens)
  const write = integer(usage.cache_creation_input_tokens) || integer(details.cache_creation_tokens)
  const hour = integer(object(details.cache_creation_token_details).ephemeral_1h_input_tokens)
  const cappedRead = Math.min(read, input)
  const cappedWrite = Math.min(write, input - cappedRead)
  return { tokens_cache_read: cappedRead, tokens_cache_write: cappedWrite, tokens_cache_write_1h: Math.min(hour, cappedWrite) }
}

/** LiteLLM counts with its own tokenizer when the provider sent no usage: streams without details, failures midway. */
function isEstimated(payload: Json, usage: Json): boolean {
  const tokens = integer(payload.prompt_tokens) + integer(payload.completion_tokens)
  if (payload.status === "failure") return tokens > 0
  return (
    payload.stream === true && tokens > 0 && (usage.prompt_tokens_details === undefined || usage.prompt_tokens_details === null)
  )
}

function kindOf(callType: unknown): string {
  const name = String(callType ?? "")
  for (const [part, kind] of KIND_BY_CALL_TYPE) if (name.includes(part)) return kind
  return "other"
}

function isoTime(seconds: unknown): unknown {
  if (typeof seconds !== "number" || !(seconds > 0) || seconds > 1e11) return seconds
  return new Date(Math.floor(seconds * 1000)).toISOString()
}

function duration(payload: Json): number {
  const { startTime, endTime } = payload
  if (typeof startTime !== "number" || typeof endTime !== "number") return 0
  return Math.min(1e9, Math.max(0, Math.round((endTime - startTime) * 1000)))
}

function integer(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : 0
}

function clip(value: unknown): unknown {
  return typeof value === "string" ? value.slice(0, 128) : value === null ? undefined : value
}

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {}
}
