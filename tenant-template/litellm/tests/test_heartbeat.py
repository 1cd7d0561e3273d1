"""What the centre has lost is sent again; what it has is not asked for twice."""

from typing import Any

import pytest

from cf_gate.heartbeat import missing_batches
from cf_gate.settings import Settings
from cf_gate.spool_schema import connect
from tests.conftest import Deliver, Fill, arrived
from tests.fake_center import FakeCenter

EVENTS = "/api/usage/events"


def test_a_restored_centre_gets_again_what_it_lost(center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver) -> None:
    made = fill(1)
    deliver(heartbeat_s=0.1)
    center.wait(arrived(settings))
    for first in (10, 20, 30):
        made += fill(1, first)
        center.wait(arrived(settings))
    first_bodies = list(center.bodies)
    center.forget(from_seq=2)
    center.wait(lambda: sorted(center.booked) == made)
    assert center.bodies[4:7] == first_bodies[1:4]


def test_a_new_centre_that_knows_no_epoch_gets_everything(
    center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver
) -> None:
    made = fill(3)
    deliver(heartbeat_s=0.1)
    center.wait(arrived(settings))
    center.forget(from_seq=1)
    center.epoch = None
    center.wait(lambda: sorted(center.booked) == made)


def test_a_spool_that_is_an_old_copy_counts_afresh(center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver) -> None:
    fill(1)
    deliver(heartbeat_s=0.1)
    center.wait(arrived(settings))
    epoch, center.next_seq = center.epoch, 40
    db = connect(settings.spool_path)
    center.wait(lambda: db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0] != epoch)
    fill(1, 100)
    center.wait(lambda: "c0100" in center.booked)
    assert center.asked(EVENTS)[-1]["seq"] == 1


@pytest.mark.parametrize(
    ("cursor", "missing"),
    [
        ({"epoch": "E2", "next_seq": 4, "gaps": []}, []),
        ({"epoch": "E2", "next_seq": 4, "gaps": [[2, 2]]}, [("E2", 2)]),
        ({"epoch": "E2", "next_seq": 4, "gaps": [[1, 1]]}, []),  # pruned: nothing to send
        ({"epoch": "E2", "next_seq": 3, "gaps": []}, [("E2", 3)]),
        ({"epoch": "E1", "next_seq": 9, "gaps": []}, [("E1", 8), ("E2", 2), ("E2", 3)]),
        ({"epoch": None, "next_seq": 1, "gaps": []}, [("E1", 8), ("E2", 2), ("E2", 3)]),
        ({"epoch": "E2", "next_seq": "x", "gaps": "x"}, [("E2", 2), ("E2", 3)]),
    ],
)
def test_what_the_centre_lacks(cursor: dict[str, Any], missing: list[tuple[str, int]]) -> None:
    assert missing_batches([("E1", 8), ("E2", 2), ("E2", 3)], "E2", cursor) == missing


def test_an_epoch_in_which_nothing_was_sent_lacks_nothing() -> None:
    assert missing_batches([("E1", 8)], "E2", {"epoch": "E1", "next_seq": 9, "gaps": []}) == []


def test_the_heartbeat_tells_where_we_stand(center: FakeCenter, settings: Settings, fill: Fill, deliver: Deliver) -> None:
    fill(1)
    deliver(heartbeat_s=0.1)
    center.wait(lambda: "1" in [query["last_seq"] for query in center.asked("/api/usage/cursor")])
    query = center.asked("/api/usage/cursor")[-1]
    assert query["source"] == center.asked(EVENTS)[0]["source"]
    assert query["epoch"] == center.epoch
    assert query["spool_age"].isdecimal()
