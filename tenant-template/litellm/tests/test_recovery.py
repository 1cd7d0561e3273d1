"""A worker that is killed loses no call: real processes, kill -9 after each step."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cf_gate import calls
from cf_gate.locks import FileLock, leader_lock, worker_path
from cf_gate.recovery import end_abandoned, recover_dead_workers
from cf_gate.spool import Spool
from cf_gate.spool_schema import connect, prepare
from tests.conftest import MakeCall, put
from tests.crashing_worker import STEPS

PACKAGE = Path(__file__).parent.parent


def start(spool: Path, step: str) -> tuple["subprocess.Popen[str]", str]:
    command = [sys.executable, "-m", "tests.crashing_worker", str(spool), step]
    env = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(command, cwd=PACKAGE, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker, held = process.stdout.readline().split()
    assert held == "True"
    return process, worker


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def rows(spool: Path, query: str) -> list[dict[str, Any]]:
    db = connect(spool)
    found = [dict(row) for row in db.execute(query)]
    db.close()
    return found


@pytest.mark.parametrize("step", STEPS)
def test_killed_after(step: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool.db"
    process, worker = start(spool, step)
    before = rows(spool, "SELECT * FROM calls")
    assert recover_dead_workers(connect(spool), spool, "leader") == 0, "a worker that lives is left alone"
    assert rows(spool, "SELECT * FROM calls") == before
    kill(process)

    recover_dead_workers(connect(spool), spool, "leader")
    assert not worker_path(spool, worker).exists()
    states = [(call["call_id"], call["state"]) for call in rows(spool, "SELECT * FROM calls")]
    made = [json.loads(row["body"]) for row in rows(spool, "SELECT body FROM events")]
    figures = [(e["event_id"], e["tokens_input"], e["tokens_output"], e["usage_estimated"]) for e in made]
    assert (states, figures) == {
        "idle": ([], []),
        "held": ([("call-held", "release")], []),
        "sent": ([], [("call-sent", 113, 0, True)]),
        "streaming": ([], [("call-streaming", 113, 7, True)]),
        "booked": ([], [("call-booked", 90, 20, False)]),
    }[step]
    assert recover_dead_workers(connect(spool), spool, "leader") == 0, "once"


def test_calls_whose_worker_left_no_file_are_ended_too(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1", worker="of-an-old-container"))
    assert recover_dead_workers(connect(spool.path), spool.path, "w1") == 1
    assert [row["call_id"] for row in rows(spool.path, "SELECT call_id FROM events")] == ["c1"]


def test_the_leader_does_not_take_itself_for_dead(spool: Spool, new_call: MakeCall) -> None:
    put(spool, new_call("c1"))
    assert recover_dead_workers(connect(spool.path), spool.path, "w1") == 0


def test_leadership_ends_with_the_process(tmp_path: Path) -> None:
    spool = tmp_path / "spool.db"
    code = (
        "import sys, time; from pathlib import Path; from cf_gate.locks import leader_lock;"
        "lock = leader_lock(Path(sys.argv[1])); print(lock.try_acquire(), flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(spool)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    ours = leader_lock(spool)
    assert not ours.try_acquire()
    kill(process)
    assert ours.try_acquire()
    ours.release()


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def removed_just_before(fd: int, operation: int) -> None:
        (tmp_path / "lock").unlink()
        real(fd, operation)

    monkeypatch.setattr("fcntl.flock", removed_just_before)
    lock = FileLock(tmp_path / "lock")
    assert not lock.try_acquire()
    assert not lock.held
    monkeypatch.setattr("fcntl.flock", real)
    assert lock.try_acquire()
    lock.release(remove=True)
    assert not (tmp_path / "lock").exists()


def test_a_call_that_no_log_ended_for_hours_is_booked_by_estimate(spool: Spool, new_call: MakeCall) -> None:
    now = time.time()
    put(spool, new_call("old", touched_at=now - calls.ABANDONED_AFTER_S - 1))
    put(spool, new_call("young", touched_at=now))
    assert end_abandoned(connect(spool.path), now) == 1
    assert [row["call_id"] for row in rows(spool.path, "SELECT call_id FROM events")] == ["old"]


def test_tables_are_made_once_however_many_workers_start(tmp_path: Path) -> None:
    spool = tmp_path / "spool.db"
    processes = [start(spool, "idle")[0] for _ in range(2)]
    prepare(spool)
    assert len(rows(spool, "SELECT * FROM meta")) == 2
    for process in processes:
        kill(process)
