"""What a client can send that would cost unseen or be booked on others does not arrive."""

from typing import Any, get_args

import pytest

from cf_gate.refusals import Refused
from cf_gate.request_rules import ALLOWED_FIELDS, DROPPED_FIELDS, OWN_FIELDS, REFUSED_FIELDS
from cf_gate.routes import FAMILY_BY_CALL_TYPE, KIND_BY_FAMILY, Family
from cf_gate.sanitise import sanitise

FAMILIES: tuple[Family, ...] = get_args(Family)


def request(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **fields}


def test_every_family_has_rules() -> None:
    assert set(ALLOWED_FIELDS) == set(FAMILIES) == set(KIND_BY_FAMILY) == set(FAMILY_BY_CALL_TYPE.values())


# The same word means something harmless here.
HOMONYMS: set[tuple[Family, str]] = {("speech", "speed")}


@pytest.mark.parametrize("name", [*DROPPED_FIELDS, "a_field_of_next_year"])
def test_dropped(name: str) -> None:
    for family in FAMILIES:
        if (family, name) not in HOMONYMS:
            assert sanitise(request(**{name: "x"}), family).get(name) in (None, False)


def test_responses_are_never_stored() -> None:
    assert sanitise(request(store=True), "responses")["store"] is False


def test_a_streamed_text_completion_always_tells_its_usage() -> None:
    sent = sanitise({"model": "m", "prompt": "x", "stream": True, "stream_options": {"include_usage": False}}, "completion")
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", REFUSED_FIELDS)
def test_refused_because_the_answer_would_be_another(name: str) -> None:
    with pytest.raises(Refused) as caught:
        sanitise(request(**{name: {"x": 1}}), "chat")
    assert (caught.value.status_code, caught.value.refusal_code) == (400, "unsupported_feature")


@pytest.mark.parametrize("model", ["a,b", "", " ", None, 7, ["a"], {"a": 1}, "x" * 129, "a\nb"])
def test_exactly_one_model(model: object) -> None:
    with pytest.raises(Refused):
        sanitise(request(model=model), "chat")


PROVIDER_TOOLS: list[tuple[Family, dict[str, Any]]] = [
    ("chat", {"type": "web_search"}),
    ("chat", {"googleSearch": {}}),
    ("chat", {"type": "computer_use_preview"}),
    ("chat", {"name": "untyped", "input_schema": {}}),
    ("responses", {"type": "web_search_preview"}),
    ("responses", {"type": "file_search", "vector_store_ids": ["v"]}),
    ("responses", {"type": "code_interpreter", "container": {"type": "auto"}}),
    ("responses", {"type": "image_generation"}),
    ("responses", {"type": "mcp", "server_url": "https://x"}),
    ("messages", {"type": "web_search_20250305", "name": "web_search"}),
    ("messages", {"type": "code_execution_20250522", "name": "code_execution"}),
    ("messages", {"type": "computer_20250124", "name": "computer"}),
]


@pytest.mark.parametrize(("family", "tool"), PROVIDER_TOOLS)
def test_tools_of_providers_are_refused(family: Family, tool: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        sanitise(request(tools=[{"type": "function", "function": {"name": "ok"}}, tool]), family)
    assert caught.value.refusal_code == "unsupported_feature"


@pytest.mark.parametrize(
    ("family", "tool"),
    [
        ("chat", {"type": "function", "function": {"name": "f", "parameters": {}}}),
        ("responses", {"type": "function", "name": "f"}),
        ("responses", {"type": "custom", "name": "f"}),
        ("messages", {"name": "f", "input_schema": {}}),
        ("messages", {"type": "custom", "name": "f", "input_schema": {}}),
    ],
)
def test_tools_of_the_client_stay(family: Family, tool: dict[str, Any]) -> None:
    assert sanitise(request(tools=[tool]), family)["tools"] == [tool]


@pytest.mark.parametrize("modalities", [["text", "audio"], ["audio"], ["image", "text"], "audio"])
def test_audio_and_image_output_of_chats_is_refused(modalities: object) -> None:
    with pytest.raises(Refused):
        sanitise(request(modalities=modalities), "chat")


def test_audio_input_is_refused_however_deep() -> None:
    part = {"type": "tool_result", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}
    with pytest.raises(Refused):
        sanitise(request(messages=[{"role": "user", "content": [part]}]), "chat")


def test_a_request_nested_without_end_is_refused_and_does_not_overflow() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    with pytest.raises(Refused):
        sanitise(request(messages=deep), "chat")


@pytest.mark.parametrize("n", [0, -1, 129, 1.5, "x", True, [1]])
def test_counts_that_multiply_the_cost_are_bounded(n: object) -> None:
    with pytest.raises(Refused):
        sanitise(request(n=n), "chat")


def test_metadata_of_the_client_does_not_mix_with_that_of_litellm() -> None:
    notes = {"user_api_key_auth_metadata": {"a": 1}, "headers": {}, "tags": ["x"], "user_id": "victim", "trace_id": "t"}
    data = sanitise(request(metadata=dict(notes)), "chat")
    assert set(data["metadata"]) == {"user_api_key_auth_metadata", "headers"}


def test_metadata_for_the_provider_is_dropped_where_litellm_keeps_its_own_apart() -> None:
    data = sanitise(request(metadata={"user_id": "victim"}, litellm_metadata={"endpoint": "x", "tags": ["a"]}), "messages")
    assert "metadata" not in data
    assert data["litellm_metadata"] == {"endpoint": "x"}


def test_a_forged_log_object_is_dropped_and_the_real_one_kept() -> None:
    real = object()
    assert "litellm_logging_obj" not in sanitise(request(litellm_logging_obj={"a": 1}), "image")
    assert sanitise(request(litellm_logging_obj=real), "image")["litellm_logging_obj"] is real


def test_what_clients_need_passes_unchanged() -> None:
    wanted = request(
        temperature=0.2, max_tokens=9, stream=True, stop=["x"], n=2, seed=1, response_format={"type": "json_object"},
        reasoning_effort="low", prompt_cache_key="k", logprobs=True, modalities=["text"],
    )  # fmt: skip
    assert sanitise(dict(wanted), "chat") == wanted


def test_own_fields_do_not_overlap_with_what_is_dropped() -> None:
    assert not set(OWN_FIELDS) & set(DROPPED_FIELDS)
    for family in FAMILIES:
        assert {(family, name) for name in ALLOWED_FIELDS[family] & set(DROPPED_FIELDS)} <= HOMONYMS
