"""Asks the centre what it has of us, which also tells it that we live, and sends again what it lacks."""

import sqlite3
from collections.abc import Callable
from typing import Any

import httpx

from cf_gate import batches
from cf_gate.batches import Batch
from cf_gate.log import log
from cf_gate.spool import Backlog
from cf_gate.spool_schema import meta

CURSOR_PATH = "/api/usage/cursor"

Resend = Callable[[sqlite3.Connection, httpx.Client, Batch], bool]


class Heartbeat:
    """Only the leader beats."""

    def __init__(self, db: sqlite3.Connection, http: httpx.Client, resend: Resend) -> None:
        self._db = db
        self._http = http
        self._resend = resend

    def beat(self, backlog: Backlog) -> None:
        """One question; errors are logged, the next beat asks again."""
        if backlog.dead:
            log.error("%d usage events are dead letters; see python -m cf_gate.status", backlog.dead)
        source, epoch = meta(self._db, "source"), meta(self._db, "epoch")
        last = batches.last_seq(self._db, epoch)
        params = {"source": source, "epoch": epoch, "last_seq": str(last), "spool_age": f"{backlog.oldest_age_s:.0f}"}
        try:
            response = self._http.get(CURSOR_PATH, params=params)
            cursor = response.json() if response.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            log.warning("no heartbeat: %s", type(error).__name__)
            return
        if not isinstance(cursor, dict):
            log.warning("no heartbeat: the centre answered %s", response.status_code)
            return
        log.info("heartbeat: %d events wait, the oldest %.0f s; %d dead letters; %d calls open",
                 backlog.waiting, backlog.oldest_age_s, backlog.dead, backlog.open_calls)  # fmt: skip
        self._mend(epoch, last, cursor)

    def _mend(self, epoch: str, last: int, cursor: dict[str, Any]) -> None:
        next_seq = cursor.get("next_seq")
        if cursor.get("epoch") == epoch and isinstance(next_seq, int) and next_seq > last + 1:
            log.error("the centre knows number %d, this spool only %d: the spool is an old copy", next_seq - 1, last)
            batches.begin_epoch(self._db)
            return
        missing = missing_batches(batches.acked_numbers(self._db), epoch, cursor)
        if missing:
            log.warning("the centre lacks %d batches that it had acknowledged; they are sent again", len(missing))
        for number in missing:
            batch = batches.acked_batch(self._db, *number)
            if batch is not None and not self._resend(self._db, self._http, batch):
                return


def missing_batches(acked: list[tuple[str, int]], epoch: str, cursor: dict[str, Any]) -> list[tuple[str, int]]:
    """Which acknowledged batches the centre does not have, by its cursor.

    A cursor knows one epoch. If it is not ours, the centre was restored to a time before it and all is sent again;
    what it has nevertheless is a duplicate.
    """
    if cursor.get("epoch") != epoch:
        # Nothing was ever sent in this epoch: the centre cannot know it, and lacks nothing.
        return acked if any(number[0] == epoch for number in acked) else []
    next_seq = cursor.get("next_seq")
    gaps = [gap for gap in cursor.get("gaps") or [] if isinstance(gap, list) and len(gap) == 2]
    behind = next_seq if isinstance(next_seq, int) else 1
    return [(of, seq) for of, seq in acked if of == epoch and (seq >= behind or any(low <= seq <= high for low, high in gaps))]
