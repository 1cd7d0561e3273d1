/** Ways to use without paying, or at another's expense, that LiteLLM as it comes has. Each is tried by somebody with a key. */
import { MARKER } from "../../support/fake-openai"
import { CHAT, CLAUDE, EMBEDDING } from "./scene"

export interface Hole {
  name: string
  body?: Record<string, unknown>
  headers?: Record<string, string>
  /** Put before the text of the call. */
  marker?: string
  query?: string
}

export const DEAR = "gpt-4o"
/** Nobody answers there. */
const TRAP = "http://127.0.0.1:9/v1"

/** The call must run as if nothing had been tried. `victim`: id of another person. */
export function ineffective(victim: string): Hole[] {
  return [
    { name: "no-log", body: { "no-log": true } },
    { name: "no-log as text", body: { "no-log": "true" } },
    { name: "no_log", body: { no_log: true } },
    { name: "no-log in metadata", body: { metadata: { "no-log": true } } },
    { name: "no-log in litellm_metadata", body: { litellm_metadata: { "no-log": true } } },
    { name: "no-log in litellm_params", body: { litellm_params: { "no-log": true, no_log: true } } },
    { name: "no-log in extra_body", body: { extra_body: { "no-log": true } } },
    { name: "no-log in a header", headers: { "x-litellm-no-log": "true", "no-log": "true", "litellm-no-log": "true" } },
    { name: "no-log in the query", query: "?no-log=true&no_log=true" },
    {
      name: "callbacks switched off in a header",
      headers: { "x-litellm-disable-callbacks": "cf_gate.gate.logger,Gate,cf_gate" },
    },
    {
      name: "callbacks in the body",
      body: { callbacks: [], success_callback: [], failure_callback: [], litellm_logging_obj: {} },
    },
    { name: "models", body: { models: [CHAT, DEAR], route: "fallback" } },
    { name: "a second, silent model", body: { silent_model: DEAR, fastest_response: true } },
    { name: "a deployment by its id", body: { specific_deployment: true, model_info: { id: "x", input_cost_per_token: 0 } } },
    { name: "an end user in headers", headers: { "x-litellm-end-user-id": victim, "x-litellm-customer-id": victim } },
    {
      name: "a user in headers of the chat",
      headers: { "X-OpenWebUI-User-Id": victim, "X-OpenWebUI-User-Email": "v@example.com" },
    },
    { name: "user", body: { user: victim, user_id: victim, safety_identifier: victim } },
    { name: "user in metadata", body: { metadata: { user_id: victim, user_api_key_user_id: victim, tags: ["x"] } } },
    {
      name: "user in litellm_metadata",
      body: { litellm_metadata: { user: victim, user_id: victim, user_api_key_user_id: victim } },
    },
    { name: "a LiteLLM key object", body: { user_api_key_dict: { user_id: victim }, user_api_key: "sk-x" } },
    { name: "timeout", body: { timeout: 0.2, request_timeout: 0.2, force_timeout: 0.2 }, marker: MARKER.slow },
    { name: "stream_timeout", body: { stream_timeout: 0.2, stream: true }, marker: MARKER.slow },
    {
      name: "time-outs in headers",
      headers: { "x-litellm-timeout": "0.2", "x-litellm-stream-timeout": "0.2" },
      marker: MARKER.slow,
    },
    {
      ...{ name: "time-outs in headers, streamed", body: { stream: true }, marker: MARKER.slow },
      headers: { "x-litellm-timeout": "0.2", "x-litellm-stream-timeout": "0.2" },
    },
    { name: "a stream that shall not tell its usage", body: { stream: true, stream_options: { include_usage: false } } },
    { name: "mock_response", body: { mock_response: "free", mock_timeout: true, mock_tool_calls: [] } },
    { name: "api_base in headers", headers: { "x-litellm-api-base": TRAP, "x-pass-api-base": TRAP } },
    {
      name: "api_key",
      body: { api_key: "sk-of-the-client", organization: "org-x", api_version: "x", litellm_credential_name: "x" },
    },
    {
      name: "extra_headers",
      body: { extra_headers: { authorization: "Bearer x", "x-extra": "x" }, headers: { "x-extra": "x" } },
    },
    { name: "prices in metadata", body: { metadata: { model_info: { input_cost_per_token: 0, output_cost_per_token: 0 } } } },
    { name: "a cheaper tier", body: { service_tier: "flex" } },
    { name: "cache", body: { cache: { ttl: 600, namespace: "x", "use-cache": true }, caching: true, ttl: 600 } },
    { name: "the limit dropped", body: { additional_drop_params: ["max_tokens", "max_completion_tokens"], drop_params: true } },
    { name: "the limit in extra_body", body: { extra_body: { max_tokens: 900_000, max_completion_tokens: 900_000 } } },
    { name: "parameters let through", body: { allowed_openai_params: ["x_unknown"], x_unknown: 1, store: true } },
    { name: "ids of one's own", body: { id: "x", litellm_call_id: "x", litellm_trace_id: "x", litellm_session_id: "x" } },
    {
      name: "headers that name the provider's extras",
      headers: { "anthropic-beta": "x", "openai-beta": "x", "openai-organization": "x" },
    },
  ]
}

