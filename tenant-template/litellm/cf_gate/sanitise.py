"""Applies request_rules.py to a request, in place, before anything is counted or asked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cf_gate.refusals import Refused
from cf_gate.request_rules import (
    ALLOWED_FIELDS,
    CLIENT_TOOL_TYPES,
    MAX_CHOICES,
    MAX_MODEL_LENGTH,
    OWN_FIELDS,
    OWN_METADATA,
    OWN_METADATA_PREFIX,
    REFUSED_FIELDS,
    REFUSED_IN_FAMILY,
    REFUSED_PARTS,
)
from cf_gate.routes import Family

Data = dict[str, Any]

_PLAIN = (dict, list, str, int, float, bool, type(None))
_MAX_DEPTH = 64


def sanitise(data: Data, family: Family) -> Data:
    """Keeps what is allowed, drops the rest, and returns the same dictionary.

    :raises Refused: 400 if the call asks for something that it would then silently not get
    """
    _check_model(data.get("model"))
    for name, reason in _refusals(family):
        if data.get(name) not in (None, False, "", [], {}):
            raise Refused("unsupported_feature", f"{name}: {reason}.", name)
    for name in list(data):
        if name not in ALLOWED_FIELDS[family] and name not in OWN_FIELDS:
            del data[name]
    if isinstance(data.get("litellm_logging_obj"), _PLAIN):
        data.pop("litellm_logging_obj", None)
    _clean_metadata(data)
    _check_modalities(data.get("modalities"))
    _check_tools(data.get("tools"), family)
    _check_parts(data.get("messages"), data.get("input"))
    _check_counts(data)
    if family == "responses":
        # OpenAI keeps responses unless told otherwise.
        data["store"] = False
    if family == "completion" and data.get("stream") is True:
        # LiteLLM sees to this for chats alone; a stream without usage would be an estimate.
        data["stream_options"] = {"include_usage": True}
    return data


def _check_model(model: object) -> None:
    if not isinstance(model, str) or not model.strip():
        raise Refused("invalid_request", "model must name one model.", "model")
    # LiteLLM takes "a,b" as several models: it calls all of them and logs one.
    if "," in model:
        raise Refused("invalid_request", "model must name exactly one model, not a list.", "model")
    if len(model) > MAX_MODEL_LENGTH or not model.isprintable():
        raise Refused("invalid_request", f"model must be at most {MAX_MODEL_LENGTH} printable characters.", "model")


def _refusals(family: Family) -> Iterator[tuple[str, str]]:
    yield from REFUSED_FIELDS.items()
    yield from ((name, reason) for (where, name), reason in REFUSED_IN_FAMILY.items() if where == family)


def _clean_metadata(data: Data) -> None:
    """LiteLLM mixes the client's metadata into its own, where tags, ids and switches of the client take effect."""
    if isinstance(data.get("litellm_metadata"), dict):
        # On these routes `metadata` is the client's alone and goes to the provider, user_id and all.
        data.pop("metadata", None)
    for name in ("metadata", "litellm_metadata"):
        notes = data.get(name)
        if isinstance(notes, dict):
            for key in list(notes):
                if key not in OWN_METADATA and not str(key).startswith(OWN_METADATA_PREFIX):
                    del notes[key]


def _check_modalities(modalities: object) -> None:
    if modalities is not None and modalities != ["text"]:
        raise Refused("unsupported_feature", "modalities: only text is available.", "modalities")


def _check_tools(tools: object, family: Family) -> None:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise Refused("invalid_request", "tools must be a list.", "tools")
    for tool in tools:
        if not isinstance(tool, Mapping):
            raise Refused("invalid_request", "tools must hold objects.", "tools")
        # Anthropic's client tools need no type; everywhere else a tool without one is a provider's own ({"googleSearch": {}}).
        kind = tool.get("type", "custom" if family == "messages" and "name" in tool else None)
        if kind not in CLIENT_TOOL_TYPES:
            name = kind if isinstance(kind, str) else next(iter(tool), "")
            raise Refused("unsupported_feature", f"The tool {str(name)[:64]} is not available; use functions.", "tools")


def _check_parts(*conversations: object) -> None:
    for part in _parts(conversations, 0):
        kind = part.get("type")
        if isinstance(kind, str) and kind in REFUSED_PARTS:
            raise Refused("unsupported_feature", f"Content of type {kind} is not available.", "messages")


def _parts(value: object, depth: int) -> Iterator[Mapping[str, object]]:
    """Every object in a conversation."""
    if depth > _MAX_DEPTH:
        raise Refused("invalid_request", "The request is nested too deeply.")
    if isinstance(value, Mapping):
        yield value
        for child in value.values():
            yield from _parts(child, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for child in value:
            yield from _parts(child, depth + 1)


def _check_counts(data: Data) -> None:
    """Counts that multiply the cost; forms send them as text."""
    for name in ("n", "best_of"):
        if data.get(name) is not None:
            data[name] = whole(data[name], name, MAX_CHOICES)
        else:
            data.pop(name, None)


def whole(value: object, name: str, most: int) -> int:
    """:raises Refused: 400 if it is not a whole number from 1 to `most`"""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Refused("invalid_request", f"{name} must be a whole number from 1 to {most}.", name)
    return value
