"""What happens to the row of a call: SQL that runs inside the spool's transaction. The states: spool_schema.py."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from cf_gate.usage_event import Measured, recovered_event, wire_event

Outcome = Literal["booked", "replaced", "duplicate", "late", "released"]

# A call that no log ever ended: LiteLLM's own time-out is far below. Its hold has long expired.
ABANDONED_AFTER_S = 7_200.0


@dataclass(frozen=True)
class OpenCall:
    """A row of `calls`."""

    call_id: str
    worker: str
    state: str
    hold_id: str
    user_id: str
    api_key_id: str
    model: str
    kind: str
    purpose: str
    input_counted: int
    input_held: int
    max_tokens: int
    images: int
    characters: int
    audio_seconds: float
    output_so_far: int
    started_at: float
    touched_at: float


_COLUMNS = tuple(OpenCall.__dataclass_fields__)
_UPSERT = (
    f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)})"  # noqa: S608
    " ON CONFLICT (call_id) DO UPDATE SET state = excluded.state, hold_id = excluded.hold_id,"
    " max_tokens = excluded.max_tokens, touched_at = excluded.touched_at"
)


def put(db: sqlite3.Connection, call: OpenCall) -> None:
    """`held` before the centre is asked, `sent` before the upstream call."""
    db.execute(_UPSERT, asdict(call))


def forget(db: sqlite3.Connection, call_id: str) -> None:
    """The centre refused: there is no hold and there was no call."""
    db.execute("DELETE FROM calls WHERE call_id = ? AND state = 'held'", (call_id,))


def give_back(db: sqlite3.Connection, call_id: str) -> None:
    """The call failed before it cost anything; delivery.py releases its hold. Nothing if it has been booked."""
    db.execute(
        "UPDATE calls SET state = 'release', touched_at = ? WHERE call_id = ? AND output_so_far = 0",
        (time.time(), call_id),
    )


def checkpoint(db: sqlite3.Connection, call_id: str, output: int) -> None:
    """Output seen so far of a stream."""
    db.execute("UPDATE calls SET output_so_far = ?, touched_at = ? WHERE call_id = ?", (output, time.time(), call_id))


def find(db: sqlite3.Connection, call_id: str) -> OpenCall | None:
    """The open call of this id."""
    row = db.execute("SELECT * FROM calls WHERE call_id = ?", (call_id,)).fetchone()
    return None if row is None else OpenCall(**{name: row[name] for name in _COLUMNS})


def settle(db: sqlite3.Connection, fallback: OpenCall, measured: Measured) -> Outcome:
    """Books what LiteLLM logged.

    `fallback` stands in for the row if there is none any more: what was spent is booked, whatever became of the row.
    """
    call = find(db, fallback.call_id) or fallback
    if not measured.billable(call.output_so_far):
        give_back(db, call.call_id)
        return "released"
    known = db.execute("SELECT * FROM events WHERE call_id = ? ORDER BY event_id", (call.call_id,)).fetchall()
    if any(row["attempt"] == measured.attempt for row in known):
        db.execute("DELETE FROM calls WHERE call_id = ?", (call.call_id,))
        return "duplicate"
    recovered = next((row for row in known if row["origin"] == "recovered"), None)
    if recovered is not None:
        return _after_recovery(db, call, measured, recovered["state"])
    event_id = call.call_id if not known else f"{call.call_id}-{len(known) + 1}"
    _insert(db, event_id, call, measured.attempt, "logged", wire_event(event_id, call_facts(call), measured))
    db.execute("DELETE FROM calls WHERE call_id = ?", (call.call_id,))
    return "booked"


def _after_recovery(db: sqlite3.Connection, call: OpenCall, measured: Measured, state: str) -> Outcome:
    """The worker was taken for dead and speaks: its figures are better, unless the estimate is already on its way."""
    if state != "queued":
        return "late"
    body = _json(wire_event(call.call_id, call_facts(call), measured))
    db.execute(
        "UPDATE events SET body = ?, attempt = ?, origin = 'logged' WHERE event_id = ? AND state = 'queued'",
        (body, measured.attempt, call.call_id),
    )
    return "replaced"


def recover(db: sqlite3.Connection, call: OpenCall) -> None:
    """Ends the call of a dead worker: an estimate if it was sent, its hold back if not."""
    if call.state == "held":
        give_back(db, call.call_id)
        return
    if call.state != "sent":
        return
    exists = db.execute("SELECT 1 FROM events WHERE call_id = ?", (call.call_id,)).fetchone()
    if exists is None:
        # At most what was held: an overrun that nobody measured is not the customer's.
        capped = replace(call, output_so_far=min(call.output_so_far, call.max_tokens))
        body = recovered_event(call.call_id, call_facts(capped))
        _insert(db, call.call_id, call, "recovered", "recovered", body)
    db.execute("DELETE FROM calls WHERE call_id = ?", (call.call_id,))


def recover_one(db: sqlite3.Connection, call_id: str) -> None:
    """As recover, for a call whose log says nothing."""
    call = find(db, call_id)
    if call is not None:
        recover(db, call)


def call_facts(call: OpenCall) -> dict[str, Any]:
    """What usage_event.py needs of a row."""
    return asdict(call)


def _insert(db: sqlite3.Connection, event_id: str, call: OpenCall, attempt: str, origin: str, body: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT INTO events (event_id, call_id, attempt, origin, body, state, created_at) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
        (event_id, call.call_id, attempt, origin, _json(body), time.time()),
    )


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True)
