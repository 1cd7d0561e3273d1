"""Brings usage events to the centre, for ever. A thread in every worker; only the one that leads delivers."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable

import httpx

from cf_gate import batches
from cf_gate.batches import BadAnswer, Batch
from cf_gate.center import error_code, headers_for, retry_after
from cf_gate.heartbeat import Heartbeat
from cf_gate.locks import leader_lock
from cf_gate.log import log
from cf_gate.recovery import end_abandoned, prune, recover_dead_workers
from cf_gate.settings import Settings
from cf_gate.spool import Backlog, read_backlog
from cf_gate.spool_schema import connect

EVENTS_PATH = "/api/usage/events"
RELEASE_PATH = "/api/usage/release"

_CHORES_EVERY_S = 5.0
_PRUNE_EVERY_S = 3_600.0
_IDLE_S = 0.5
# What happens within this time goes in one request: one for each call would cost both sides more than the calls' own bookkeeping.
_GATHER_S = 0.25
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_CLOSE_S = 3.0
# Each step of a request to the centre is bounded: a connection into nowhere must not end delivery.
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)


class Delivery:
    """Start it once per worker, after the spool."""

    def __init__(
        self,
        settings: Settings,
        worker: str,
        heartbeat_every_s: float = 30.0,
        longest_wait_s: float = _LONGEST_WAIT_S,
        timeout: httpx.Timeout = _TIMEOUT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._heartbeat_every_s = heartbeat_every_s
        self._longest_wait_s = longest_wait_s
        self._timeout = timeout
        self._now = now
        self._lock = leader_lock(settings.spool_path)
        self._limit = batches.MAX_EVENTS
        self._failures = 0
        self._not_before = 0.0
        self._due: dict[str, float] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.backlog: Backlog | None = None

    def start(self) -> None:
        """Begins to deliver in the background."""
        self._thread = threading.Thread(target=self._run, name="cf-gate-delivery", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to deliver."""
        self._wake.set()

    def stop(self) -> None:
        """Delivers what it can in the next seconds; the rest waits in the spool for the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        db = connect(self._settings.spool_path)
        with httpx.Client(
            base_url=self._settings.center_url,
            headers=headers_for(self._settings),
            timeout=self._timeout,
            trust_env=False,
        ) as http:
            heartbeat = Heartbeat(db, http, self._resend)
            while not self._stop.is_set():
                self._wake.clear()
                self._guarded("reading the spool", lambda: self._look(db))
                if self._lock.try_acquire() and self._guarded("delivery", lambda: self._lead(db, http, heartbeat)):
                    continue
                if self._wake.wait(_IDLE_S):
                    self._stop.wait(_GATHER_S)
            if self._lock.try_acquire():
                self._not_before = 0.0
                deadline = self._now() + _CLOSE_S / 2
                while self._now() < deadline and self._guarded("the last delivery", lambda: self._deliver(db, http)):
                    pass
        self._lock.release()
        db.close()

    def _look(self, db: sqlite3.Connection) -> bool:
        self.backlog = read_backlog(db)
        return True

    def _lead(self, db: sqlite3.Connection, http: httpx.Client, heartbeat: Heartbeat) -> bool:
        """One round; True if there is more to do at once."""
        if self._is_due("recovery", _CHORES_EVERY_S):
            recover_dead_workers(db, self._settings.spool_path, self._worker)
            end_abandoned(db, time.time())
        if self._is_due("prune", _PRUNE_EVERY_S):
            prune(db, self._settings.spool_keep_days)
        more = False
        if self._now() >= self._not_before:
            more = self._deliver(db, http)
            self._release(db, http)
        if self._is_due("heartbeat", self._heartbeat_every_s):
            heartbeat.beat(read_backlog(db))
        return more

    def _deliver(self, db: sqlite3.Connection, http: httpx.Client) -> bool:
        """Sends one batch; True if it went well and another waits."""
        batch = batches.next_batch(db, self._limit)
        if batch is None:
            return False
        return self._send(db, http, batch)

    def _send(self, db: sqlite3.Connection, http: httpx.Client, batch: Batch) -> bool:
        try:
            response = http.post(EVENTS_PATH, content=batch.body, headers={"Content-Type": "application/json"})
            if response.status_code == 200:
                full = batch.size >= self._limit
                self._file_verdicts(db, batch, response)
                return full
        except (httpx.HTTPError, ValueError, BadAnswer) as error:
            return self._wait(f"{type(error).__name__}: {error}")
        status = response.status_code
        if status in (400, 413, 422):
            self._split(db, batch, f"{status} {error_code(response)}".strip())
            return True
        if status in (401, 403):
            log.error("the centre refuses the ingest key (%s %s); usage waits in the spool", status, error_code(response))
        return self._wait(f"the centre answered {status}", retry_after(response.headers))

    def _file_verdicts(self, db: sqlite3.Connection, batch: Batch, response: httpx.Response) -> None:
        answer = response.json()
        for reason in batches.acknowledge(db, batch, answer.get("results") if isinstance(answer, dict) else None):
            log.error("a usage event is a dead letter: %s", reason)
        self._failures = 0
        self._limit = min(batches.MAX_EVENTS, self._limit * 2)

    def _split(self, db: sqlite3.Connection, batch: Batch, reason: str) -> None:
        """Halves the next batch until what the centre cannot take is alone."""
        if batch.size > 1:
            self._limit = batch.size // 2
            batches.dissolve(db, batch)
            return
        batches.bury(db, batch, reason)
        self._limit = batches.MAX_EVENTS
        log.error("a usage event is a dead letter: the centre answered %s", reason)

    def _wait(self, reason: str, asked_s: int | None = None) -> bool:
        """Back-off with jitter, so that the gates of all tenants do not come back in step."""
        self._failures += 1
        longest = min(self._longest_wait_s, _FIRST_WAIT_S * 2 ** min(self._failures, 10))
        wait = max(random.uniform(longest / 2, longest), min(asked_s or 0, 600))  # noqa: S311
        self._not_before = self._now() + wait
        log.warning("usage could not be delivered (%s); next try in %.1f s", reason, wait)
        return False

    def _release(self, db: sqlite3.Connection, http: httpx.Client) -> None:
        """Gives holds back. If the centre forgets one, it expires on its own."""
        rows = db.execute("SELECT call_id, hold_id FROM calls WHERE state = 'release' LIMIT 50").fetchall()
        for row in rows:
            body = {"hold_id": row["hold_id"]} if row["hold_id"] else {"call_id": row["call_id"]}
            try:
                response = http.post(RELEASE_PATH, json=body)
            except httpx.HTTPError as error:
                self._wait(f"{type(error).__name__}: {error}")
                return
            if response.status_code >= 500 or response.status_code in (401, 403, 408, 429):
                self._wait(f"the centre answered {response.status_code}", retry_after(response.headers))
                return
            db.execute("DELETE FROM calls WHERE call_id = ? AND state = 'release'", (row["call_id"],))

    def _resend(self, db: sqlite3.Connection, http: httpx.Client, batch: Batch) -> bool:
        """Sends an acknowledged batch again; its events are duplicates unless the centre has lost them."""
        try:
            response = http.post(EVENTS_PATH, content=batch.body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            return self._wait(f"{type(error).__name__}: {error}")
        if response.status_code == 200:
            self._file_verdicts(db, batch, response)
            return True
        return self._wait(f"sending again, the centre answered {response.status_code}", retry_after(response.headers))

    def _is_due(self, chore: str, every_s: float) -> bool:
        now = self._now()
        if now < self._due.get(chore, 0.0):
            return False
        self._due[chore] = now + every_s
        return True

    def _guarded(self, what: str, work: Callable[[], bool]) -> bool:
        """The thread must outlive anything: without it usage would pile up unseen."""
        try:
            return work()
        except Exception as error:
            log.error("%s failed: %s: %s", what, type(error).__name__, error)
            # What cannot be read or written is not healthy: no backlog figure, no new calls.
            self.backlog = None
            self._stop.wait(_IDLE_S)
            return False
