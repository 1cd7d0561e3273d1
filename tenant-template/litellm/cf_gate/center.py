"""HTTP to the centre. Everything that can happen on the way is one of three outcomes: an answer, away, or misconfigured."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx

from cf_gate.settings import Settings

Json = dict[str, Any]

# The centre is busy or half up; a repetition may succeed. Other 4xx mean that we are wrong, not that it is away.
_AWAY = frozenset({408, 425, 429})


_ARRIVED_S = 0.1


class CenterUnavailable(Exception):
    """The centre did not answer, or said that it cannot now: an outage, to which CF_OUTAGE_POLICY applies."""

    def __init__(self, reason: str, retry_after_s: int | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason)


class CenterMisconfigured(Exception):
    """The centre answered with a refusal of the gate itself, such as 401: our key or address is wrong."""


def headers_for(settings: Settings) -> dict[str, str]:
    """Headers of every request to the centre."""
    return {"Authorization": f"Bearer {settings.ingest_key}", "User-Agent": "cf-gate/1", "Accept": "application/json"}


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Json:
    """:raises CenterUnavailable, CenterMisconfigured: see there"""
    if status >= 500 or status in _AWAY:
        raise CenterUnavailable(f"the centre answered {status}", retry_after(headers))
    try:
        answer = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        if status != 200:
            raise CenterMisconfigured(f"the centre answered {status}") from error
        raise CenterUnavailable("the centre's answer is not JSON") from error
    if status != 200:
        raise CenterMisconfigured(f"the centre answered {status} {_code_in(answer)}".strip())
    if not isinstance(answer, dict):
        raise CenterUnavailable("the centre's answer is not an object")
    return answer


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds of a Retry-After header; a date is not read, nobody of ours sends one."""
    value = headers.get("retry-after", "")
    return min(int(value), 3600) if value.isdecimal() else None


def error_code(response: httpx.Response) -> str:
    """Our code in an error body, "" if there is none; never the whole body, it could repeat what we sent."""
    try:
        return _code_in(response.json())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return ""


def _code_in(body: object) -> str:
    code = body.get("code") if isinstance(body, dict) else None
    return code[:64] if isinstance(code, str) else ""


class Center:
    """The routes that a call waits for. One instance per process, on LiteLLM's own event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Before the first answer nobody is known, so that nobody goes by this.
        self._answered_at = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the centre's last answer to this process."""
        return time.monotonic() - self._answered_at

    async def identify(self, who: Json) -> Json:
        """POST /api/usage/identify"""
        return await self._post("/api/usage/identify", who)

    async def authorize(self, call: Json) -> Json:
        """POST /api/usage/authorize; the same call_id gives the same hold, so it can be repeated."""
        return await self._post("/api/usage/authorize", call)

    def close(self) -> None:
        """Ends the kept connections. At the end of the process their loop is gone, and all that matters is to leave quietly."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            asyncio.get_running_loop().create_task(session.close())
        except RuntimeError:
            closing = session.close()
            with contextlib.suppress(RuntimeError):
                asyncio.run(closing)

    async def _post(self, path: str, body: Json) -> Json:
        task = asyncio.ensure_future(self._post_twice(path, body))
        try:
            # One bound around everything; a peer that sends one byte a second would otherwise never end.
            await asyncio.wait({task}, timeout=self._settings.center_timeout_s)
            if not task.done():
                # LiteLLM keeps its loop busy for seconds under load, and then the time is up although the answer has long
                # arrived: it is read in the next turns of the loop. A thread of its own would cost each call a millisecond.
                await asyncio.wait({task}, timeout=_ARRIVED_S)
            if not task.done():
                raise CenterUnavailable("the centre did not answer in time")
            status, headers, text = task.result()
        except aiohttp.ClientError as error:
            raise CenterUnavailable(f"the centre cannot be reached: {type(error).__name__}") from error
        finally:
            task.cancel()
        answer = read_answer(status, headers, text)
        self._answered_at = time.monotonic()
        return answer

    async def _post_twice(self, path: str, body: Json) -> tuple[int, Mapping[str, str], bytes]:
        try:
            return await self._post_once(path, body)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # A kept connection that the centre closed in the meantime, for instance when it was restarted.
            return await self._post_once(path, body)

    async def _post_once(self, path: str, body: Json) -> tuple[int, Mapping[str, str], bytes]:
        async with self._open().post(self._settings.center_url + path, json=body, allow_redirects=False) as response:
            return response.status, response.headers, await response.read()

    def _open(self) -> aiohttp.ClientSession:
        """aiohttp, which LiteLLM brings along: httpx takes about a millisecond more of each call."""
        if self._session is None or self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._session = aiohttp.ClientSession(
                headers=headers_for(self._settings),
                connector=aiohttp.TCPConnector(limit=200, keepalive_timeout=30),
                # Cookies of the centre mean nothing to us, and an environment's proxy for providers is not for it.
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session
