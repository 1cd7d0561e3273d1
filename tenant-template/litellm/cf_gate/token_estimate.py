"""How much a call will use, before it runs: close, and rather a little too much. Never nothing."""

import io
import json
import math
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litellm.litellm_core_utils.default_encoding import encoding

from cf_gate.routes import Family

# Providers disagree by a few per cent on what a token is; the hold must be enough on all of them.
MARGIN_PERCENT = 5
MARGIN_TOKENS = 8
# Anthropic's prices for writing a prompt into its cache, in per cent of plain input: for 5 minutes, and for an hour. The centre
# holds the plain price; without this a call with cache marks could cost more than was held for it.
_CACHE_WRITE_PERCENT = 125
_CACHE_WRITE_1H_PERCENT = 200
# One piece of text for the tokenizer: it is quadratic in runs without a blank, which a client can send.
_PIECE = 4_000
# Beyond this, counting would take longer than it is worth; 3 characters a token is less than any prose has.
_COUNTED_CHARACTERS = 200_000
_BYTES_PER_TOKEN_BOUND = 3
# An image costs 85 to about 1,600 tokens at the large providers, high detail included.
_IMAGE_TOKENS = 1_600
_LOW_DETAIL_TOKENS = 100
# A page of a PDF is 1,500 to 3,000 tokens and seldom less than 40 KB; for a link nothing is known.
_FILE_BYTES_PER_TOKEN = 20
_UNKNOWN_FILE_TOKENS = 10_000
# Speech is seldom coded with less than 32 kbit/s. Twice the length of an ordinary MP3, and bounded by LiteLLM's upload limit.
_AUDIO_BYTES_PER_SECOND = 4_000
_MAX_AUDIO_SECONDS = 4 * 3_600

_IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})
_FILE_PARTS = frozenset({"file", "input_file", "document"})
_TEXT_FIELDS = (
    "messages",
    "input",
    "prompt",
    "system",
    "instructions",
    "tools",
    "functions",
    "response_format",
    "text",
)

# Where cache marks may stand: on the request, its messages, their parts, its tools.
_MARKED_FIELDS = frozenset({"messages", "system", "content", "tools", "function", "input"})


@dataclass(frozen=True)
class Estimate:
    """`counted` is our count, `held` the same with a margin; units are what is not paid by token."""

    counted: int = 0
    held: int = 0
    images: int = 0
    characters: int = 0
    audio_seconds: float = 0.0

    def units(self) -> dict[str, int | float]:
        """As the wire contract wants them."""
        named = {"images": self.images, "characters": self.characters, "audio_seconds": self.audio_seconds}
        return {name: amount for name, amount in named.items() if amount}


def estimate(data: Mapping[str, Any], family: Family) -> Estimate:
    """Takes CPU time in proportion to the text up to 200,000 characters, and next to none beyond."""
    counted = max(1, _count([data[name] for name in _TEXT_FIELDS if data.get(name) is not None], family))
    held = counted + math.ceil(counted * MARGIN_PERCENT / 100) + MARGIN_TOKENS
    held = math.ceil(held * _cache_percent(data) / 100)
    if family in ("image", "image_edit"):
        sources = data.get("image") if family == "image_edit" else None
        given = len(sources) if isinstance(sources, list) else int(sources is not None)
        extra = given * _IMAGE_TOKENS
        return Estimate(counted + extra, held + extra, images=int(data.get("n") or 1))
    if family == "speech":
        return Estimate(counted, held, characters=len(str(data.get("input") or "")))
    if family == "transcription":
        return Estimate(counted, held, audio_seconds=audio_seconds(data.get("file")))
    return Estimate(counted, held)


def _cache_percent(value: object) -> int:
    """What input costs at most, in per cent of its plain price, by the marks in the request."""
    if isinstance(value, Mapping):
        mark = value.get("cache_control")
        own = 100
        if mark:
            own = _CACHE_WRITE_1H_PERCENT if isinstance(mark, Mapping) and mark.get("ttl") == "1h" else _CACHE_WRITE_PERCENT
        return max([own, *(_cache_percent(child) for name, child in value.items() if name in _MARKED_FIELDS)])
    if isinstance(value, list):
        return max([100, *(_cache_percent(child) for child in value)])
    return 100


def _count(values: Sequence[object], family: Family) -> int:
    texts: list[str] = []
    fixed = 0
    for item in _leaves(values, family):
        if isinstance(item, str):
            texts.append(item)
        else:
            fixed += item
    return fixed + count_text(texts)


def count_text(texts: Sequence[str]) -> int:
    """Tokens of cl100k, which LiteLLM carries along: no download, whatever the model is called."""
    total = 0
    left = _COUNTED_CHARACTERS
    for text in texts:
        head, tail = text[:left], text[left:]
        left -= len(head)
        for start in range(0, len(head), _PIECE):
            total += len(encoding.encode_ordinary(head[start : start + _PIECE]))
        total += math.ceil(len(tail.encode("utf-8", "replace")) / _BYTES_PER_TOKEN_BOUND)
    return total


def _leaves(value: object, family: Family) -> Iterator[str | int]:
    """Texts to count, and the tokens of what is no text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        kind = value.get("type")
        if isinstance(kind, str) and kind in _IMAGE_PARTS:
            yield _image_tokens(value)
        elif isinstance(kind, str) and kind in _FILE_PARTS:
            yield _file_tokens(value)
        elif "parameters" in value or "input_schema" in value:
            # A tool: providers count its JSON, names and braces included.
            yield json.dumps(value, default=str)
        else:
            # About three tokens of framing for each message.
            yield 3 if "role" in value else 0
            for child in value.values():
                yield from _leaves(child, family)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        if value and all(type(token) is int for token in value):
            # Tokens that the client has made itself, as embeddings and completions accept them.
            yield len(value)
        else:
            for child in value:
                yield from _leaves(child, family)


def _image_tokens(part: Mapping[str, object]) -> int:
    image = part.get("image_url")
    detail = image.get("detail") if isinstance(image, Mapping) else part.get("detail")
    return _LOW_DETAIL_TOKENS if detail == "low" else _IMAGE_TOKENS


def _file_tokens(part: Mapping[str, object]) -> int:
    found = [text for text in _strings(part) if len(text) > 200]
    if not found:
        return _UNKNOWN_FILE_TOKENS
    # Base64 has four characters for three bytes.
    return max(_IMAGE_TOKENS, sum(len(text) for text in found) * 3 // 4 // _FILE_BYTES_PER_TOKEN)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child)


def audio_seconds(file: object) -> float:
    """Length of an upload: read from a WAV header, else bounded by its size, because other formats need a decoder."""
    if not isinstance(file, io.BytesIO):
        return float(_MAX_AUDIO_SECONDS)
    content = file.getbuffer()
    try:
        if bytes(content[:4]) == b"RIFF":
            with wave.open(io.BytesIO(content), "rb") as sound:
                return min(_MAX_AUDIO_SECONDS, max(1.0, sound.getnframes() / max(1, sound.getframerate())))
    except (wave.Error, EOFError):
        pass  # not a WAV after all, or one whose header lies: its size bounds it
    return float(min(_MAX_AUDIO_SECONDS, max(1, math.ceil(len(content) / _AUDIO_BYTES_PER_SECOND))))
