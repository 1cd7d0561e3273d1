"""Batches of usage events in the spool: freezing, verdicts, sending again. SQL only; delivery.py does the HTTP."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cf_gate.spool_schema import meta, new_epoch, new_source

MAX_EVENTS = 200
MAX_BYTES = 2_000_000

# The centre has the event, or has decided about it for good.
_ARRIVED = frozenset({"accepted", "duplicate", "quarantined"})
_DEAD = frozenset({"rejected", "conflict"})


class BadAnswer(Exception):
    """A 200 that does not say what became of each event; nothing may be taken as delivered."""


@dataclass(frozen=True)
class Batch:
    """`body` is what is sent, byte by byte, each time."""

    epoch: str
    seq: int
    body: bytes
    size: int


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on disk at the end."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def next_batch(db: sqlite3.Connection, limit: int) -> Batch | None:
    """The frozen batch that has no verdict yet, or a new one of at most `limit` events; None if nothing waits."""
    frozen = db.execute("SELECT * FROM batches WHERE state = 'frozen' ORDER BY epoch, seq LIMIT 1").fetchone()
    if frozen is not None:
        return _batch(frozen)
    with transaction(db):
        rows = db.execute(
            "SELECT event_id, body FROM events WHERE state = 'queued' ORDER BY created_at, event_id LIMIT ?", (limit,)
        ).fetchall()
        if not rows:
            return None
        rows = _that_fit(rows)
        epoch = meta(db, "epoch")
        seq = last_seq(db, epoch) + 1
        body = _body(meta(db, "source"), epoch, seq, [str(row["body"]) for row in rows])
        db.execute("INSERT INTO batches VALUES (?, ?, 'frozen', ?, ?, 0)", (epoch, seq, body, time.time()))
        db.executemany(
            "UPDATE events SET state = 'batched', epoch = ?, seq = ? WHERE event_id = ?",
            [(epoch, seq, row["event_id"]) for row in rows],
        )
    return Batch(epoch, seq, body, len(rows))


def last_seq(db: sqlite3.Connection, epoch: str) -> int:
    """The last number used in this epoch, 0 if none; kept when old batches are pruned."""
    row = db.execute("SELECT MAX(seq) FROM batches WHERE epoch = ?", (epoch,)).fetchone()
    kept = db.execute("SELECT value FROM meta WHERE key = ?", (f"acked:{epoch}",)).fetchone()
    return max(int(row[0] or 0), int(kept["value"]) if kept else 0)


def acknowledge(db: sqlite3.Connection, batch: Batch, results: object) -> list[str]:
    """Files each verdict.

    :returns: reasons of new dead letters
    :raises BadAnswer: if there is not one verdict for each event
    """
    sent = [str(event["event_id"]) for event in json.loads(batch.body)["events"]]
    verdicts = _verdicts(sent, results)
    reasons: list[str] = []
    with transaction(db):
        for event_id, (verdict, reason) in zip(sent, verdicts, strict=True):
            if verdict in _ARRIVED:
                # The batch keeps the bytes; the row stays as a mark that this call is booked.
                db.execute("UPDATE events SET state = 'acked', body = '' WHERE event_id = ? AND state = 'batched'", (event_id,))
            elif _bury(db, event_id, f"{verdict}: {reason}"):
                reasons.append(f"{verdict}: {reason}")
        db.execute(
            "UPDATE batches SET state = 'acked', acked_at = ? WHERE epoch = ? AND seq = ?",
            (time.time(), batch.epoch, batch.seq),
        )
        db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE"
            " SET value = MAX(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
            (f"acked:{batch.epoch}", str(batch.seq)),
        )
    return reasons


def dissolve(db: sqlite3.Connection, batch: Batch) -> None:
    """The centre refused the batch as a whole, so its number is not used: its events wait again, for smaller batches."""
    with transaction(db):
        db.execute(
            "UPDATE events SET state = 'queued', epoch = '', seq = 0 WHERE epoch = ? AND seq = ? AND state = 'batched'",
            (batch.epoch, batch.seq),
        )
        db.execute("DELETE FROM batches WHERE epoch = ? AND seq = ?", (batch.epoch, batch.seq))


def bury(db: sqlite3.Connection, batch: Batch, reason: str) -> None:
    """The only event of a refused batch becomes a dead letter; the number is used by the next batch."""
    with transaction(db):
        for event in json.loads(batch.body)["events"]:
            _bury(db, str(event["event_id"]), reason)
        db.execute("DELETE FROM batches WHERE epoch = ? AND seq = ?", (batch.epoch, batch.seq))


def acked_batch(db: sqlite3.Connection, epoch: str, seq: int) -> Batch | None:
    """An acknowledged batch, None if it is pruned."""
    row = db.execute("SELECT * FROM batches WHERE epoch = ? AND seq = ? AND state = 'acked'", (epoch, seq)).fetchone()
    return None if row is None else _batch(row)


def acked_numbers(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """Every acknowledged batch that is still here, oldest first."""
    rows = db.execute("SELECT epoch, seq FROM batches WHERE state = 'acked' ORDER BY epoch, seq").fetchall()
    return [(str(row["epoch"]), int(row["seq"])) for row in rows]


def begin_epoch(db: sqlite3.Connection) -> str:
    """The centre knows numbers that this spool has not used: the file is an old copy, so it counts afresh, under a new name.

    The original may still live. The centre knows one epoch of a source: under one name each of the two would take the other's
    for a restored backup, and both would send all they have again, for ever.
    """
    epoch = new_epoch()
    with transaction(db):
        db.execute("UPDATE meta SET value = ? WHERE key = 'source'", (new_source(),))
        db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (epoch,))
    return epoch


def requeue_dead(db: sqlite3.Connection) -> int:
    """Lets dead letters try again, after people have removed the cause."""
    with transaction(db):
        return db.execute("UPDATE events SET state = 'queued', epoch = '', seq = 0, reason = '' WHERE state = 'dead'").rowcount


def _batch(row: sqlite3.Row) -> Batch:
    body = bytes(row["body"])
    return Batch(str(row["epoch"]), int(row["seq"]), body, len(json.loads(body)["events"]))


def _that_fit(rows: Sequence[sqlite3.Row]) -> list[sqlite3.Row]:
    fitting: list[sqlite3.Row] = []
    size = 0
    for row in rows:
        size += len(row["body"]) + 1
        if fitting and size > MAX_BYTES:
            break
        fitting.append(row)
    return fitting


def _body(source: str, epoch: str, seq: int, events: list[str]) -> bytes:
    head = json.dumps({"source": source, "epoch": epoch, "seq": seq}, separators=(",", ":"))
    return f'{head[:-1]},"events":[{",".join(events)}]}}'.encode("ascii")


def _verdicts(sent: list[str], results: object) -> list[tuple[str, str]]:
    if not isinstance(results, list) or len(results) != len(sent):
        raise BadAnswer("not one verdict for each event")
    verdicts: list[tuple[str, str]] = []
    for event_id, result in zip(sent, results, strict=True):
        found: dict[str, Any] = result if isinstance(result, dict) else {}
        verdict = found.get("verdict")
        # A rejected event may come back without its id: what was wrong may have been the id.
        if verdict not in _ARRIVED | _DEAD or (verdict in _ARRIVED and found.get("event_id") != event_id):
            raise BadAnswer("a verdict is missing or belongs to another event")
        verdicts.append((str(verdict), f"{found.get('code') or ''} {found.get('message') or ''}".strip()[:300]))
    return verdicts


def _bury(db: sqlite3.Connection, event_id: str, reason: str) -> bool:
    """False if the event was buried or acknowledged before: a batch that is sent again changes nothing."""
    return (
        db.execute(
            "UPDATE events SET state = 'dead', reason = ? WHERE event_id = ? AND state = 'batched'", (reason, event_id)
        ).rowcount
        > 0
    )
