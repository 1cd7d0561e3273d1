"""custom_auth: who calls. A key is looked up by its hash; Open WebUI's people by the assertion that it signed."""

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import jwt
from fastapi import Request
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth

from cf_gate.identify import Known, Unknown
from cf_gate.refusals import Refused
from cf_gate.routes import is_model_list, route_allowed
from cf_gate.runtime import Runtime, get_runtime

JWT_HEADER = "x-openwebui-user-jwt"
# Set by the template in Open WebUI's OPENAI_API_CONFIGS as {"X-CF-Task": "{{TASK}}"}: title_generation, tags_generation …
TASK_HEADER = "x-cf-task"
CALL_ID_HEADER = b"x-litellm-call-id"
_METADATA_KEY = "cf_gate"
_LEEWAY_S = 30

# Headers that steer LiteLLM: time-outs, retries, tags, end users, disabled callbacks, call ids, provider beta features.
_STEERING = (
    b"x-litellm-",
    b"litellm-",
    b"langfuse",
    b"anthropic-beta",
    b"openai-organization",
    b"openai-beta",
    b"x-pass-",
)


@dataclass(frozen=True)
class Caller:
    """What the hooks of this call need to know; it travels in UserAPIKeyAuth.metadata, which no request can set."""

    call_id: str
    identity: str
    user_id: str
    api_key_id: str
    models: tuple[str, ...]
    purpose: str
    is_service: bool = False


def caller_of(auth: UserAPIKeyAuth | None) -> Caller | None:
    """The caller that custom_auth attached, None for a request that did not come through it."""
    return caller_from(getattr(auth, "metadata", None))


def caller_from(metadata: object) -> Caller | None:
    """The caller in a metadata dictionary, as LiteLLM hands it on to its log events."""
    fields = metadata.get(_METADATA_KEY) if isinstance(metadata, Mapping) else None
    if not isinstance(fields, Mapping):
        return None
    return Caller(**{**fields, "models": tuple(fields["models"])})


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    """LiteLLM's custom_auth. The names of the parameters are LiteLLM's.

    :raises Refused: 401 unknown, 403 route or suspended, 503 when nobody can be looked up
    """
    return await authenticate(get_runtime(), request, api_key)


async def authenticate(runtime: Runtime, request: Request, api_key: str) -> UserAPIKeyAuth:
    """As user_api_key_auth, with the runtime passed in."""
    method = str(request.scope.get("method", ""))
    path = _path(request)
    if not route_allowed(method, path):
        raise Refused("route_not_allowed")
    key = (api_key or "").removeprefix("Bearer ").strip()
    if not key.startswith("sk-"):
        # LiteLLM hashes only keys that begin with sk- before it logs them.
        raise Refused("unknown_identity", "API keys begin with sk-.")
    runtime.refuse_if_undelivered()
    call_id = uuid.uuid4().hex
    if _same(key, runtime.settings.owui_key):
        caller = await _service_caller(runtime, request, call_id, is_model_list(method, path))
    else:
        caller = await _key_caller(runtime, key, call_id)
    _take_steering_away(request, call_id)
    return UserAPIKeyAuth(
        api_key=key,
        user_id=caller.user_id or None,
        user_role=LitellmUserRoles.INTERNAL_USER,
        # Empty means all to LiteLLM. Which models are listed decides async_filter_listed_models, which may run is the
        # centre's word for each call. Rates and parallel calls are the centre's too: it counts across all workers.
        models=[],
        metadata={_METADATA_KEY: {**asdict(caller), "models": list(caller.models)}},
    )


async def _key_caller(runtime: Runtime, key: str, call_id: str) -> Caller:
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    known = _require(await runtime.identities.find(f"key:{key_hash}", {"api_key_hash": key_hash}))
    return Caller(
        call_id=call_id,
        identity=known.user_id,
        user_id=known.user_id,
        api_key_id=known.api_key_id,
        models=known.models,
        purpose="user",
    )


async def _service_caller(runtime: Runtime, request: Request, call_id: str, listing: bool) -> Caller:
    if listing:
        # Open WebUI keeps one list of models for the whole process: a list per person breaks the chats of all others.
        return Caller(call_id, "service", "", "", ("*",), "user", is_service=True)
    user = verified_user(request.headers.get(JWT_HEADER, ""), runtime.settings.owui_jwt_secret)
    known = _require(await runtime.identities.find(f"user:{user['id']}|{user['email']}", {"user": user}))
    purpose = "auxiliary" if request.headers.get(TASK_HEADER, "").strip() else "user"
    return Caller(call_id, known.user_id, known.user_id, known.api_key_id, known.models, purpose, is_service=True)


def verified_user(token: str, secret: str) -> dict[str, str]:
    """The person in Open WebUI's signed assertion; plain X-OpenWebUI-* headers prove nothing and are not read.

    :raises Refused: 401 if the assertion is missing, forged, expired or lacks a claim
    """
    if not token:
        raise Refused("missing_identity", "The chat did not say for whom it calls.")
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            issuer="open-webui",
            leeway=_LEEWAY_S,
            options={"require": ["exp", "sub", "iss"]},
        )
    except jwt.PyJWTError as error:
        raise Refused("missing_identity", "The chat's statement of who calls is not valid.") from error
    user_id = claims["sub"]
    if not isinstance(user_id, str) or not user_id.strip():
        raise Refused("missing_identity", "The chat's statement of who calls names nobody.")
    return {"id": user_id, "email": str(claims.get("email", "")).strip().lower()}


def _require(answer: Known | Unknown) -> Known:
    if isinstance(answer, Unknown):
        raise Refused(answer.code, answer.message)
    return answer


def _path(request: Request) -> str:
    path = str(request.scope.get("path", ""))
    root = str(request.scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _take_steering_away(request: Request, call_id: str) -> None:
    """Removes what clients could steer LiteLLM with, and makes our call id LiteLLM's, so that both logs name one id."""
    headers = [(name, value) for name, value in request.scope["headers"] if not bytes(name).lower().startswith(_STEERING)]
    headers.append((CALL_ID_HEADER, call_id.encode()))
    # In place, and in the copies: Starlette and LiteLLM keep what they have read once.
    request.scope["headers"][:] = headers
    cached = getattr(request.state, "_cached_headers", None)
    if isinstance(cached, dict):
        cached.clear()
        cached.update({name.decode("latin-1"): value.decode("latin-1") for name, value in headers})
