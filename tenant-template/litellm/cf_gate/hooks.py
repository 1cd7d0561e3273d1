"""LiteLLM's hooks. Each that must run is defined on this very class: LiteLLM looks for them in the class itself and ignores
inherited ones."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth

from cf_gate import calls
from cf_gate.calls import OpenCall, Outcome
from cf_gate.identity import Caller, caller_from, caller_of
from cf_gate.log import log
from cf_gate.models import can_chat, most_output
from cf_gate.output_limit import asked_output, write_grant
from cf_gate.refusals import Refused
from cf_gate.routes import FAMILY_BY_CALL_TYPE, KIND_BY_FAMILY, Family
from cf_gate.runtime import Runtime
from cf_gate.sanitise import Data, sanitise
from cf_gate.streaming import OutputCounter
from cf_gate.token_estimate import Estimate, estimate
from cf_gate.usage_event import measure

_CHECKPOINT_EVERY_S = 1.0
# Counting a longer request takes tens of milliseconds, in which no other call would move.
_COUNT_IN_THREAD_BYTES = 50_000


class Gate(CustomLogger):
    """Before a call: sanitise, estimate, ask, write down. After it: book what it used, once."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._runtime = runtime
        # LiteLLM logs a stream that broke before the stream's own hook has ended: what it counted is asked for here.
        self._streaming: dict[str, OutputCounter] = {}

    async def async_pre_call_hook(self, user_api_key_dict: UserAPIKeyAuth, cache: object, data: Data, call_type: str) -> Data:
        """:raises Refused: the client's answer"""
        caller = caller_of(user_api_key_dict)
        family = FAMILY_BY_CALL_TYPE.get(str(getattr(call_type, "value", call_type)))
        if caller is None or not caller.user_id:
            raise Refused("unknown_identity")
        if family is None:
            raise Refused("route_not_allowed")
        sanitise(data, family)
        counted = await _estimate(data, family)
        asked = asked_output(data, family, most_output(str(data["model"])))
        admission = self._runtime.admission
        call, grant = await admission.ask(self._new_call(caller, data, family, counted), caller.identity, counted, asked)
        try:
            write_grant(data, family, grant.max_tokens, grant.clamped)
        except Refused:
            admission.give_back(call)
            raise
        await admission.confirm(call, caller.identity)
        return data

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """LiteLLM logs a call that was answered, at the end of its stream if it has one."""
        await self._book(kwargs, failed=False)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, Any], response_obj: object, start_time: object, end_time: object
    ) -> None:
        """LiteLLM logs a call that failed, be it before, at or after the provider."""
        await self._book(kwargs, failed=True)

    async def async_post_call_failure_hook(
        self,
        request_data: Mapping[str, Any],
        original_exception: Exception,
        user_api_key_dict: UserAPIKeyAuth,
        traceback_str: str | None = None,
    ) -> None:
        """Some failures before the provider are not logged; their hold goes back from here."""
        caller = caller_of(user_api_key_dict)
        if caller is not None and not isinstance(original_exception, Refused):
            self._runtime.spool.submit(lambda db: calls.give_back(db, caller.call_id))

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: UserAPIKeyAuth, response: AsyncIterator[Any], request_data: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Passes the stream on unchanged and writes down about once a second how far it came."""
        caller = caller_of(user_api_key_dict)
        counter = OutputCounter()
        if caller is not None:
            self._streaming[caller.call_id] = counter
        written, next_at = 0, time.monotonic()
        try:
            async for chunk in response:
                counter.add(chunk)
                if caller is not None and counter.tokens > written and time.monotonic() >= next_at:
                    written, next_at = counter.tokens, time.monotonic() + _CHECKPOINT_EVERY_S
                    self._checkpoint(caller.call_id, written)
                yield chunk
        finally:
            if caller is not None:
                self._streaming.pop(caller.call_id, None)
                if counter.tokens > written:
                    self._checkpoint(caller.call_id, counter.tokens)

    async def async_filter_listed_models(self, user_api_key_dict: UserAPIKeyAuth, model_names: Sequence[str]) -> Sequence[str]:
        """GET /v1/models: what the caller may use."""
        caller = caller_of(user_api_key_dict)
        if caller is None:
            return []
        visible = [name for name in model_names if listed(name, caller.models)]
        # Open WebUI offers all that it is told for chatting.
        return [name for name in visible if can_chat(name)] if caller.is_service else visible

    def _new_call(self, caller: Caller, data: Data, family: Family, counted: Estimate) -> OpenCall:
        return OpenCall(
            call_id=caller.call_id,
            worker=self._runtime.worker,
            state="held",
            hold_id="",
            user_id=caller.user_id,
            api_key_id=caller.api_key_id,
            model=str(data["model"]),
            kind=KIND_BY_FAMILY[family],
            purpose=caller.purpose,
            input_counted=counted.counted,
            input_held=counted.held,
            max_tokens=0,
            images=counted.images,
            characters=counted.characters,
            audio_seconds=counted.audio_seconds,
            output_so_far=0,
            started_at=time.time(),
            touched_at=time.time(),
        )

    def _checkpoint(self, call_id: str, tokens: int) -> None:
        self._runtime.spool.submit(lambda db: calls.checkpoint(db, call_id, tokens))

    async def _book(self, kwargs: Mapping[str, Any], failed: bool) -> None:
        payload = kwargs.get("standard_logging_object")
        if not isinstance(payload, Mapping):
            payload = {}
        caller = _logged_caller(kwargs, payload)
        if caller is None or not caller.user_id:
            # Never signed in: anybody could fill the centre's tables with these.
            return
        if not payload and not failed:
            log.error("LiteLLM logged call %s without its figures; it is booked by estimate", caller.call_id)
            await self._runtime.spool.write(lambda db: calls.recover_one(db, caller.call_id), keep=True)
            return
        running = self._streaming.get(caller.call_id)
        if running is not None and running.tokens > 0:
            self._checkpoint(caller.call_id, running.tokens)
        measured = measure(payload, failed)
        family = FAMILY_BY_CALL_TYPE.get(str(payload.get("call_type")), "chat")
        stand_in = self._new_call(caller, {"model": str(payload.get("model_group") or measured.model)}, family, Estimate())
        outcome: Outcome = await self._runtime.spool.write(lambda db: calls.settle(db, stand_in, measured), keep=True)
        if outcome in ("late", "replaced"):
            log.warning("call %s was booked by estimate before its log came (%s)", caller.call_id, outcome)


def listed(model: str, allowed: Sequence[str]) -> bool:
    """`*` alone means all, at the end any rest."""
    return any(model == name or (name.endswith("*") and model.startswith(name[:-1])) for name in allowed)


async def _estimate(data: Data, family: Family) -> Estimate:
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    length = headers.get("content-length", "") if isinstance(headers, Mapping) else ""
    if str(length).isdecimal() and int(length) < _COUNT_IN_THREAD_BYTES:
        return estimate(data, family)
    return await asyncio.to_thread(estimate, data, family)


def _logged_caller(kwargs: Mapping[str, Any], payload: Mapping[str, Any]) -> Caller | None:
    """custom_auth's note about the caller, wherever LiteLLM carries it."""
    params = kwargs.get("litellm_params")
    notes = [payload.get("metadata")]
    if isinstance(params, Mapping):
        notes += [params.get("metadata"), params.get("litellm_metadata")]
    for note in notes:
        if isinstance(note, Mapping):
            caller = caller_from(note.get("user_api_key_auth_metadata"))
            if caller is not None:
                return caller
    return None
