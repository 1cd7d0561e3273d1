"""Every event arrives exactly once, whatever happens on the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from cf_gate import batches, status
from cf_gate.delivery import Delivery
from cf_gate.locks import leader_lock
from cf_gate.recovery import prune
from cf_gate.settings import Settings
from cf_gate.spool import Spool, read_backlog
from cf_gate.spool_schema import connect
from tests.conftest import Deliver, Fill, MakeCall, arrived, dead, logged, put, settle
from tests.fake_center import FakeCenter, answers, black_hole, cut_after_commit, nonsense, poison

EVENTS = "/api/usage/events"


def test_all_events_arrive_in_numbered_batches_of_200(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver
) -> None:
    made = fill(450)
    deliver()
    center.wait(arrived(settings))
    sent = center.asked(EVENTS)
    assert [len(body["events"]) for body in sent] == [200, 200, 50]
    assert [body["seq"] for body in sent] == [1, 2, 3]
    assert len({(body["source"], body["epoch"]) for body in sent}) == 1
    assert sorted(center.booked) == made


FAULTS: dict[str, Any] = {
    "500": answers(500),
    "503 with Retry-After": answers(503, headers={"Retry-After": "0"}),
    "401": answers(401, {"code": "invalid_key"}),
    "403": answers(403, {"code": "forbidden"}),
    "404": answers(404),
    "408": answers(408),
    "429": answers(429),
    "cut after commit": cut_after_commit,
    "no answer": black_hole,
    "200 with nonsense": nonsense({"hello": "world"}),
    "200 with too few verdicts": nonsense({"results": []}),
    "200 about another event": nonsense({"results": [{"event_id": "x", "verdict": "accepted"}]}),
    "200 with an unknown verdict": nonsense({"results": [{"event_id": "c0000", "verdict": "maybe"}]}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_batch_is_repeated_with_the_same_bytes_and_number_until_it_is_answered(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver, fault: Any
) -> None:
    center.faults += [fault, fault]
    made = fill(1)
    deliver()
    center.wait(lambda: len(center.bodies) >= 2, 20)
    fill(3, first=100)
    center.wait(arrived(settings), 20)
    assert center.bodies[0] == center.bodies[1] == center.bodies[2]
    assert set(made) < set(center.booked)
    assert dead(settings) == {}


@pytest.mark.parametrize("status_code", [400, 413, 422])
def test_a_batch_that_is_refused_as_a_whole_is_halved_down_to_the_poisoned_event(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver, status_code: int
) -> None:
    made = fill(20)
    center.faults += [poison("c0013", status_code)] * 100
    deliver()
    center.wait(arrived(settings))
    assert sorted(center.booked) == [event for event in made if event != "c0013"]
    assert dead(settings) == {"c0013": f"{status_code} invalid_body"}
    booked = [body for body in center.asked(EVENTS) if not any(event["event_id"] == "c0013" for event in body["events"])]
    assert [body["seq"] for body in booked] == list(range(1, len(booked) + 1)), "a refused batch uses up no number"


def test_verdicts_file_each_event_and_only_that(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver, capsys: pytest.CaptureFixture[str]
) -> None:
    center.verdicts = {"c0001": ("rejected", "no model"), "c0002": ("conflict", "tokens differ"), "c0003": ("quarantined", "")}
    fill(5)
    deliver()
    center.wait(arrived(settings))
    assert dead(settings) == {
        "c0001": "rejected: invalid_field no model",
        "c0002": "conflict: invalid_field tokens differ",
    }
    assert len(center.asked(EVENTS)) == 1
    assert status.main(["--spool", str(settings.spool_path)]) == 1
    assert "dead letters: 2" in capsys.readouterr().out


def test_dead_letters_are_sent_again_when_people_say_so(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver
) -> None:
    center.verdicts = {"c0000": ("rejected", "unpriced")}
    fill(1)
    deliver()
    center.wait(lambda: bool(dead(settings)))
    center.verdicts = {}
    assert status.main(["--spool", str(settings.spool_path), "--requeue-dead"]) == 0
    center.wait(lambda: "c0000" in center.booked)


def test_status_without_a_spool(tmp_path: Path) -> None:
    assert status.main(["--spool", str(tmp_path / "none.db")]) == 2


def test_a_batch_stays_below_two_megabytes(spool: Spool, settings: Settings, new_call: MakeCall) -> None:
    for index in range(12):
        settle(spool, new_call(f"c{index}"), logged(f"c{index}"))
    db = connect(settings.spool_path)
    db.execute("UPDATE events SET body = json_set(body, '$.model', hex(zeroblob(150000)))")
    batch = batches.next_batch(db, 200)
    assert batch is not None
    assert 1 < batch.size < 12
    assert len(batch.body) < batches.MAX_BYTES + 1_000


def test_holds_of_failed_calls_are_given_back(
    center: FakeCenter, settings: Settings, spool: Spool, new_call: MakeCall, deliver: Deliver
) -> None:
    put(spool, new_call("c1", state="release"))
    put(spool, new_call("c2", state="release", hold_id=""))
    center.faults.append(answers(503))
    deliver()
    center.wait(lambda: read_backlog(connect(settings.spool_path)).open_calls == 0)
    assert center.asked("/api/usage/release")[-2:] == [{"hold_id": "hold-c1"}, {"call_id": "c2"}]


def test_one_worker_of_all_delivers_and_another_takes_over(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver
) -> None:
    lock = leader_lock(settings.spool_path)
    assert lock.try_acquire()
    made = fill(1)
    delivery = deliver()
    delivery.wake()
    assert center.asked(EVENTS) == []
    lock.release()
    center.wait(lambda: sorted(center.booked) == made)


def test_the_end_delivers_what_waits(center: FakeCenter, settings: Settings, fill: Fill) -> None:
    delivery = Delivery(settings, "w1", heartbeat_every_s=3_600)
    made = fill(1)
    delivery.stop()
    delivery.start()
    delivery.stop()
    assert sorted(center.booked) == made


def test_acknowledged_events_are_kept_for_a_while_and_then_forgotten(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver
) -> None:
    fill(2)
    deliver()
    center.wait(arrived(settings))
    db = connect(settings.spool_path)
    prune(db, 14)
    assert db.execute("SELECT COUNT(*) FROM batches").fetchone()[0] == 1
    assert batches.acked_batch(db, str(center.epoch), 1) is not None
    db.execute("UPDATE batches SET acked_at = acked_at - 15 * 86400")
    db.execute("UPDATE events SET created_at = created_at - 15 * 86400")
    prune(db, 14)
    assert db.execute("SELECT COUNT(*) FROM batches").fetchone()[0] == 0
    assert db.execute("SELECT COUNT(*) FROM events").fetchone()[0] == 0
    assert batches.last_seq(db, str(center.epoch)) == 1, "a number is not used twice because its batch was pruned"


def test_what_is_sent_is_what_was_frozen(settings: Settings, fill: Fill) -> None:
    fill(3)
    db = connect(settings.spool_path)
    frozen = batches.next_batch(db, 2)
    fill(3, first=50)
    assert batches.next_batch(connect(settings.spool_path), 200) == frozen
    assert frozen is not None
    assert [event["event_id"] for event in json.loads(frozen.body)["events"]] == ["c0000", "c0001"]
