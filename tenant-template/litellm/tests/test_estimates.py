"""Estimates are close, a little too high, never nothing; limits of output cover all that a call may produce."""

import io
import time
import wave
from typing import Any

import pytest

from cf_gate.output_limit import asked_output, choices, write_grant
from cf_gate.refusals import Refused
from cf_gate.routes import Family
from cf_gate.token_estimate import audio_seconds, estimate

PROSE = "The quick brown fox jumps over the lazy dog. " * 20  # 201 tokens of cl100k


def chat(content: object, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


@pytest.mark.parametrize(
    ("data", "family", "low", "high"),
    [
        (chat(PROSE), "chat", 201, 230),
        (chat([{"type": "text", "text": PROSE}]), "chat", 201, 230),
        ({"input": PROSE, "instructions": PROSE}, "responses", 402, 460),
        (chat(PROSE, system=PROSE), "messages", 402, 470),
        ({"prompt": [PROSE, PROSE]}, "completion", 402, 450),
        ({"prompt": list(range(500))}, "completion", 500, 540),
        ({"input": [[1, 2, 3], [4, 5]]}, "embedding", 5, 20),
        (chat(""), "chat", 1, 20),
        ({}, "chat", 1, 20),
        (chat("x", tools=[{"type": "function", "function": {"name": "f", "description": PROSE}}]), "chat", 201, 260),
        (chat([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}]), "chat", 1_000, 2_000),
        (chat([{"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}]), "messages", 1_000, 2_000),
        (chat([{"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}}]), "chat", 100, 200),
        (chat([{"type": "file", "file": {"file_id": "f"}}]), "chat", 10_000, 11_000),
        (chat([{"type": "document", "source": {"data": "A" * 400_000}}]), "messages", 15_000, 17_000),
    ],
)
def test_input(data: dict[str, Any], family: Family, low: int, high: int) -> None:
    assert low <= estimate(data, family).held <= high


@pytest.mark.parametrize("text", ["a" * 5_000_000, "语" * 1_000_000, " " * 5_000_000, "\ud800" * 1_000])
def test_a_hostile_text_is_bounded_quickly_and_not_below_a_quarter_token_per_byte(text: str) -> None:
    begun = time.perf_counter()
    held = estimate(chat(text), "chat").held
    assert time.perf_counter() - begun < 5
    assert held >= 1


def test_units() -> None:
    assert estimate({"prompt": "a cat", "n": 3}, "image").units() == {"images": 3}
    assert estimate({"prompt": "a cat", "image": [b"1", b"2"]}, "image_edit").held > 3_200
    assert estimate({"input": "hello"}, "speech").units() == {"characters": 5}
    assert estimate({"file": io.BytesIO(b"\xff" * 40_000)}, "transcription").units() == {"audio_seconds": 10.0}
    assert estimate(chat("x"), "chat").units() == {}


def test_length_of_audio() -> None:
    wav = io.BytesIO()
    with wave.open(wav, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(b"\0\0" * 24_000)
    wav.seek(5)
    assert audio_seconds(wav) == 3.0
    assert wav.tell() == 5
    assert audio_seconds(io.BytesIO(b"RIFF, but no WAV" * 1_000)) == 4.0
    assert audio_seconds(io.BytesIO(b"")) == 1.0
    assert audio_seconds(None) == audio_seconds(io.BytesIO(b"x" * 100_000_000)) == 4 * 3_600


@pytest.mark.parametrize(
    ("data", "family", "asked"),
    [
        ({}, "chat", None),
        ({"max_tokens": 10}, "chat", 10),
        ({"max_tokens": 10, "max_completion_tokens": 30}, "chat", 30),
        ({"max_tokens": "10"}, "chat", 10),
        ({"max_tokens": 10, "n": 3}, "chat", 30),
        ({"n": 3}, "chat", None),
        ({"max_output_tokens": 7}, "responses", 7),
        ({"max_tokens": 7}, "messages", 7),
        ({"max_tokens": 5, "n": 2, "best_of": 4, "prompt": ["a", "b"]}, "completion", 40),
        ({"max_tokens": 5, "prompt": [1, 2, 3]}, "completion", 5),
        ({"max_tokens": 100, "thinking": {"type": "enabled", "budget_tokens": 5_000}}, "messages", 5_001),
        ({"max_tokens": 9_000, "thinking": {"type": "enabled", "budget_tokens": 5_000}}, "messages", 9_000),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "chat", None),
        ({"thinking": {"type": "disabled"}}, "chat", None),
        ({}, "embedding", 0),
        ({"n": 2}, "image", 0),
        ({}, "speech", 0),
        ({}, "transcription", 0),
    ],
)
def test_asked_output(data: dict[str, Any], family: Family, asked: int | None) -> None:
    assert asked_output(data, family) == asked


@pytest.mark.parametrize(
    ("data", "family", "asked"),
    [
        ({"max_tokens": 10**6}, "chat", 4_096),
        ({"max_tokens": 10**6, "n": 3}, "chat", 3 * 4_096),
        ({"max_tokens": 100, "n": 3}, "chat", 300),
        ({"max_tokens": 100, "thinking": {"type": "enabled", "budget_tokens": 50_000}}, "messages", 4_096),
        ({}, "chat", None),
    ],
)
def test_more_than_the_model_can_answer_is_not_held(data: dict[str, Any], family: Family, asked: int | None) -> None:
    assert asked_output(data, family, 4_096) == asked


MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("data", "family", "percent"),
    [
        (chat(PROSE), "messages", 100),
        (chat([{"type": "text", "text": PROSE, **MARK}]), "messages", 125),
        (chat([{"type": "text", "text": PROSE, **HOUR}]), "messages", 200),
        (chat([{"type": "text", "text": PROSE, **MARK}, {"type": "text", "text": "x", **HOUR}]), "messages", 200),
        (chat(PROSE, system=[{"type": "text", "text": "x", **HOUR}]), "messages", 200),
        (chat(PROSE, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}, **MARK}]), "chat", 125),
        (chat(PROSE, **MARK), "messages", 125),
        (chat(PROSE, metadata=HOUR), "chat", 100),
    ],
)
def test_a_prompt_that_is_written_to_a_cache_is_held_at_its_dearer_price(
    data: dict[str, Any], family: Family, percent: int
) -> None:
    found = estimate(data, family)
    plain = found.counted + -(-found.counted * 5 // 100) + 8
    assert found.held == -(-plain * percent // 100)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "many", True, [1], 10**12])
def test_a_limit_that_is_no_whole_number_is_refused(limit: object) -> None:
    with pytest.raises(Refused) as caught:
        asked_output({"max_tokens": limit}, "chat")
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("data", "family", "granted", "sent"),
    [
        ({}, "chat", 100, {"max_tokens": 100}),
        ({"max_tokens": 500}, "chat", 100, {"max_tokens": 100}),
        ({"max_completion_tokens": 500}, "chat", 100, {"max_completion_tokens": 100}),
        ({"max_tokens": 9, "max_completion_tokens": 500}, "chat", 100, {"max_completion_tokens": 100}),
        ({"n": 3}, "chat", 100, {"n": 3, "max_tokens": 33}),
        ({}, "responses", 100, {"max_output_tokens": 100}),
        ({}, "messages", 100, {"max_tokens": 100}),
        ({"max_tokens": 10}, "completion", 5, {"max_tokens": 5}),
        ({}, "embedding", 0, {}),
        ({"n": 2}, "image", 0, {"n": 2}),
        (
            {"max_tokens": 9_000, "thinking": {"type": "enabled", "budget_tokens": 5_000}},
            "messages", 4_000,
            {"max_tokens": 4_000, "thinking": {"type": "enabled", "budget_tokens": 3_000}},
        ),
        ({"max_tokens": 9_000, "thinking": {"type": "enabled", "budget_tokens": 5_000}}, "messages", 900, {"max_tokens": 900}),
        ({"reasoning_effort": "high"}, "chat", 3_000, {"max_tokens": 3_000, "reasoning_effort": "medium"}),
        ({"reasoning_effort": "low"}, "chat", 900, {"max_tokens": 900}),
    ],
)  # fmt: skip
def test_the_grant_always_goes_upstream(data: dict[str, Any], family: Family, granted: int, sent: dict[str, Any]) -> None:
    write_grant(data, family, granted, clamped=True)
    assert data == sent


def test_effort_is_the_clients_own_choice_where_nothing_was_cut() -> None:
    data = {"max_tokens": 500, "reasoning_effort": "high"}
    write_grant(data, "chat", 500, clamped=False)
    assert data == {"max_tokens": 500, "reasoning_effort": "high"}


def test_a_grant_that_gives_no_answer_a_token_is_refused() -> None:
    assert choices({"n": 4}, "chat") == 4
    with pytest.raises(Refused) as caught:
        write_grant({"n": 4}, "chat", 3, clamped=True)
    assert caught.value.status_code == 402
