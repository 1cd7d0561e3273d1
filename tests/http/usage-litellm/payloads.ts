/**
 * What LiteLLM's stock `generic_api` logger posts (1.106.2), cut down to the fields that decide something plus those that
 * must never be read: prompts, answers, requester-supplied metadata. Times are moved to now.
 */
import { createHash, randomUUID } from "node:crypto"

type Json = Record<string, unknown>

export const SECRET_PROMPT = "the-password-of-our-vault-is-xyzzy"
export const SECRET_ANSWER = "an-answer-that-is-nobodys-business"

/** Seconds with a fraction, as Python writes them. */
export function startNow(): number {
  return Math.floor(Date.now() / 1_000) + 0.474588
}

/** A chat: 1,000 tokens in, 200 of them cached, 50 out; 2.76 × 0.8 + 1.38 × 0.2 + 11.04 × 0.05 = 3.036 EUR per 1,000. */
export function chat(changes: Json = {}, metadata: Json = {}): Json {
  const startTime = startNow()
  return {
    id: `chatcmpl-${randomUUID()}`,
    litellm_call_id: randomUUID(),
    trace_id: randomUUID(),
    call_type: "acompletion",
    cache_hit: null,
    stream: null,
    status: "success",
    custom_llm_provider: "openai",
    startTime,
    endTime: startTime + 0.978437,
    model: "openai/gpt-4o",
    model_group: "my-gpt",
    metadata: {
      user_api_key_hash: "litellm_proxy_master_key",
      user_api_key_user_id: null,
      user_api_key_end_user_id: "alice@acme.test",
      requester_metadata: { headers: { "x-openwebui-user-id": "forged" }, user_id: "forged" },
      usage_object: usageObject(1_000, 50, 200),
      ...metadata,
    },
    response_cost: 0.000424,
    total_tokens: 1_050,
    prompt_tokens: 1_000,
    completion_tokens: 50,
    end_user: "alice@acme.test",
    messages: [{ role: "user", content: SECRET_PROMPT }],
    response: { choices: [{ message: { role: "assistant", content: SECRET_ANSWER } }] },
    error_str: null,
    error_information: { error_code: "", error_class: "", error_message: "" },
    model_parameters: { stream: false },
    ...changes,
  }
}

export const CHAT_COST = "0.003036000"

export function usageObject(prompt: number, completion: number, cached: number): Json {
  return {
    completion_tokens: completion,
    prompt_tokens: prompt,
    total_tokens: prompt + completion,
    completion_tokens_details: { audio_tokens: 0, reasoning_tokens: 8 },
    prompt_tokens_details: { audio_tokens: 0, cached_tokens: cached },
  }
}

/** The upstream answered 500: no tokens, no cost. */
export function failure(changes: Json = {}): Json {
  return chat(
    {
      status: "failure",
      response_cost: 0,
      ...{ total_tokens: 0, prompt_tokens: 0, completion_tokens: 0, response: {} },
      error_str: "litellm.InternalServerError: upstream exploded",
      error_information: { error_code: "500", error_class: "InternalServerError", error_message: SECRET_ANSWER },
      ...changes,
    },
    { usage_object: {} },
  )
}

/** The client hung up in the middle of a stream: LiteLLM counts what it has and logs 499. */
export function aborted(): Json {
  return chat(
    {
      stream: true,
      status: "failure",
      ...{ total_tokens: 24, prompt_tokens: 14, completion_tokens: 10 },
      error_information: { error_code: "499", error_class: "ClientDisconnected" },
    },
    { usage_object: usageObject(14, 10, 0) },
  )
}

/** Speech: LiteLLM's payload counts nothing. */
export function speech(): Json {
  return chat(
    { call_type: "aspeech", model: "openai/tts-1", ...{ total_tokens: 0, prompt_tokens: 0, completion_tokens: 0 } },
    { usage_object: {} },
  )
}

export function embedding(): Json {
  return chat(
    { call_type: "aembedding", model: "openai/text-embedding-3-small", total_tokens: 1_000, completion_tokens: 0 },
    { usage_object: usageObject(1_000, 0, 0) },
  )
}

/** The contract's event id, from the text of the three fields as they stand on the wire. */
export function eventIdOf(id: unknown, status: unknown, startTimeAsSent: string): string {
  return createHash("sha256").update(`${id}|${status}|${startTimeAsSent}`).digest("hex")
}

export function idOf(payload: Json): string {
  return eventIdOf(payload.id, payload.status, String(payload.startTime))
}
