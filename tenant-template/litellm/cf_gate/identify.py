"""Who is behind a key or a person of Open WebUI: the centre's answers, cached for seconds, one question at a time."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from cf_gate.center import Center, CenterMisconfigured, CenterUnavailable, Json
from cf_gate.log import log
from cf_gate.refusals import Refused

MAX_TTL_S = 30.0
# A key that was made a moment ago must not stay unknown for half a minute.
UNKNOWN_TTL_S = 5.0
MAX_CACHED = 10_000


@dataclass(frozen=True)
class Known:
    """`models`: ("*",) means all, () means none. `stale`: the centre is away and this is an older answer."""

    user_id: str
    api_key_id: str
    models: tuple[str, ...]
    stale: bool = False


@dataclass(frozen=True)
class Unknown:
    """Nobody who may call, and why."""

    code: str
    message: str


@dataclass(frozen=True)
class _Entry:
    answer: Known | Unknown
    asked_at: float
    fresh_until: float


class Identities:
    """Bounded cache with single flight: a burst of calls with a new key asks the centre once."""

    def __init__(self, center: Center, stale_max_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._center = center
        self._stale_max_s = stale_max_s
        self._now = now
        self._cache: OrderedDict[str, _Entry] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Known | Unknown]] = {}

    async def find(self, cache_key: str, who: Json) -> Known | Unknown:
        """`cache_key` names what `who` asks for; it never holds a key in clear.

        :raises Refused: 503 if the centre is away and there is no older answer to go by, or if our own key is wrong
        """
        entry = self._cache.get(cache_key)
        if entry is not None and self._now() < entry.fresh_until:
            self._cache.move_to_end(cache_key)
            return entry.answer
        task = self._asking.get(cache_key)
        if task is None:
            task = asyncio.ensure_future(self._ask(cache_key, who))
            self._asking[cache_key] = task
            task.add_done_callback(lambda _: self._asking.pop(cache_key, None))
        try:
            # Shielded: a client that goes away must not cancel the question for all who wait for it.
            return await asyncio.shield(task)
        except CenterUnavailable as error:
            return self._older(cache_key, error)
        except CenterMisconfigured as error:
            log.error("the centre refuses this gate: %s; check CF_INGEST_KEY and BILLING_API_URL", error)
            raise Refused("gate_misconfigured") from error

    async def _ask(self, cache_key: str, who: Json) -> Known | Unknown:
        body = await self._center.identify(who)
        answer = read_identity(body)
        ttl = body.get("ttl")
        seconds = min(MAX_TTL_S, max(0.0, float(ttl))) if isinstance(ttl, int | float) else MAX_TTL_S
        if isinstance(answer, Unknown):
            seconds = min(seconds, UNKNOWN_TTL_S)
        now = self._now()
        self._cache[cache_key] = _Entry(answer, now, now + seconds)
        self._cache.move_to_end(cache_key)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return answer

    def _older(self, cache_key: str, error: CenterUnavailable) -> Known | Unknown:
        """While the centre is away an older answer tells who calls; whether the call may run decides outage.py."""
        entry = self._cache.get(cache_key)
        if entry is None or self._now() - entry.asked_at > self._stale_max_s:
            raise Refused("center_unavailable", retry_after_s=error.retry_after_s) from error
        return replace(entry.answer, stale=True) if isinstance(entry.answer, Known) else entry.answer


def read_identity(body: Json) -> Known | Unknown:
    """The centre's answer of POST /api/usage/identify.

    :raises CenterUnavailable: if it is none
    """
    if body.get("known") is True:
        user_id, models = body.get("user_id"), body.get("models")
        if not isinstance(user_id, str) or not user_id or not isinstance(models, list):
            raise CenterUnavailable("the centre's answer about an identity is incomplete")
        if body.get("status", "active") != "active":
            return Unknown("user_suspended", "")
        return Known(user_id, str(body.get("api_key_id") or ""), tuple(str(model) for model in models))
    if body.get("known") is False:
        return Unknown(str(body.get("code") or "unknown_identity"), str(body.get("message") or ""))
    raise CenterUnavailable("the centre's answer about an identity is none")
