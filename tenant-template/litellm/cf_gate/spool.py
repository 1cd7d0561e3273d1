"""The durable spool, as the calls use it: rows of open calls and their usage events.

A writer thread per worker commits what waits in one transaction, so that parallel calls share an fsync and the event
loop never waits for the disk.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cf_gate.log import log
from cf_gate.spool_schema import connect, prepare

Work = Callable[[sqlite3.Connection], Any]

_GROUP = 256
_RETRY_S = 0.5
_CLOSE_TIMEOUT_S = 5.0


class SpoolError(Exception):
    """Something could not be written; a call that waits for it must not go on."""


@dataclass
class _Task:
    work: Work
    # Usage that was spent: tried until it is on disk, because nobody else knows of it.
    keep: bool
    future: "Future[Any]" = field(default_factory=Future)


class Spool:
    """Writes of one worker. Start it in the process that uses it; threads do not survive a fork."""

    def __init__(self, path: Path, worker: str) -> None:
        self.path = path
        self.worker = worker
        self.wake_delivery: Callable[[], None] = lambda: None
        self._queue: queue.Queue[_Task | None] = queue.Queue()
        self._unwritten: list[_Task] = []
        self._behind = False
        self._closed = False
        self._inline = threading.Lock()
        prepare(path)
        self._db = connect(path)
        self._thread = threading.Thread(target=self._run, name="cf-gate-spool", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """False while usage could not be written and is kept in memory: no new call may run on top of it."""
        return not self._behind

    def submit(self, work: Work, keep: bool = False) -> "Future[Any]":
        """Queues a write. With `keep` it is repeated until it succeeds.

        The future fails with SpoolError if it could not be written and is not kept.
        """
        task = _Task(work, keep)
        if self._closed:
            # LiteLLM writes its last logs at exit, after us: they are written at once.
            with self._inline:
                self._commit([task])
        else:
            self._queue.put(task)
        return task.future

    async def write(self, work: Work, keep: bool = False) -> Any:
        """Returns when the write is on disk.

        :raises SpoolError: if it could not be written and is not kept
        """
        # Shielded: a client that goes away does not undo what has begun.
        return await asyncio.shield(asyncio.wrap_future(self.submit(work, keep)))

    def close(self) -> None:
        """Writes what waits; later submits write at once."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            tasks = self._next_group()
            if tasks is None:
                return
            self._commit(tasks)
            self._behind = bool(self._unwritten)

    def _next_group(self) -> list[_Task] | None:
        """What waits by now, what failed before first; None at the end."""
        tasks, self._unwritten = self._unwritten, []
        try:
            first = self._queue.get(timeout=_RETRY_S if tasks else None)
        except queue.Empty:
            return tasks
        while first is not None:
            tasks.append(first)
            if len(tasks) >= _GROUP:
                break
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                break
        if first is None:
            if tasks:
                self._commit(tasks)
            return None
        return tasks

    def _commit(self, tasks: list[_Task]) -> None:
        """All in one transaction; if that fails, one by one, so that one bad write does not take the others along."""
        try:
            results = self._transaction(tasks)
        except Exception as error:
            if len(tasks) > 1:
                for task in tasks:
                    self._commit([task])
                return
            self._failed(tasks[0], error)
            return
        for task, result in zip(tasks, results, strict=True):
            if not task.future.done():
                task.future.set_result(result)
        self.wake_delivery()

    def _transaction(self, tasks: list[_Task]) -> list[Any]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            results = [task.work(self._db) for task in tasks]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results

    def _failed(self, task: _Task, error: Exception) -> None:
        log.error("the spool cannot be written: %s: %s", type(error).__name__, error)
        if task.keep:
            # The call's row is still there: should this process end now, recovery books an estimate.
            self._unwritten.append(task)
            self._behind = True
        elif not task.future.done():
            failure = SpoolError(str(error))
            failure.__cause__ = error
            task.future.set_exception(failure)


@dataclass(frozen=True)
class Backlog:
    """What has not reached the centre yet."""

    waiting: int
    oldest_age_s: float
    dead: int
    open_calls: int


def read_backlog(db: sqlite3.Connection) -> Backlog:
    """Counts for the heartbeat and for `python -m cf_gate.status`."""
    waiting = db.execute("SELECT COUNT(*), MIN(created_at) FROM events WHERE state IN ('queued', 'batched')").fetchone()
    dead = db.execute("SELECT COUNT(*) FROM events WHERE state = 'dead'").fetchone()
    calls = db.execute("SELECT COUNT(*) FROM calls").fetchone()
    age = 0.0 if waiting[1] is None else max(0.0, time.time() - float(waiting[1]))
    return Backlog(int(waiting[0]), age, int(dead[0]), int(calls[0]))