/** The other routes, each with much of the above at once. */
export const OTHER_ROUTES: [path: string, model: string, words: (text: string) => object][] = [
  ["/v1/responses", CHAT, (text) => ({ input: text })],
  ["/v1/messages", CLAUDE, (text) => ({ messages: [{ role: "user", content: text }], max_tokens: 500 })],
  ["/v1/embeddings", EMBEDDING, (text) => ({ input: text })],
  ["/v1/completions", CHAT, (text) => ({ prompt: text })],
]

export function everythingAtOnce(victim: string): Required<Pick<Hole, "body" | "headers">> {
  const note = { "no-log": true, user_id: victim, tags: ["x"], fallbacks: [DEAR], model_info: { input_cost_per_token: 0 } }
  return {
    body: {
      ...{ "no-log": true, no_log: true, user: victim, metadata: note, litellm_metadata: note, safety_identifier: victim },
      ...{ fallbacks: [DEAR], num_retries: 3, timeout: 0.2, stream_timeout: 0.2, mock_response: "free", service_tier: "flex" },
      ...{ cache: { ttl: 600 }, caching: true, id: "x", extra_body: { "no-log": true, max_tokens: 900_000, n: 7 } },
      ...{ additional_drop_params: ["max_tokens", "max_output_tokens"], store: true, callbacks: [] },
    },
    headers: {
      ...{
        "x-litellm-timeout": "0.2",
        "x-litellm-num-retries": "3",
        "x-litellm-end-user-id": victim,
        "x-litellm-call-id": "fixed",
      },
      ...{ "x-litellm-disable-callbacks": "cf_gate.gate.logger", "anthropic-beta": "x", "X-OpenWebUI-User-Id": victim },
    },
  }
}

/** LiteLLM refuses these before any hook runs, with 401 or, where it has no database client installed, with a bare 500. */
export function forbidden(victim: string, trap: string): Hole[] {
  const note = { call_id: "x", identity: victim, user_id: victim, api_key_id: "", models: ["*"], purpose: "user" }
  return [
    {
      name: "a list of deployments of one's own",
      body: { model_list: [deployment(trap)], router_settings_override: { num_retries: 3 } },
    },
    {
      name: "the gate's own note in metadata",
      body: { metadata: { user_api_key_auth_metadata: { cf_gate: note }, cf_gate: note } },
    },
    {
      name: "the gate's own note in litellm_metadata",
      body: { litellm_metadata: { user_api_key_auth_metadata: { cf_gate: note } } },
    },
    { name: "api_base", body: { api_base: trap, base_url: trap, custom_llm_provider: "openai" } },
    { name: "prices", body: { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_second: 0, base_model: "x" } },
  ]
}

/** The upstream fails: a second attempt or another model would be a call that nobody has held money for. */
export const SECOND_CALLS: Hole[] = [
  { name: "fallbacks by name", body: { fallbacks: [DEAR] } },
  { name: "fallbacks by model", body: { fallbacks: [{ [CHAT]: [DEAR] }] } },
  { name: "fallbacks with bodies", body: { fallbacks: [{ model: DEAR, messages: [{ role: "user", content: "[fallback]" }] }] } },
  { name: "fallbacks for long contexts", body: { context_window_fallbacks: [{ [CHAT]: [DEAR] }] } },
  { name: "fallbacks for content", body: { content_policy_fallbacks: [{ [CHAT]: [DEAR] }] } },
  { name: "default fallbacks", body: { default_fallbacks: [DEAR], max_fallbacks: 5, fallback_depth: 0 } },
  { name: "fallbacks for long contexts, as a table", body: { context_window_fallback_dict: { [CHAT]: DEAR } } },
  { name: "fallbacks in metadata", body: { metadata: { fallbacks: [DEAR] }, litellm_metadata: { fallbacks: [DEAR] } } },
  { name: "fallbacks in extra_body", body: { extra_body: { fallbacks: [DEAR] } } },
  { name: "num_retries", body: { num_retries: 3, max_retries: 3 } },
  { name: "a retry policy", body: { retry_policy: { InternalServerErrorRetries: 3 }, retry_strategy: "constant_retry" } },
  { name: "retries in headers", headers: { "x-litellm-num-retries": "3", "x-stainless-retry-count": "3" } },
]

