"""Counts the output of a stream while it passes, so that a worker that dies leaves behind how far it came."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

# Tokens of a language in UTF-8 have about four bytes, in most languages; each chunk of text is one token at least.
_BYTES_PER_TOKEN = 4
# Fields of a chunk that hold generated text, in any of the three protocols.
_TEXT_FIELDS = ("content", "reasoning_content", "text", "thinking", "partial_json", "arguments")


class OutputCounter:
    """A running estimate; the provider's own usage replaces it as soon as there is one."""

    def __init__(self) -> None:
        self._chunks = 0
        self._bytes = 0

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return max(self._chunks, math.ceil(self._bytes / _BYTES_PER_TOKEN))

    def add(self, chunk: object) -> None:
        """Adds what a chunk of a stream says; a chunk of an unknown form says nothing."""
        size = sum(len(text.encode("utf-8", "replace")) for text in _texts(chunk))
        if size:
            self._chunks += 1
            self._bytes += size


def _texts(chunk: object) -> Iterator[str]:
    if isinstance(chunk, bytes):
        chunk = chunk.decode("utf-8", "replace")
    if isinstance(chunk, str):
        for event in _sse_events(chunk):
            yield from _texts_of_event(event)
    elif isinstance(chunk, Mapping):
        yield from _texts_of_event(chunk)
    else:
        yield from _texts_of_object(chunk)


def _sse_events(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                event = json.loads(line[5:])
            except ValueError:
                continue  # a piece of an event, or [DONE]
            if isinstance(event, Mapping):
                yield event


def _texts_of_event(event: Mapping[str, Any]) -> Iterator[str]:
    delta = event.get("delta")
    if isinstance(delta, str):
        yield delta
    elif isinstance(delta, Mapping):
        yield from (delta[name] for name in _TEXT_FIELDS if isinstance(delta.get(name), str))
    for choice in event.get("choices") or []:
        if isinstance(choice, Mapping):
            yield from _texts_of_event(choice)


def _texts_of_object(chunk: object) -> Iterator[str]:
    """LiteLLM's own chunk objects."""
    delta = getattr(chunk, "delta", None)
    if isinstance(delta, str):
        yield delta
    for choice in getattr(chunk, "choices", None) or []:
        part = getattr(choice, "delta", None)
        for name in _TEXT_FIELDS:
            text = getattr(part, name, None) or (getattr(choice, name, None) if name == "text" else None)
            if isinstance(text, str):
                yield text
        for tool in getattr(part, "tool_calls", None) or []:
            arguments = getattr(getattr(tool, "function", None), "arguments", None)
            if isinstance(arguments, str):
                yield arguments
