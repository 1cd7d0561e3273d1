"""What a client may send, as data. Everything else is dropped: a field that is not here cannot cost what nobody priced.

An allow-list, because LiteLLM 1.106.2 acts on some 400 fields of a body and hands every unknown one to the provider.
"""

from cf_gate.routes import Family

_SAMPLING = frozenset({"temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty"})
_CACHE_HINTS = frozenset({"prompt_cache_key", "prompt_cache_retention", "cache_control"})

# Reach the provider as sent, after the checks of sanitise.py.
ALLOWED_FIELDS: dict[Family, frozenset[str]] = {
    "chat": _SAMPLING
    | _CACHE_HINTS
    | {"model", "messages", "stream", "stream_options", "n", "stop", "max_tokens", "max_completion_tokens"}
    | {"logit_bias", "logprobs", "top_logprobs", "response_format", "repetition_penalty", "prediction", "modalities"}
    | {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"}
    | {"reasoning_effort", "thinking", "enable_thinking", "verbosity"},
    "completion": _SAMPLING
    | {"model", "prompt", "suffix", "stream", "stream_options", "n", "best_of", "stop", "max_tokens"}
    | {"logit_bias", "logprobs", "echo"},
    "embedding": frozenset({"model", "input", "encoding_format", "dimensions", "input_type"}),
    "image": frozenset({"model", "prompt", "n", "size", "quality", "style", "response_format"})
    | {"output_format", "output_compression", "moderation", "background"},
    "image_edit": frozenset({"model", "prompt", "image", "mask", "n", "size", "quality", "response_format"})
    | {"output_format", "output_compression", "background"},
    "speech": frozenset({"model", "input", "voice", "response_format", "speed", "instructions"}),
    "transcription": frozenset({"model", "file", "language", "prompt", "response_format", "temperature"})
    | {"timestamp_granularities"},
    "responses": _CACHE_HINTS
    | {"model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "top_logprobs", "stream"}
    | {"stream_options", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text", "truncation", "include"},
    "messages": frozenset({"model", "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stream"})
    | {"stop_sequences", "tools", "tool_choice", "thinking", "cache_control", "output_config", "output_format"},
}

# Put there by LiteLLM itself before its hooks run; without them it cannot route or log. It overwrites or removes what a
# client sends under these names.
OWN_FIELDS: dict[str, str] = {
    "proxy_server_request": "LiteLLM's record of the request",
    "secret_fields": "LiteLLM's copy of the raw headers",
    "metadata": "LiteLLM's notes on most routes; cleaned by OWN_METADATA",
    "litellm_metadata": "LiteLLM's notes on /responses and /messages; cleaned by OWN_METADATA",
    "litellm_call_id": "ours, see identity.py",
    "litellm_logging_obj": "LiteLLM's log of this call; kept only as the object it is",
    "_litellm_strip_stream_usage": "LiteLLM asks for usage in every stream and hides it again",
}

# Keys of LiteLLM's notes that are its own. user_api_key_* are too: it strips those that a client sends.
OWN_METADATA: frozenset[str] = frozenset(
    {"headers", "endpoint", "requester_ip_address", "user_agent", "litellm_api_version", "litellm_received_at"}
    | {"llm_api_timing_windows", "litellm_parent_otel_span", "queue_time_seconds", "global_max_parallel_requests"}
    | {"inherited_tags", "litellm_roi_estimator", "used_client_oauth_token", "requester_custom_headers"}
)
OWN_METADATA_PREFIX = "user_api_key_"

# Dropped because they are not allowed above; named so that nobody allows them without having read why.
DROPPED_FIELDS: dict[str, str] = {
    "no-log": "the call would leave no usage event",
    "no_log": "the same, by its other name",
    "fallbacks": "a dearer model would run unasked",
    "context_window_fallbacks": "a dearer model would run unasked",
    "content_policy_fallbacks": "a dearer model would run unasked",
    "default_fallbacks": "a dearer model would run unasked",
    "context_window_fallback_dict": "a dearer model would run unasked",
    "fallback_depth": "LiteLLM's own bookkeeping of fallbacks",
    "max_fallbacks": "lets fallbacks run that nobody authorized",
    "models": "OpenRouter's own list of fallbacks",
    "route": "OpenRouter's switch for those fallbacks",
    "model_list": "brings deployments and keys of the client's",
    "model_info": "brings prices of the client's",
    "model_alias_map": "another model would run than was authorized",
    "silent_model": "a second model would run beside the first, unlogged",
    "specific_deployment": "picks a deployment past the routing",
    "router_settings_override": "changes routing, retries and fallbacks",
    "fastest_response": "several models run, one is logged",
    "id": "fixes the id of LiteLLM's log",
    "litellm_trace_id": "groups calls of others under one id",
    "litellm_session_id": "groups calls of others under one id",
    "timeout": "a short one ends in an answer that is logged with cost 0",
    "request_timeout": "a short one ends in an answer that is logged with cost 0",
    "stream_timeout": "a short one ends in an answer that is logged with cost 0",
    "force_timeout": "a short one ends in an answer that is logged with cost 0",
    "num_retries": "a retry is a second upstream call under one hold",
    "max_retries": "a retry is a second upstream call under one hold",
    "retry_policy": "a retry is a second upstream call under one hold",
    "mock_response": "an answer without an upstream call, for tests",
    "mock_timeout": "a time-out without an upstream call, for tests",
    "mock_tool_calls": "an answer without an upstream call, for tests",
    "input_cost_per_token": "sets the price in LiteLLM's log",
    "output_cost_per_token": "sets the price in LiteLLM's log",
    "input_cost_per_second": "sets the price in LiteLLM's log",
    "base_model": "prices the call as another model",
    "api_base": "sends the provider key to an address of the client's",
    "base_url": "sends the provider key to an address of the client's",
    "api_key": "replaces the provider key",
    "api_version": "changes the provider's interface",
    "organization": "books at the provider under another organisation",
    "custom_llm_provider": "prices and routes the call as another provider's",
    "litellm_credential_name": "uses another stored provider key",
    "extra_headers": "switches on provider features that have no price",
    "headers": "switches on provider features that have no price",
    "extra_body": "carries any field past this list",
    "extra_query": "carries any field past this list",
    "provider_specific_header": "switches on provider features that have no price",
    "allowed_openai_params": "carries any field past LiteLLM's own list",
    "drop_params": "hides that a parameter had no effect",
    "additional_drop_params": "could drop max_tokens, which is the limit of what the call may cost",
    "caching": "answers of others could be served",
    "cache": "answers of others could be served",
    "ttl": "keeps answers in a cache",
    "cached_content": "Gemini's stored contexts cost by the hour",
    "guardrails": "switches the operator's checks on or off",
    "prompt_id": "replaces the messages that were counted",
    "prompt_variables": "replaces the messages that were counted",
    "tags": "chooses deployments by tag",
    "user": "names an end user; who calls is known from the key",
    "safety_identifier": "names an end user; who calls is known from the key",
    "store": "keeps prompt and answer at the provider",
    "service_tier": "flex and priority have other prices",
    "speed": "Anthropic's fast mode has other prices",
    "inference_geo": "regional inference has other prices",
    "search_parameters": "xAI's live search is paid by source",
    "enable_search": "Qwen's search is paid by call",
    "web_search": "search is paid by call",
    "plugins": "OpenRouter's plugins are paid by call",
    "max_tool_calls": "belongs to the provider's own tools, which are refused",
    "container": "code execution is paid by the hour",
    "mcp_servers": "tools that the provider calls itself",
    "partial_images": "each partial image costs output tokens more",
    "input_fidelity": "high fidelity costs input tokens by image size",
    "keepalive_seconds": "holds connections open",
}

# Refused with 400 instead of dropped: the answer would be another one than the client expects.
REFUSED_FIELDS: dict[str, str] = {
    "web_search_options": "web search is not available",
    "previous_response_id": "stored conversations are not available; send the whole conversation",
    "conversation": "stored conversations are not available; send the whole conversation",
    "audio": "audio output is not available here; use /v1/audio/speech",
}
# The same, but only where they mean this: images have a background colour.
REFUSED_IN_FAMILY: dict[tuple[Family, str], str] = {
    ("responses", "background"): "background responses are not available",
    ("responses", "prompt"): "stored prompts are not available",
    ("image", "stream"): "streamed images are not available",
    ("image_edit", "stream"): "streamed images are not available",
    ("transcription", "stream"): "streamed transcriptions are not available",
}

# Tools that the client runs itself. All others (web_search, file_search, code_interpreter, computer_use,
# image_generation, mcp …) run at the provider and are paid by call, which the price book has no price for.
CLIENT_TOOL_TYPES: frozenset[str] = frozenset({"function", "custom"})

# Parts of messages that are paid by audio tokens, which the price book does not tell apart from text.
REFUSED_PARTS: frozenset[str] = frozenset({"input_audio", "audio", "item_reference"})

# Above it a hold for one call would be beyond any budget; OpenAI's own bound.
MAX_CHOICES = 128
MAX_MODEL_LENGTH = 128