/** Refused with 400, because the client would get something else than it asked for. */
export const REFUSED: { name: string; path?: string; body: Record<string, unknown> }[] = [
  { name: "a comma list of models", body: { model: `${CHAT},${DEAR}` } },
  { name: "a comma list with blanks", body: { model: `${CHAT}, ${DEAR}` } },
  { name: "an array of models", body: { model: [CHAT, DEAR] } },
  { name: "no model", body: { model: "" } },
  { name: "web search", body: { web_search_options: {}, model: CHAT, n: 0 } },
  { name: "a provider's tool", body: { tools: [{ type: "web_search_preview" }] } },
  { name: "a tool without a type", body: { tools: [{ googleSearch: {} }] } },
  { name: "audio output", body: { modalities: ["text", "audio"], audio: { voice: "alloy", format: "mp3" } } },
  { name: "more answers than there can be", body: { n: 1_000_000 } },
  { name: "a negative limit", body: { max_tokens: -1 } },
  { name: "a limit that is no number", body: { max_tokens: "many" } },
  { name: "a stored conversation", path: "/v1/responses", body: { input: "x", previous_response_id: "resp_1" } },
  { name: "a response in the background", path: "/v1/responses", body: { input: "x", background: true } },
  { name: "a stored prompt", path: "/v1/responses", body: { input: "x", prompt: { id: "pmpt_1" } } },
]

/** Method and path. What is not on the gate's list is nobody's, whoever asks. */
export const CLOSED_ROUTES: [method: string, path: string][] = [
  ...post(
    "/openai/chat/completions /openai/v1/chat/completions /openai/v1/responses /openai/deployments/gpt-4o/chat/completions",
  ),
  ...post(
    "/anthropic/v1/messages /anthropic/messages /gemini/v1beta/models/x:generateContent /vertex-ai/x /bedrock/model/x/invoke",
  ),
  ...post(
    "/cohere/v1/chat /mistral/v1/chat/completions /groq/x /azure/x /azure_ai/x /assemblyai/v2/transcript /vllm/x /langfuse/x",
  ),
  ...post("/engines/gpt-4o/chat/completions /engines/gpt-4o/completions /engines/text-embedding-3-small/embeddings"),
  ...post("/key/generate /key/update /key/delete /key/regenerate /key/block /user/new /user/update /user/delete /team/new"),
  ...post("/organization/new /customer/new /end_user/new /budget/new /model/new /model/update /model/delete /credentials"),
  ...post("/config/update /config/pass_through_endpoint /config/field/update /cache/flushall /cache/delete /global/spend/reset"),
  ...post("/spend/calculate /utils/token_counter /utils/transform_request /guardrails/apply_guardrail /prompts /vector_stores"),
  ...post(
    "/v1/files /v1/batches /v1/threads /v1/threads/t/runs /v1/assistants /v1/fine_tuning/jobs /v1/vector_stores /v1/containers",
  ),
  ...post(
    "/v1/rerank /rerank /v2/rerank /v1/moderations /moderations /v1/realtime/sessions /v1/realtime/client_secrets /v1/videos",
  ),
  ...post(
    "/v1/images/variations /v1/audio/translations /v1/ocr /v1/search /v1/rag/ingest /v1/responses/resp_1/cancel /v1/responses/compact",
  ),
  ...post("/mcp /mcp/ /mcp/tools/call /mcp-rest/tools/call /v1/mcp/server /a2a/x /v1/a2a/x/message/send /v1/agents /v1/skills"),
  ...post("/queue/chat/completions /v1beta/models/gpt-4o:generateContent /models/gpt-4o:generateContent /interactions /v1/evals"),
  ...post("/v1/chat/completions/ //v1/chat/completions /v1//chat/completions /V1/chat/completions /v1/chat/completions%2f"),
  ...post(
    "/v1/../openai/v1/chat/completions /v1/chat/completions/../../../key/generate /v1/chat/completions;x /v1/chat/completions%00",
  ),
  ...get(
    "/health /health?model=gpt-4o-mini /health/services?service=x /health/history /health/license /v1/model/info /model/info",
  ),
  ...get(
    "/key/list /key/info /user/list /user/info /team/list /customer/list /budget/list /config/yaml /get/config/callbacks /settings",
  ),
  ...get(
    "/config/list /config/pass_through_endpoint /spend/logs /spend/keys /global/spend /global/activity /cache/ping /credentials",
  ),
  ...get(
    "/v1/responses/resp_1 /v1/responses/resp_1/input_items /v1/files /v1/files/f/content /v1/batches /v1/threads/t /v1/assistants",
  ),
  ...get(
    "/v1/models/../../key/list /v1/mcp/server /mcp/tools/list /model_group/info /routes /debug/asyncio-tasks /active/callbacks",
  ),
  ...(["DELETE /v1/responses/resp_1", "DELETE /v1/files/f", "PUT /v1/chat/completions", "PATCH /v1/chat/completions"].map(
    (both) => both.split(" "),
  ) as [string, string][]),
]

function post(paths: string): [string, string][] {
  return paths.split(" ").map((path) => ["POST", path])
}

function get(paths: string): [string, string][] {
  return paths.split(" ").map((path) => ["GET", path])
}

function deployment(trap: string): object {
  return { model_name: CHAT, litellm_params: { model: `openai/${CHAT}`, api_base: trap, api_key: "x" } }
}
