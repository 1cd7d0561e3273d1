"""The hooks as LiteLLM calls them, against the fake centre."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth

from cf_gate.hooks import Gate, listed
from cf_gate.models import most_output
from cf_gate.refusals import STATUS_BY_CODE, Refused
from cf_gate.runtime import Runtime
from cf_gate.spool_schema import connect
from tests.fake_center import FakeCenter
from tests.hook_calls import bodies, call, chat, log_of, refusal, signed_in, table

AUTHORIZE = "/api/usage/authorize"


def test_litellm_finds_every_hook_on_the_class_itself() -> None:
    used = ("async_pre_call_hook", "async_log_success_event", "async_log_failure_event", "async_post_call_failure_hook",
            "async_post_call_streaming_iterator_hook", "async_filter_listed_models")  # fmt: skip
    for name in used:
        assert name in vars(Gate)
        assert hasattr(CustomLogger, name)
    for name in ("log_success_event", "log_failure_event"):
        assert name not in vars(Gate), "LiteLLM calls both: a synchronous hook would count each call twice"


async def test_a_call_is_asked_for_each_time_and_written_down_before_it_is_sent(
    gate: Gate, runtime: Runtime, center: FakeCenter
) -> None:
    for call_id in ("c1", "c2"):
        sent = await call(gate, call_id=call_id)
        assert sent["max_tokens"] == 1_000
    asked = center.asked(AUTHORIZE)
    assert [(a["call_id"], a["user_id"], a["api_key_id"], a["model"], a["purpose"], "max_tokens" in a) for a in asked] == [
        ("c1", "ada", "key-1", "gpt-4o", "user", False),
        ("c2", "ada", "key-1", "gpt-4o", "user", False),
    ]
    assert all(a["tokens_input_estimate"] > 0 for a in asked)
    assert table(runtime, "SELECT call_id, state, hold_id, max_tokens FROM calls") == [
        ("c1", "sent", "hold-c1", 1_000),
        ("c2", "sent", "hold-c2", 1_000),
    ]


@pytest.mark.parametrize(
    ("kind", "data", "max_tokens", "units"),
    [
        ("aembedding", {"model": "e", "input": "x"}, 0, None),
        ("image_generation", {"model": "i", "prompt": "x", "n": 2}, 0, {"images": 2}),
        ("aspeech", {"model": "s", "input": "hello", "voice": "v"}, 0, {"characters": 5}),
        ("aresponses", {"model": "m", "input": "x", "max_output_tokens": 7}, 7, None),
        ("anthropic_messages", chat(max_tokens=8), 8, None),
        ("atext_completion", {"model": "m", "prompt": "x", "max_tokens": 9, "n": 2}, 18, None),
    ],
)
async def test_what_is_asked_for_each_kind_of_call(
    gate: Gate, center: FakeCenter, kind: str, data: dict[str, Any], max_tokens: int, units: object
) -> None:
    await call(gate, data, kind)
    asked = center.asked(AUTHORIZE)[0]
    assert (asked["max_tokens"], asked.get("units_estimate")) == (max_tokens, units)


async def test_the_clamp_of_the_centre_goes_upstream(gate: Gate, center: FakeCenter) -> None:
    center.authorize = lambda _: {"allowed": True, "hold_id": "h", "max_tokens": 70, "clamped": True}
    assert (await call(gate, chat(max_completion_tokens=500, n=2)))["max_completion_tokens"] == 35


CENTRE_CODES = [
    "budget_exhausted",
    "model_not_allowed",
    "rate_limited",
    "too_many_parallel",
    "user_suspended",
    "tenant_suspended",
    "key_revoked",
    "key_expired",
    "unknown_identity",
    "model_unpriced",
]


@pytest.mark.parametrize("code", CENTRE_CODES)
async def test_refusals_of_the_centre(gate: Gate, runtime: Runtime, center: FakeCenter, code: str) -> None:
    center.authorize = lambda _: {"allowed": False, "code": code, "message": "The reason."}
    answer = await refusal(gate)
    assert answer.status_code == STATUS_BY_CODE[code] == int(answer.code)
    assert answer.to_dict() == {"message": "The reason.", "type": code, "param": None, "code": code}
    assert ("Retry-After" in answer.headers) == (answer.status_code == 429)
    assert table(runtime, "SELECT * FROM calls") == []


async def test_rate_limits_say_when_to_try_again(gate: Gate, center: FakeCenter) -> None:
    center.authorize = lambda _: {"allowed": False, "code": "rate_limited", "resets_at": "2000-01-01T00:00:00Z"}
    assert (await refusal(gate)).headers["Retry-After"] == "1"
    center.authorize = lambda _: {"allowed": False, "code": "rate_limited", "resets_at": "2999-01-01T00:00:00Z"}
    assert (await refusal(gate)).headers["Retry-After"] == "60"


async def test_what_is_left_for_no_answer_gives_the_hold_back(gate: Gate, runtime: Runtime, center: FakeCenter) -> None:
    center.authorize = lambda _: {"allowed": True, "hold_id": "h", "max_tokens": 2, "clamped": True}
    assert (await refusal(gate, chat(n=3))).status_code == 402
    assert table(runtime, "SELECT state FROM calls") == [("release",)]


@pytest.mark.parametrize("kind", ["arealtime", "moderation", "arerank", "_aresponses_websocket", "call_mcp_tool"])
async def test_kinds_of_calls_that_nobody_priced_are_refused(gate: Gate, center: FakeCenter, kind: str) -> None:
    assert (await refusal(gate, kind=kind)).refusal_code == "route_not_allowed"
    assert center.requests == []


@pytest.mark.parametrize("auth", [UserAPIKeyAuth(), signed_in(user_id="")])
async def test_nobody_and_the_chats_own_key_call_no_model(gate: Gate, auth: UserAPIKeyAuth) -> None:
    with pytest.raises(Refused) as caught:
        await gate.async_pre_call_hook(auth, None, chat(), "acompletion")
    assert caught.value.status_code == 401


async def test_a_spool_that_cannot_be_written_stops_the_call(
    gate: Gate, runtime: Runtime, center: FakeCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(db: sqlite3.Connection, call: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("cf_gate.calls.put", full)
    answer = await refusal(gate)
    assert (answer.status_code, answer.refusal_code) == (503, "spool_unavailable")


async def test_a_log_makes_one_event_however_often_it_comes(gate: Gate, runtime: Runtime) -> None:
    await call(gate)
    for _ in range(2):
        await gate.async_log_success_event(log_of(signed_in()), None, None, None)
    assert [(e["event_id"], e["hold_id"], e["tokens_input"], e["tokens_output"]) for e in bodies(runtime)] == [
        ("c1", "hold-c1", 9, 3)
    ]
    assert table(runtime, "SELECT * FROM calls") == []


async def test_a_failure_gives_the_hold_back_even_if_litellm_logs_nothing(gate: Gate, runtime: Runtime) -> None:
    await call(gate)
    await gate.async_post_call_failure_hook({}, ValueError("before the provider"), signed_in())
    assert table(runtime, "SELECT state FROM calls") == [("release",)]
    assert bodies(runtime) == []


async def test_failures_of_strangers_leave_no_trace(gate: Gate, runtime: Runtime) -> None:
    stranger = UserAPIKeyAuth()
    await gate.async_log_failure_event(log_of(stranger), None, None, None)
    await gate.async_post_call_failure_hook({}, ValueError(), stranger)
    assert bodies(runtime) == []
    assert table(runtime, "SELECT * FROM calls") == []


async def test_a_log_without_figures_is_booked_by_estimate(gate: Gate, runtime: Runtime) -> None:
    await call(gate)
    notes = {"user_api_key_auth_metadata": signed_in().metadata}
    await gate.async_log_success_event({"litellm_params": {"metadata": notes}}, None, None, None)
    assert [(e["event_id"], e["usage_estimated"]) for e in bodies(runtime)] == [("c1", True)]


async def test_a_stream_passes_unchanged_and_leaves_how_far_it_came(gate: Gate, runtime: Runtime) -> None:
    await call(gate)
    chunks = [{"choices": [{"delta": {"content": f"word{i} "}}]} for i in range(30)]

    async def upstream() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            yield chunk

    stream = gate.async_post_call_streaming_iterator_hook(signed_in(), upstream(), {})
    assert [chunk async for chunk in stream] == chunks
    assert table(runtime, "SELECT output_so_far FROM calls")[0][0] >= 30


async def test_a_stream_that_the_client_leaves_is_checkpointed_too(gate: Gate, runtime: Runtime) -> None:
    await call(gate)

    async def upstream() -> AsyncIterator[str]:
        while True:
            yield 'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"word "}}\n\n'

    stream = gate.async_post_call_streaming_iterator_hook(signed_in(), upstream(), {})
    for _ in range(10):
        await anext(stream)
    await stream.aclose()
    assert table(runtime, "SELECT output_so_far FROM calls")[0][0] >= 10


async def test_a_stream_that_broke_is_billed_on_what_came_though_its_log_comes_before_its_end(
    gate: Gate, runtime: Runtime
) -> None:
    await call(gate)

    async def upstream() -> AsyncIterator[dict[str, Any]]:
        for _ in range(20):
            yield {"choices": [{"delta": {"content": "word "}}]}
        await gate.async_log_failure_event(log_of(signed_in(), prompt_tokens=0, completion_tokens=0), None, None, None)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        async for _ in gate.async_post_call_streaming_iterator_hook(signed_in(), upstream(), {}):
            pass
    [event] = bodies(runtime)
    assert event["tokens_output"] >= 20
    assert event["usage_estimated"] is True


async def test_models_are_listed_by_what_the_key_may_use(gate: Gate) -> None:
    names = ["gpt-4o", "claude-4", "claude-5"]
    for models, visible in [(["*"], names), ([], []), (["gpt-4o"], ["gpt-4o"]), (["claude-*"], ["claude-4", "claude-5"])]:
        assert list(await gate.async_filter_listed_models(signed_in(models=models), names)) == visible
    assert list(await gate.async_filter_listed_models(UserAPIKeyAuth(), names)) == []
    assert not listed("gpt-4o-mini", ["gpt-4o"])


async def test_usage_that_waits_too_long_stops_everything(gate: Gate, runtime: Runtime) -> None:
    await call(gate)
    await gate.async_log_success_event(log_of(signed_in()), None, None, None)
    db = connect(runtime.settings.spool_path)
    runtime.delivery._look(db)
    runtime.refuse_if_undelivered()
    db.execute("UPDATE events SET created_at = created_at - ?", (runtime.settings.spool_max_age_s + 1,))
    runtime.delivery._look(db)
    with pytest.raises(Refused) as caught:
        runtime.refuse_if_undelivered()
    assert (caught.value.status_code, caught.value.refusal_code) == (503, "usage_undelivered")
    runtime.delivery.backlog = None
    with pytest.raises(Refused):
        runtime.refuse_if_undelivered()


async def test_parallel_calls_share_their_writes_and_lose_none(gate: Gate, runtime: Runtime) -> None:
    names = [f"c{index}" for index in range(60)]
    await asyncio.gather(*(call(gate, call_id=name) for name in names))
    await asyncio.gather(*(gate.async_log_success_event(log_of(signed_in(name)), None, None, None) for name in names))
    assert sorted(e["event_id"] for e in bodies(runtime)) == sorted(names)


class Router:
    """Stands in for LiteLLM's router, which knows the config."""

    def get_model_list(self, model_name: str) -> list[dict[str, object]]:
        modes = {"gpt-4o": "chat", "tts-1": "audio_speech", "embed": "embedding"}
        return [{"model_info": {"mode": modes[model_name], "max_output_tokens": 4_096}}] if model_name in modes else []


async def test_open_webui_is_told_of_models_to_chat_with_and_a_key_of_all(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litellm.proxy.proxy_server.llm_router", Router())
    names = ["gpt-4o", "tts-1", "embed", "unheard-of"]
    assert list(await gate.async_filter_listed_models(signed_in(), names)) == names
    assert list(await gate.async_filter_listed_models(signed_in(is_service=True), names)) == ["gpt-4o", "unheard-of"]
    assert (most_output("gpt-4o"), most_output("unheard-of")) == (4_096, None)
