"""The life of a call's row: exactly one event for what was spent, whatever comes in which order."""

import asyncio
import json
import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cf_gate import batches, calls
from cf_gate.spool import Spool, SpoolError, read_backlog
from cf_gate.spool_schema import connect, meta, new_epoch
from tests.conftest import MakeCall, logged, put, run, settle


def recover(spool: Spool, call_id: str) -> None:
    run(spool, lambda db: calls.recover_one(db, call_id))


def events(spool: Spool) -> dict[str, dict[str, Any]]:
    rows = connect(spool.path).execute("SELECT event_id, body FROM events ORDER BY event_id").fetchall()
    return {row["event_id"]: json.loads(row["body"]) for row in rows}


def open_calls(spool: Spool) -> dict[str, str]:
    return {row["call_id"]: row["state"] for row in connect(spool.path).execute("SELECT call_id, state FROM calls")}


def test_a_row_is_on_disk_before_it_is_confirmed(spool: Spool) -> None:
    db = connect(spool.path)
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_held_sent_booked(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1", state="held", hold_id=""))
    put(spool, new_call("c1"))
    assert open_calls(spool) == {"c1": "sent"}
    assert settle(spool, new_call("c1"), logged()) == "booked"
    assert open_calls(spool) == {}
    assert events(spool)["c1"]["tokens_input"] == 30


def test_refused_by_the_centre_leaves_nothing(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1", state="held"))
    run(spool, lambda db: calls.forget(db, "c1"))
    assert open_calls(spool) == {}
    assert events(spool) == {}


def test_the_same_log_twice_is_one_event(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    assert [settle(spool, new_call("c1"), logged()) for _ in range(2)] == ["booked", "duplicate"]
    assert list(events(spool)) == ["c1"]


def test_a_second_upstream_attempt_was_paid_too(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    assert settle(spool, new_call("c1"), logged("a", failed=True)) == "booked"
    assert settle(spool, new_call("c1"), logged("b")) == "booked"
    assert settle(spool, new_call("c1"), logged("b")) == "duplicate"
    assert list(events(spool)) == ["c1", "c1-2"]


def test_a_failure_without_tokens_gives_the_hold_back_and_sends_no_event(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    assert settle(spool, new_call("c1"), logged(failed=True, tokens=0)) == "released"
    assert open_calls(spool) == {"c1": "release"}
    assert events(spool) == {}


@pytest.mark.parametrize("released", [False, True])
def test_a_success_after_the_release_is_booked_all_the_same(spool: Spool, new_call: MakeCall, released: bool) -> None:
    put(spool, new_call("c1"))
    settle(spool, new_call("c1"), logged("a", failed=True, tokens=0))
    if released:
        run(spool, lambda db: db.execute("DELETE FROM calls"))
    assert settle(spool, new_call("c1"), logged("b")) == "booked"
    assert list(events(spool)) == ["c1"]
    assert open_calls(spool) == {}


def test_output_that_was_seen_is_not_given_back(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    run(spool, lambda db: calls.checkpoint(db, "c1", 7))
    run(spool, lambda db: calls.give_back(db, "c1"))
    assert open_calls(spool) == {"c1": "sent"}
    assert settle(spool, new_call("c1"), logged(failed=True, tokens=0)) == "booked"
    assert (events(spool)["c1"]["tokens_input"], events(spool)["c1"]["tokens_output"]) == (100, 7)


def test_recovery_books_what_was_estimated_and_seen_at_most_the_hold(spool: Spool, new_call: MakeCall) -> None:
    for call_id, seen in [("c1", 20), ("c2", 9_999)]:
        put(spool, new_call(call_id))
        run(spool, partial(calls.checkpoint, call_id=call_id, output=seen))
        recover(spool, call_id)
    made = events(spool)
    assert [(made[i]["tokens_input"], made[i]["tokens_output"], made[i]["usage_estimated"]) for i in ("c1", "c2")] == [
        (113, 20, True),
        (113, 50, True),
    ]


@pytest.mark.parametrize("state", ["held", "release"])
def test_recovery_of_a_call_that_was_never_sent_gives_the_hold_back(spool: Spool, new_call: MakeCall, state: str) -> None:
    put(spool, new_call("c1", state=state))
    recover(spool, "c1")
    assert open_calls(spool) == {"c1": "release"}
    assert events(spool) == {}


def test_the_log_of_a_worker_taken_for_dead_corrects_an_estimate_that_has_not_left(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    recover(spool, "c1")
    assert settle(spool, new_call("c1"), logged()) == "replaced"
    assert settle(spool, new_call("c1"), logged()) == "duplicate"
    assert [(i, e["tokens_input"], e["usage_estimated"]) for i, e in events(spool).items()] == [("c1", 30, False)]


def test_the_log_of_a_worker_taken_for_dead_is_no_second_booking_once_the_estimate_is_on_its_way(
    spool: Spool, new_call: MakeCall
) -> None:
    put(spool, new_call("c1"))
    recover(spool, "c1")
    frozen = run(spool, lambda db: None) or batches.next_batch(connect(spool.path), 10)
    assert settle(spool, new_call("c1"), logged()) == "late"
    assert list(events(spool)) == ["c1"]
    again = batches.next_batch(connect(spool.path), 10)
    assert frozen is not None
    assert again == frozen


def test_recovery_after_the_log_changes_nothing(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    settle(spool, new_call("c1"), logged())
    put(spool, new_call("c1"))
    recover(spool, "c1")
    assert [(i, e["tokens_input"]) for i, e in events(spool).items()] == [("c1", 30)]


async def test_a_write_that_fails_is_told_and_takes_no_other_along(spool: Spool, new_call: MakeCall) -> None:
    def broken(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    good = [spool.write(partial(calls.put, call=new_call(f"c{i}"))) for i in range(20)]
    results = await asyncio.gather(spool.write(broken), *good, return_exceptions=True)
    assert isinstance(results[0], SpoolError)
    assert not any(isinstance(result, BaseException) for result in results[1:])
    assert len(open_calls(spool)) == 20
    assert spool.healthy


async def test_usage_that_cannot_be_written_is_kept_and_stops_new_calls_until_it_is(spool: Spool, new_call: MakeCall) -> None:
    space = threading.Event()
    tried = threading.Semaphore(0)

    def full_for_a_while(db: sqlite3.Connection) -> None:
        tried.release()
        if not space.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        calls.put(db, new_call("c1"))

    future = spool.submit(full_for_a_while, keep=True)
    for _ in range(2):  # the second attempt begins when the first has been dealt with
        await asyncio.to_thread(tried.acquire)
        assert open_calls(spool) == {}
    assert not spool.healthy
    with pytest.raises(SpoolError):
        await asyncio.wait_for(spool.write(lambda db: db.execute("SELECT nonsense")), 5)
    assert not spool.healthy
    space.set()
    future.result(5)
    run(spool, lambda db: None)
    assert spool.healthy
    assert open_calls(spool) == {"c1": "sent"}


async def test_a_client_that_goes_away_does_not_undo_a_write(spool: Spool, new_call: MakeCall) -> None:
    task = asyncio.ensure_future(spool.write(lambda db: calls.put(db, new_call("c1"))))
    await asyncio.sleep(0)
    task.cancel()
    run(spool, lambda db: None)
    assert open_calls(spool) == {"c1": "sent"}


def test_what_is_logged_after_the_end_is_written_at_once(spool: Spool, new_call: MakeCall) -> None:
    spool.close()
    put(spool, new_call("c1"))
    assert settle(spool, new_call("c1"), logged()) == "booked"
    assert list(events(spool)) == ["c1"]


def test_two_workers_share_a_file_and_its_identity(spool: Spool, new_call: MakeCall) -> None:
    other = Spool(spool.path, "w2")
    for index in range(50):
        put((spool, other)[index % 2], new_call(f"c{index}"))
    assert len(open_calls(spool)) == 50
    db = connect(spool.path)
    assert meta(db, "source").startswith("litellm-")
    assert len(meta(db, "epoch")) == 26
    other.close()


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_text("not a database, but long enough to be looked at")
    with pytest.raises(sqlite3.DatabaseError):
        Spool(tmp_path / "spool.db", "w1")


def test_epochs_sort_by_time() -> None:
    made = [new_epoch() for _ in range(100)]
    assert len({*made}) == 100
    assert sorted(e[:8] for e in made) == [e[:8] for e in made]


def test_the_backlog_counts_what_has_not_arrived(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    put(spool, new_call("c2"))
    settle(spool, new_call("c1"), logged())
    backlog = read_backlog(connect(spool.path))
    assert (backlog.waiting, backlog.dead, backlog.open_calls) == (1, 0, 1)
