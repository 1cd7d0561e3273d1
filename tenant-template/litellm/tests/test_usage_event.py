"""LiteLLM's payload → the event on the wire. Shapes as LiteLLM 1.106.2 sends them, with numbers of our own."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cf_gate.calls import OpenCall, call_facts
from cf_gate.usage_event import measure, recovered_event, wire_event

MakeCall = Callable[..., OpenCall]


def payload(**changes: Any) -> dict[str, Any]:
    usage = {
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    return {
        "id": "chatcmpl-1",
        "call_type": "acompletion",
        "status": "success",
        "model": "openai/gpt-4o",
        "model_group": "gpt-4o",
        "custom_llm_provider": "openai",
        "prompt_tokens": 90,
        "completion_tokens": 20,
        "response_cost": 0.00125,
        "startTime": 1_795_000_000.5,
        "endTime": 1_795_000_002.0,
        "messages": [{"role": "user", "content": "a secret"}],
        "response": {"choices": "an answer"},
        "error_information": {},
        "metadata": {"usage_object": usage},
        **changes,
    }


def event(call: OpenCall, failed: bool = False, **changes: Any) -> dict[str, Any]:
    return wire_event(call.call_id, call_facts(call), measure(payload(**changes), failed))


def with_usage(**usage: Any) -> dict[str, Any]:
    return {"metadata": {"usage_object": usage}}


def test_a_plain_call(new_call: MakeCall) -> None:
    assert event(new_call("c1")) == {
        "event_id": "c1",
        "call_id": "c1",
        "hold_id": "hold-c1",
        "user_id": "user-1",
        "api_key_id": "key-1",
        "model": "gpt-4o",
        "model_requested": "gpt-4o",
        "provider": "openai",
        "kind": "chat",
        "purpose": "user",
        "tokens_input": 90,
        "tokens_cache_read": 40,
        "tokens_cache_write": 0,
        "tokens_cache_write_1h": 0,
        "tokens_output": 20,
        "tokens_reasoning": 6,
        "images": 0,
        "characters": 0,
        "audio_seconds": "0.000",
        "status": "success",
        "aborted": False,
        "usage_estimated": False,
        "cache_hit": False,
        "reported_cost_usd": "0.001250000000",
        "timestamp": "2026-11-18T11:06:40.500Z",
        "duration_ms": 1_500,
    }


def test_no_prompt_and_no_answer_leave_the_proxy(new_call: MakeCall) -> None:
    text = json.dumps(event(new_call("c1")))
    assert "secret" not in text
    assert "answer" not in text


def test_an_aborted_stream_is_charged_for_what_was_counted_where_litellm_counted_less(new_call: MakeCall) -> None:
    gone: dict[str, Any] = {
        "error_information": {"error_code": "499"},
        "prompt_tokens": 14,
        "completion_tokens": 3,
        "stream": True,
    }
    made = event(new_call("c1", output_so_far=9), **gone, **with_usage())
    assert (made["tokens_input"], made["tokens_output"]) == (100, 9)
    assert (made["aborted"], made["usage_estimated"], made["status"]) == (True, True, "success")


def test_a_stream_that_dies_is_charged_by_tokens_though_litellm_says_cost_0(new_call: MakeCall) -> None:
    made = event(new_call("c1"), failed=True, prompt_tokens=14, completion_tokens=11, response_cost=0.0, status="failure")
    assert (made["tokens_input"], made["tokens_output"], made["status"], made["usage_estimated"]) == (100, 11, "failure", True)
    assert "reported_cost_usd" not in made


def test_an_answer_of_which_nobody_tells_the_usage_is_estimated_and_not_free(new_call: MakeCall) -> None:
    made = event(new_call("c1", output_so_far=27), prompt_tokens=0, completion_tokens=0, **with_usage())
    assert (made["tokens_input"], made["tokens_output"], made["usage_estimated"]) == (100, 27, True)


def test_a_stream_without_usage_was_counted_by_litellm(new_call: MakeCall) -> None:
    assert event(new_call("c1"), stream=True, **with_usage(prompt_tokens_details=None))["usage_estimated"] is True


def test_cache_classes_of_anthropic(new_call: MakeCall) -> None:
    details = {"cached_tokens": 44, "cache_creation_tokens": 20}
    details |= {"cache_creation_token_details": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5}}  # type: ignore[dict-item]
    made = event(new_call("c1"), **with_usage(prompt_tokens_details=details, cache_creation_input_tokens=20))
    assert (made["tokens_cache_read"], made["tokens_cache_write"], made["tokens_cache_write_1h"]) == (44, 20, 5)


def test_parts_never_exceed_the_whole(new_call: MakeCall) -> None:
    details = {"cached_tokens": 80, "cache_creation_tokens": 80}
    made = event(new_call("c1"), **with_usage(prompt_tokens_details=details, completion_tokens_details={"reasoning_tokens": 99}))
    assert made["tokens_cache_read"] + made["tokens_cache_write"] == made["tokens_input"] == 90
    assert made["tokens_reasoning"] == made["tokens_output"] == 20


def test_images_speech_and_transcription(new_call: MakeCall) -> None:
    nothing: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0}
    assert event(new_call("c1", kind="image", images=2), **nothing, **with_usage())["images"] == 2
    assert event(new_call("c1", kind="image", images=2), **with_usage(output_image_count=1))["images"] == 1
    assert event(new_call("c1", kind="speech", characters=11), **nothing, **with_usage())["characters"] == 11
    told = event(new_call("c1", kind="transcription", audio_seconds=60.0), **nothing, **with_usage(seconds=7))
    assert (told["audio_seconds"], told["usage_estimated"]) == ("7.000", False)
    untold = event(new_call("c1", kind="transcription", audio_seconds=60.0), **nothing, **with_usage())
    assert (untold["audio_seconds"], untold["usage_estimated"]) == ("60.000", True)


def test_a_hit_in_litellms_cache_says_so_and_stays_as_it_is(new_call: MakeCall) -> None:
    made = event(new_call("c1"), cache_hit=True, prompt_tokens=0, completion_tokens=0)
    assert (made["cache_hit"], made["tokens_input"], made["usage_estimated"]) == (True, 0, False)


@pytest.mark.parametrize(
    ("changes", "output_so_far", "billable"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, 0, False),
        ({"prompt_tokens": 0, "completion_tokens": 0}, 5, True),
        ({"prompt_tokens": 5, "completion_tokens": 0}, 0, True),
    ],
)
def test_a_failure_without_a_token_costs_nothing(changes: dict[str, Any], output_so_far: int, billable: bool) -> None:
    assert measure(payload(**changes), failed=True).billable(output_so_far) is billable
    assert measure(payload(**changes), failed=False).billable(output_so_far)


@pytest.mark.parametrize("broken", [{}, {"metadata": None}, {"prompt_tokens": "9", "completion_tokens": -1, "model": None}])
def test_a_broken_payload_still_makes_an_event(new_call: MakeCall, broken: dict[str, Any]) -> None:
    call = new_call("c1")
    made = wire_event("c1", call_facts(call), measure(broken, failed=False))
    assert (made["model"], made["tokens_input"], made["usage_estimated"]) == ("gpt-4o", 100, True)


def test_a_recovered_call(new_call: MakeCall) -> None:
    made = recovered_event("c1", call_facts(new_call("c1", output_so_far=12)))
    assert (made["tokens_input"], made["tokens_output"]) == (113, 12)
    assert (made["status"], made["usage_estimated"], made["timestamp"]) == ("failure", True, "2026-11-18T11:06:40.250Z")
