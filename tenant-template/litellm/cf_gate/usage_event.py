"""LiteLLM's standard logging payload → a usage event of the wire contract. Prompts and answers in it are not read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

Json = Mapping[str, Any]

_MAX_COUNT = 1_000_000_000
_MAX_ID = 128
# The client closed the connection.
_CLIENT_GONE = "499"


@dataclass(frozen=True)
class Measured:
    """What one log event of LiteLLM says. `attempt` tells a repeated log from a second upstream call."""

    attempt: str
    status: str
    aborted: bool
    estimated: bool
    cache_hit: bool
    model: str
    provider: str
    tokens_input: int
    tokens_cache_read: int
    tokens_cache_write: int
    tokens_cache_write_1h: int
    tokens_output: int
    tokens_reasoning: int
    images: int
    audio_seconds: float
    reported_usd: float
    started_at: float
    ended_at: float

    def billable(self, output_so_far: int) -> bool:
        """A failure without a token cost nothing; everything else is an event, be it of cost 0."""
        return self.status == "success" or self.tokens_input + self.tokens_output + output_so_far > 0


def measure(payload: Json, failed: bool) -> Measured:
    """Reads the payload; what is missing or of a wrong type counts as nothing."""
    notes = _object(payload.get("metadata"))
    usage = _object(notes.get("usage_object"))
    prompt, completion = _object(usage.get("prompt_tokens_details")), _object(usage.get("completion_tokens_details"))
    aborted = str(_object(payload.get("error_information")).get("error_code") or "") == _CLIENT_GONE
    status = "failure" if failed or payload.get("status") == "failure" else "success"
    tokens_input, output = _count(payload.get("prompt_tokens")), _count(payload.get("completion_tokens"))
    read = min(tokens_input, _count(prompt.get("cached_tokens")) or _count(usage.get("cache_read_input_tokens")))
    written = _count(usage.get("cache_creation_input_tokens")) or _count(prompt.get("cache_creation_tokens"))
    write = min(tokens_input - read, written)
    hour = _count(_object(prompt.get("cache_creation_token_details")).get("ephemeral_1h_input_tokens"))
    # LiteLLM counts itself where a stream told no usage; the missing details give it away.
    counted_by_litellm = payload.get("stream") is True and not prompt and usage.get("input_tokens_details") is None
    started = _number(payload.get("startTime"))
    return Measured(
        attempt=f"{payload.get('id')}|{status}|{started:.6f}",
        status=status,
        aborted=aborted,
        estimated=aborted or (tokens_input + output > 0 and (status == "failure" or counted_by_litellm)),
        cache_hit=payload.get("cache_hit") is True,
        model=_text(payload.get("model")),
        provider=_text(payload.get("custom_llm_provider")),
        tokens_input=tokens_input,
        tokens_cache_read=read,
        tokens_cache_write=write,
        tokens_cache_write_1h=min(hour, write),
        tokens_output=output,
        tokens_reasoning=min(output, _count(completion.get("reasoning_tokens"))),
        images=_count(usage.get("output_image_count")),
        audio_seconds=_number(usage.get("seconds")) or _number(usage.get("duration")),
        reported_usd=_number(payload.get("response_cost")),
        started_at=started,
        ended_at=_number(payload.get("endTime")),
    )


def wire_event(event_id: str, call: Json, measured: Measured) -> dict[str, Any]:
    """The event of a logged call; who and which call it was is the spool's word, not the payload's."""
    tokens_input, tokens_output = measured.tokens_input, measured.tokens_output
    if measured.aborted or measured.status == "failure" or _untold(call, measured):
        # LiteLLM's count of a broken stream knows no images and, at times, nothing at all.
        tokens_input = max(tokens_input, int(call["input_counted"]))
        tokens_output = max(tokens_output, int(call["output_so_far"]))
    seconds = measured.audio_seconds or _unmeasured_seconds(call, measured)
    unsaid = tokens_input + tokens_output > measured.tokens_input + measured.tokens_output
    guessed = measured.estimated or unsaid or (seconds > 0 and not measured.audio_seconds)
    event = _common(event_id, call) | {
        "model": _served(measured) or call["model"],
        "tokens_input": tokens_input,
        "tokens_cache_read": measured.tokens_cache_read,
        "tokens_cache_write": measured.tokens_cache_write,
        "tokens_cache_write_1h": measured.tokens_cache_write_1h,
        "tokens_output": tokens_output,
        "tokens_reasoning": measured.tokens_reasoning,
        "images": measured.images or int(call["images"]),
        "audio_seconds": f"{seconds:.3f}",
        "status": measured.status,
        "aborted": measured.aborted,
        "usage_estimated": guessed,
        "cache_hit": measured.cache_hit,
        "timestamp": _time(measured.started_at or float(call["started_at"])),
        "duration_ms": _milliseconds(measured.ended_at - measured.started_at),
    }
    if measured.provider:
        event["provider"] = measured.provider
    if measured.reported_usd > 0:
        event["reported_cost_usd"] = f"{min(measured.reported_usd, 1_000_000):.12f}"
    return event


def recovered_event(event_id: str, call: Json) -> dict[str, Any]:
    """The event of a call whose worker died: what was estimated before, and the output that was seen."""
    return _common(event_id, call) | {
        "model": call["model"],
        "tokens_input": int(call["input_held"]),
        "tokens_output": int(call["output_so_far"]),
        "images": int(call["images"]),
        "audio_seconds": f"{float(call['audio_seconds']):.3f}",
        "status": "failure",
        "aborted": True,
        "usage_estimated": True,
        "timestamp": _time(float(call["started_at"])),
        "duration_ms": _milliseconds(float(call["touched_at"]) - float(call["started_at"])),
    }


def _common(event_id: str, call: Json) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": event_id,
        "call_id": call["call_id"],
        "user_id": call["user_id"],
        "model_requested": call["model"],
        "kind": call["kind"],
        "characters": int(call["characters"]),
        "purpose": call["purpose"],
    }
    for name in ("hold_id", "api_key_id"):
        if call[name]:
            event[name] = call[name]
    return event


def _untold(call: Json, measured: Measured) -> bool:
    """An answer for which nobody says what it used, such as a text completion streamed by a provider that tells no usage."""
    by_token = call["kind"] in ("chat", "embedding")
    return by_token and not measured.cache_hit and measured.tokens_input + measured.tokens_output == 0


def _unmeasured_seconds(call: Json, measured: Measured) -> float:
    """Audio that nobody measured and that was not paid by token: the length that was held, and marked as estimated."""
    return 0.0 if measured.tokens_input or measured.tokens_output else float(call["audio_seconds"])


def _served(measured: Measured) -> str:
    return measured.model.removeprefix(f"{measured.provider}/") if measured.provider else measured.model


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(max(0.0, seconds), timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(seconds: float) -> int:
    return min(_MAX_COUNT, max(0, round(seconds * 1000)))


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_COUNT:
        return 0
    return int(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0


def _text(value: object) -> str:
    return "".join(c for c in value if c.isprintable())[:_MAX_ID] if isinstance(value, str) else ""
