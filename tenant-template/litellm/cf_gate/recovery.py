"""Ends the calls of workers that died. Only the leader does this."""

import sqlite3
import time
from pathlib import Path

from cf_gate import calls
from cf_gate.locks import FileLock, worker_path
from cf_gate.log import log


def recover_dead_workers(db: sqlite3.Connection, spool: Path, own_worker: str) -> int:
    """Turns the open calls of dead workers into estimates or releases.

    :returns: how many calls were ended
    """
    workers = {str(row["worker"]) for row in db.execute("SELECT DISTINCT worker FROM calls WHERE state != 'release'")}
    # Workers that died idle left no call, only their file.
    prefix = worker_path(spool, "").name
    workers |= {path.name.removeprefix(prefix) for path in spool.parent.glob(prefix + "*")}
    ended = 0
    for worker in sorted(workers - {own_worker}):
        lock = FileLock(worker_path(spool, worker))
        if not lock.try_acquire():
            continue
        try:
            ended += _end_calls(db, worker)
        finally:
            lock.release(remove=True)
    return ended


def end_abandoned(db: sqlite3.Connection, now: float) -> int:
    """Calls that no log ended for hours, in workers that live: booked by estimate rather than lost."""
    found = db.execute(
        "SELECT call_id FROM calls WHERE state IN ('held', 'sent') AND touched_at < ?", (now - calls.ABANDONED_AFTER_S,)
    ).fetchall()
    return _end(db, [str(row["call_id"]) for row in found])


def _end_calls(db: sqlite3.Connection, worker: str) -> int:
    found = db.execute("SELECT call_id FROM calls WHERE worker = ? AND state != 'release'", (worker,)).fetchall()
    ended = _end(db, [str(row["call_id"]) for row in found])
    if ended:
        log.warning("worker %s died with %d open calls; they are booked by estimate or given back", worker[:8], ended)
    return ended


def _end(db: sqlite3.Connection, call_ids: list[str]) -> int:
    if not call_ids:
        return 0
    db.execute("BEGIN IMMEDIATE")
    try:
        for call_id in call_ids:
            call = calls.find(db, call_id)
            if call is not None:
                calls.recover(db, call)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return len(call_ids)


def prune(db: sqlite3.Connection, keep_days: int) -> None:
    """Forgets what the centre has acknowledged long ago. Dead letters stay until people have looked at them."""
    before = time.time() - keep_days * 86_400
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("DELETE FROM events WHERE state = 'acked' AND created_at < ?", (before,))
        db.execute("DELETE FROM batches WHERE state = 'acked' AND acked_at < ?", (before,))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
