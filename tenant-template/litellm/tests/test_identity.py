"""Who calls is known from the key or from Open WebUI's signature, and from nothing else."""

import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from fastapi import Request
from litellm.proxy._types import UserAPIKeyAuth

from cf_gate import identify
from cf_gate.identity import authenticate, caller_of
from cf_gate.refusals import Refused
from cf_gate.runtime import Runtime
from cf_gate.settings import Settings
from tests.conftest import JWT_SECRET, OWUI_KEY
from tests.fake_center import FakeCenter, answers

KEY = "sk-cf-a-key-of-ada"
KEY_HASH = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture
async def runtime(settings: Settings, center: FakeCenter) -> AsyncIterator[Runtime]:
    center.identities[KEY_HASH] = known("ada", api_key_id="key-ada", models=["gpt-4o"])
    center.identities["owui-1"] = known("ben", models=["*"])
    made = Runtime(settings)
    yield made
    made.close()


def known(user_id: str, **more: Any) -> dict[str, Any]:
    return {"known": True, "user_id": user_id, "status": "active", "models": ["*"], "ttl": 30, **more}


def http(path: str = "/v1/chat/completions", method: str = "POST", **headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": path, "root_path": "", "headers": raw, "query_string": b""})


def assertion(secret: str = JWT_SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {"sub": "owui-1", "email": "Ben@Example.org", "iss": "open-webui", "exp": int(time.time()) + 300, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


async def refusal(runtime: Runtime, request: Request, key: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await authenticate(runtime, request, key)
    return caught.value


async def test_a_key_is_looked_up_by_its_hash_and_never_sent(runtime: Runtime, center: FakeCenter) -> None:
    auth = await authenticate(runtime, http(), KEY)
    caller = caller_of(auth)
    assert caller is not None
    assert (caller.user_id, caller.api_key_id, caller.models, caller.purpose) == ("ada", "key-ada", ("gpt-4o",), "user")
    assert center.asked("/api/usage/identify") == [{"api_key_hash": KEY_HASH}]


async def test_litellm_gets_no_limits_of_its_own_to_count(runtime: Runtime) -> None:
    auth = await authenticate(runtime, http(), KEY)
    assert (auth.rpm_limit, auth.tpm_limit, auth.max_parallel_requests, auth.max_budget, auth.models) == (
        None, None, None, None, [],
    )  # fmt: skip


async def test_each_call_has_an_id_of_ours_whatever_the_client_sends(runtime: Runtime) -> None:
    steering = {"x_litellm_call_id": "mine", "x_litellm_timeout": "0.01", "x_litellm_end_user_id": "victim"}
    requests = [http(**steering) for _ in range(2)]
    ids = []
    for request in requests:
        caller = caller_of(await authenticate(runtime, request, KEY))
        assert caller is not None
        ids.append(caller.call_id)
        assert dict(request.scope["headers"]) == {b"x-litellm-call-id": caller.call_id.encode()}
    assert ids[0] != ids[1]
    assert "mine" not in ids


@pytest.mark.parametrize("key", ["", "nope", "Bearer x", "cfi_an_ingest_key"])
async def test_keys_that_litellm_would_log_in_clear_are_refused_at_once(runtime: Runtime, center: FakeCenter, key: str) -> None:
    assert (await refusal(runtime, http(), key)).status_code == 401
    assert center.requests == []


async def test_an_unknown_key_gets_401_with_the_sentence_of_the_centre(runtime: Runtime) -> None:
    answer = await refusal(runtime, http(), "sk-unknown")
    assert (answer.status_code, answer.refusal_code, answer.message) == (401, "unknown_identity", "Nobody.")


@pytest.mark.parametrize(
    ("code", "status"),
    [("key_revoked", 401), ("key_expired", 401), ("user_suspended", 403), ("tenant_suspended", 403), ("of_next_year", 403)],
)
async def test_reasons_of_the_centre(runtime: Runtime, center: FakeCenter, code: str, status: int) -> None:
    center.identities[KEY_HASH] = {"known": False, "code": code, "message": "So it is."}
    answer = await refusal(runtime, http(), KEY)
    assert (answer.status_code, answer.refusal_code) == (status, code)


async def test_a_route_that_is_not_allowed_is_refused_before_anybody_is_asked(runtime: Runtime, center: FakeCenter) -> None:
    assert (await refusal(runtime, http("/key/generate"), KEY)).refusal_code == "route_not_allowed"
    assert center.requests == []


async def test_open_webui_speaks_for_the_person_it_signed(runtime: Runtime, center: FakeCenter) -> None:
    caller = caller_of(await authenticate(runtime, http(x_openwebui_user_jwt=assertion()), OWUI_KEY))
    assert caller is not None
    assert (caller.user_id, caller.api_key_id, caller.purpose) == ("ben", "", "user")
    assert center.asked("/api/usage/identify") == [{"user": {"id": "owui-1", "email": "ben@example.org"}}]


async def test_background_calls_of_the_chat_are_auxiliary(runtime: Runtime) -> None:
    request = http(x_openwebui_user_jwt=assertion(), x_cf_task="title_generation")
    caller = caller_of(await authenticate(runtime, request, OWUI_KEY))
    assert caller is not None
    assert caller.purpose == "auxiliary"


async def test_a_key_cannot_call_its_calls_auxiliary_or_somebody_elses(runtime: Runtime) -> None:
    request = http(x_openwebui_user_jwt=assertion(), x_cf_task="title_generation", x_openwebui_user_id="owui-1")
    caller = caller_of(await authenticate(runtime, request, KEY))
    assert caller is not None
    assert (caller.user_id, caller.purpose) == ("ada", "user")


FORGERIES = {
    "no assertion": "",
    "another secret": assertion("another-secret-0123456789-0123456789"),
    "unsigned": assertion("", "none"),
    "another algorithm": assertion(JWT_SECRET * 2, "HS512"),
    "expired": assertion(exp=int(time.time()) - 3_600),
    "no expiry": assertion(exp=None),
    "no subject": assertion(sub=None),
    "empty subject": assertion(sub=" "),
    "another issuer": assertion(iss="somebody"),
    "no issuer": assertion(iss=None),
    "nonsense": "a.b.c",
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_and_old_assertions_prove_nothing(runtime: Runtime, center: FakeCenter, token: str) -> None:
    request = http(x_openwebui_user_jwt=token, x_openwebui_user_id="owui-1", x_openwebui_user_email="ben@example.org")
    answer = await refusal(runtime, request, OWUI_KEY)
    assert (answer.status_code, answer.refusal_code) == (401, "missing_identity")
    assert center.requests == []


async def test_the_chat_gets_one_list_of_models_for_all_without_saying_for_whom(runtime: Runtime, center: FakeCenter) -> None:
    caller = caller_of(await authenticate(runtime, http("/v1/models", "GET"), OWUI_KEY))
    assert caller is not None
    assert (caller.user_id, caller.models) == ("", ("*",))
    assert center.requests == []


async def test_a_burst_with_a_new_key_asks_once(runtime: Runtime, center: FakeCenter) -> None:
    import asyncio  # noqa: PLC0415

    await asyncio.gather(*(authenticate(runtime, http(), KEY) for _ in range(50)))
    assert len(center.asked("/api/usage/identify")) == 1


async def test_answers_are_kept_30_seconds_at_most_and_the_cache_is_bounded(
    runtime: Runtime, center: FakeCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    identities = identify.Identities(runtime.center, 0, lambda: clock[0])
    monkeypatch.setattr(identify, "MAX_CACHED", 3)
    center.identities[KEY_HASH]["ttl"] = 3_600
    who = {"api_key_hash": KEY_HASH}
    for at, questions in [(0, 1), (29, 1), (31, 2)]:
        clock[0] = 1000.0 + at
        await identities.find("key", who)
        assert len(center.asked("/api/usage/identify")) == questions
    for number in range(10):
        await identities.find(f"other-{number}", who)
    assert len(identities._cache) == 3


async def test_the_centre_away_is_503_with_retry_after(runtime: Runtime, center: FakeCenter) -> None:
    center.faults.append(answers(503, headers={"Retry-After": "7"}))
    answer = await refusal(runtime, http(), KEY)
    assert (answer.status_code, answer.refusal_code, answer.headers["Retry-After"]) == (503, "center_unavailable", "7")


async def test_our_own_key_wrong_is_503_and_says_so(runtime: Runtime, center: FakeCenter) -> None:
    center.faults.append(answers(401, {"code": "invalid_key"}))
    assert (await refusal(runtime, http(), KEY)).refusal_code == "gate_misconfigured"


async def test_a_request_that_did_not_come_through_sign_in_has_no_caller() -> None:
    assert caller_of(UserAPIKeyAuth(metadata={"cf_gate": "forged"})) is None
    assert caller_of(None) is None
