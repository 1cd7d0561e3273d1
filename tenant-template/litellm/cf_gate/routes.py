"""Which routes exist for tenants. LiteLLM skips its own route checks when custom_auth answers, so ours are all there is."""

import re
from typing import Literal

Family = Literal["chat", "completion", "embedding", "image", "image_edit", "speech", "transcription", "responses", "messages"]

# Never /openai/…, /anthropic/… and the like: those pass a request through to the provider unpriced. Not moderations and
# rerank either: the price book has no price for them. /v1/responses/{id} would read other people's stored answers.
_POST = (
    "chat/completions|completions|embeddings|images/generations|images/edits|audio/speech|audio/transcriptions"
    "|responses|messages|messages/count_tokens"
)
_ALLOWED: dict[str, re.Pattern[str]] = {
    "POST": re.compile(rf"(/v1)?/({_POST})"),
    # A model's name may hold a slash or a colon, "." and ".." never stand alone.
    "GET": re.compile(r"(/v1)?/models(/(?!\.{1,2}(/|$))[A-Za-z0-9._:@-]+){0,3}"),
}

# How LiteLLM names a call in its hooks → what kind of request it is. A call type that is not here is refused.
FAMILY_BY_CALL_TYPE: dict[str, Family] = {
    "completion": "chat",
    "acompletion": "chat",
    "text_completion": "completion",
    "atext_completion": "completion",
    "embedding": "embedding",
    "embeddings": "embedding",
    "aembedding": "embedding",
    "image_generation": "image",
    "aimage_generation": "image",
    "image_edit": "image_edit",
    "aimage_edit": "image_edit",
    "speech": "speech",
    "aspeech": "speech",
    "transcription": "transcription",
    "atranscription": "transcription",
    "responses": "responses",
    "aresponses": "responses",
    "anthropic_messages": "messages",
}

# What the wire contract calls the kind of a usage event.
KIND_BY_FAMILY: dict[Family, str] = {
    "chat": "chat",
    "completion": "chat",
    "responses": "chat",
    "messages": "chat",
    "embedding": "embedding",
    "image": "image",
    "image_edit": "image",
    "speech": "speech",
    "transcription": "transcription",
}


def route_allowed(method: str, path: str) -> bool:
    """`path` without the query, as LiteLLM routes it."""
    pattern = _ALLOWED.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None


def is_model_list(method: str, path: str) -> bool:
    """GET /v1/models and /v1/models/{id}: they cost nothing and have no call of their own."""
    return method == "GET" and route_allowed(method, path)
