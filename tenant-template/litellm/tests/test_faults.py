"""What came to light when disks, spools and centres failed under a real proxy."""

import dataclasses
import sqlite3
from typing import Any

import pytest

from cf_gate import calls, outage
from cf_gate.hooks import Gate
from cf_gate.refusals import Refused
from cf_gate.runtime import Runtime
from cf_gate.settings import NANO, Settings
from cf_gate.spool_schema import connect, meta
from tests.conftest import Deliver, Fill, arrived
from tests.fake_center import FakeCenter, answers
from tests.hook_calls import call, refusal, table


class _Disk:
    """Stands in for calls.put: full until told otherwise."""

    def __init__(self) -> None:
        self.full = True
        self._put = calls.put

    def put(self, db: sqlite3.Connection, row: Any) -> None:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self._put(db, row)


async def test_a_hold_that_could_not_be_written_down_is_given_back_when_there_is_room(
    gate: Gate, runtime: Runtime, center: FakeCenter, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = _Disk()
    monkeypatch.setattr("cf_gate.calls.put", disk.put)
    assert (await refusal(gate)).refusal_code == "spool_unavailable"
    center.wait(lambda: not runtime.spool.healthy)
    with pytest.raises(Refused) as caught:
        runtime.refuse_if_undelivered()
    assert caught.value.refusal_code == "spool_unavailable", "the next call must not get as far as to place a hold"
    disk.full = False
    deliver()
    center.wait(lambda: center.asked("/api/usage/release") == [{"hold_id": "hold-c1"}])
    center.wait(lambda: table(runtime, "SELECT * FROM calls") == [])
    runtime.refuse_if_undelivered()


def test_a_copy_of_a_spool_that_fell_behind_leaves_the_name_to_the_original(
    settings: Settings, center: FakeCenter, fill: Fill, deliver: Deliver
) -> None:
    fill(1)
    deliver(heartbeat_s=0.05)
    center.wait(arrived(settings))
    db = connect(settings.spool_path)
    before = (meta(db, "source"), meta(db, "epoch"))
    center.next_seq = 40
    center.wait(lambda: meta(db, "epoch") != before[1])
    assert meta(db, "source") != before[0]


async def test_stale_ends_with_the_time_since_the_centres_last_word(
    settings: Settings, center: FakeCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(dataclasses.replace(settings, outage_policy="stale", stale_max_s=60))
    allowance = dataclasses.replace(runtime.settings, stale_allowance_nano=NANO)
    runtime.admission._outage = outage.Outage(allowance, runtime.spool, lambda *_: 1)
    assert await call(Gate(runtime), call_id="c1")
    center.faults += [answers(503)] * 2
    assert await call(Gate(runtime), call_id="c2")
    monkeypatch.setattr(runtime.center, "silent_s", lambda: 61.0)
    assert (await refusal(Gate(runtime), call_id="c3")).refusal_code == "center_unavailable"
    runtime.close()
