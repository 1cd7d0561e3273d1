"""Calls of the hooks as LiteLLM makes them, for the tests of the hooks."""

import json
from typing import Any

import pytest
from litellm.proxy._types import UserAPIKeyAuth

from cf_gate.hooks import Gate
from cf_gate.refusals import Refused
from cf_gate.runtime import Runtime
from cf_gate.spool_schema import connect


def signed_in(call_id: str = "c1", user_id: str = "ada", **more: Any) -> UserAPIKeyAuth:
    caller: dict[str, Any] = {"call_id": call_id, "identity": user_id, "user_id": user_id, "api_key_id": "key-1"}
    caller |= {"models": ["*"], "purpose": "user", "is_service": False}
    return UserAPIKeyAuth(metadata={"cf_gate": caller | more})


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **more}


async def call(gate: Gate, data: dict[str, Any] | None = None, kind: str = "acompletion", **who: Any) -> dict[str, Any]:
    return await gate.async_pre_call_hook(signed_in(**who), None, chat() if data is None else data, kind)


async def refusal(gate: Gate, data: dict[str, Any] | None = None, kind: str = "acompletion", **who: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await call(gate, data, kind, **who)
    return caught.value


def log_of(auth: UserAPIKeyAuth, **changes: Any) -> dict[str, Any]:
    payload = {"id": "r1", "call_type": "acompletion", "model": "gpt-4o", "prompt_tokens": 9, "completion_tokens": 3}
    notes = {"user_api_key_auth_metadata": auth.metadata, "usage_object": {}}
    return {"standard_logging_object": {**payload, "startTime": 1.0, "endTime": 2.0, "metadata": notes, **changes}}


def table(runtime: Runtime, query: str) -> list[tuple[Any, ...]]:
    runtime.spool.submit(lambda db: None).result(5)
    return [tuple(row) for row in connect(runtime.settings.spool_path).execute(query)]


def bodies(runtime: Runtime) -> list[dict[str, Any]]:
    return [json.loads(row[0]) for row in table(runtime, "SELECT body FROM events ORDER BY event_id")]
