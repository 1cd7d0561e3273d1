"""May this call run? Asks the centre, every time, and puts the call's row on disk before anything is sent upstream."""

import sqlite3
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from cf_gate import calls
from cf_gate.calls import OpenCall
from cf_gate.center import Center, CenterMisconfigured, CenterUnavailable, Json
from cf_gate.log import log
from cf_gate.outage import Outage, forget_spending
from cf_gate.refusals import Refused
from cf_gate.spool import Spool, SpoolError
from cf_gate.token_estimate import Estimate

_LOG_EVERY_S = 10.0
_LONGEST_RETRY_AFTER_S = 60


@dataclass(frozen=True)
class Grant:
    """`max_tokens` for the whole call; `clamped`: less than was asked."""

    max_tokens: int
    clamped: bool


class Admission:
    """One per worker."""

    def __init__(self, center: Center, spool: Spool, outage: Outage) -> None:
        self._center = center
        self._spool = spool
        self._outage = outage
        self._logged_at = 0.0

    async def ask(self, call: OpenCall, identity: str, estimate: Estimate, asked: int | None) -> tuple[OpenCall, Grant]:
        """Places a hold. Follow with confirm() before the upstream call, or with give_back().

        :returns: the call as it was granted
        :raises Refused: if it may not run
        """
        # Not waited for: the next write, which is, comes after it in the queue.
        self._spool.submit(lambda db: calls.put(db, call))
        try:
            answer = await self._center.authorize(_question(call, estimate, asked))
            if answer.get("allowed") is True:
                return _granted(call, answer)
        except CenterUnavailable as error:
            return await self._without_center(call, identity, estimate, asked, error)
        except CenterMisconfigured as error:
            self.give_back(call)
            self._complain(f"the centre refuses this gate: {error}; check CF_INGEST_KEY and BILLING_API_URL")
            raise Refused("gate_misconfigured") from error
        self._spool.submit(lambda db: calls.forget(db, call.call_id))
        raise _refusal(answer)

    async def confirm(self, call: OpenCall, identity: str) -> None:
        """Returns when the row is on disk: from here on the call is billed, whatever happens to this process.

        :raises Refused: 503 if it cannot be written
        """
        sent = replace(call, state="sent", touched_at=time.time())

        def write(db: sqlite3.Connection) -> None:
            calls.put(db, sent)
            if sent.hold_id:
                forget_spending(db, identity)

        try:
            await self._spool.write(write)
        except SpoolError as error:
            self._give_back_later(sent)
            raise Refused("spool_unavailable") from error

    def give_back(self, call: OpenCall) -> None:
        """The call does not run after all, or nobody knows whether a hold was placed."""
        self._spool.submit(lambda db: calls.give_back(db, call.call_id))

    def _give_back_later(self, call: OpenCall) -> None:
        """The disk is full and there may be no row at all: one is written as soon as there is room. Until then the spool is not
        healthy, so that no further call places a hold that nobody could give back."""
        released = replace(call, state="release", touched_at=time.time())
        self._spool.submit(lambda db: calls.put(db, released), keep=True)

    async def _without_center(
        self, call: OpenCall, identity: str, estimate: Estimate, asked: int | None, error: CenterUnavailable
    ) -> tuple[OpenCall, Grant]:
        self._complain(f"{error}")
        try:
            output = await self._outage.grant(identity, call.model, estimate, asked, self._center.silent_s())
        except SpoolError as failure:
            self._give_back_later(call)
            raise Refused("spool_unavailable") from failure
        if output is None:
            self.give_back(call)
            raise Refused("center_unavailable", retry_after_s=error.retry_after_s) from error
        return replace(call, max_tokens=output), Grant(output, asked is None)

    def _complain(self, text: str) -> None:
        """Under load the same trouble comes a hundred times a second."""
        if time.monotonic() - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log.error("%s", text)


def _question(call: OpenCall, estimate: Estimate, asked: int | None) -> Json:
    question: Json = {
        "call_id": call.call_id,
        "user_id": call.user_id,
        "model": call.model,
        "tokens_input_estimate": estimate.held,
        "purpose": call.purpose,
    }
    if call.api_key_id:
        question["api_key_id"] = call.api_key_id
    if asked is not None:
        question["max_tokens"] = asked
    if estimate.units():
        question["units_estimate"] = estimate.units()
    return question


def _granted(call: OpenCall, answer: Json) -> tuple[OpenCall, Grant]:
    max_tokens, hold_id = answer.get("max_tokens"), answer.get("hold_id")
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 0 or not isinstance(hold_id, str):
        raise CenterUnavailable("the centre's permission is incomplete")
    return replace(call, hold_id=hold_id, max_tokens=max_tokens), Grant(max_tokens, answer.get("clamped") is True)


def _refusal(answer: Json) -> Refused:
    code = answer.get("code")
    if answer.get("allowed") is not False or not isinstance(code, str) or not code:
        return Refused("center_unavailable")
    message = answer.get("message")
    wait = _seconds_until(answer.get("resets_at")) if code == "rate_limited" else None
    return Refused(code, message if isinstance(message, str) else "", retry_after_s=wait)


def _seconds_until(moment: object) -> int | None:
    if not isinstance(moment, str):
        return None
    try:
        at = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    left = (at - datetime.now(timezone.utc)).total_seconds() if at.tzinfo else 0.0
    return min(_LONGEST_RETRY_AFTER_S, max(1, round(left)))
