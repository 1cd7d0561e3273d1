"""Tables of the spool: one SQLite file shared by the workers of a proxy.

States of a call (table `calls`; no row is the first and the last state):

| state     | written                                      | if its worker dies, the leader …             |
|-----------|----------------------------------------------|----------------------------------------------|
| `held`    | before the centre is asked for a hold        | gives the hold back (there may be one)       |
| `sent`    | before the upstream call; on disk, or the    | makes a usage event: the estimated input and |
|           | call is refused                              | the output seen so far, never above the hold |
| `release` | the call failed before it cost anything      | (as now) gives the hold back, removes the row|
| (no row)  | with the usage event, in one transaction     | has nothing to do                            |

    held → sent → (event)          the call was logged
    held → (nothing)               the centre refused
    held → release → (nothing)     nobody knows whether the centre placed a hold
    sent → release → (nothing)     failed with no tokens
    sent | release | (none) → (event)   a log that comes late is booked all the same: it was spent

An event's id is its call's id, so recovery and a late log of one call cannot be two bookings; only a second upstream
attempt of the same call, which was paid too, gets an id of its own.

States of an event: `queued` → `batched` (in a frozen batch) → `acked`, or → `dead` (refused for good, waits for people).
States of a batch: `frozen` (its bytes never change again) → `acked`.
"""

import fcntl
import os
import sqlite3
import time
import uuid
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS calls (
  call_id TEXT PRIMARY KEY,
  worker TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'sent', 'release')),
  hold_id TEXT NOT NULL DEFAULT '',
  user_id TEXT NOT NULL,
  api_key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  kind TEXT NOT NULL,
  purpose TEXT NOT NULL,
  input_counted INTEGER NOT NULL,
  input_held INTEGER NOT NULL,
  max_tokens INTEGER NOT NULL DEFAULT 0,
  images INTEGER NOT NULL DEFAULT 0,
  characters INTEGER NOT NULL DEFAULT 0,
  audio_seconds REAL NOT NULL DEFAULT 0,
  output_so_far INTEGER NOT NULL DEFAULT 0,
  started_at REAL NOT NULL,
  touched_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_by_worker ON calls (worker, state);

CREATE TABLE IF NOT EXISTS events (
  event_id TEXT PRIMARY KEY,
  call_id TEXT NOT NULL,
  attempt TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('logged', 'recovered')),
  body TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'batched', 'acked', 'dead')),
  epoch TEXT NOT NULL DEFAULT '',
  seq INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS events_waiting ON events (created_at) WHERE state IN ('queued', 'batched');
CREATE INDEX IF NOT EXISTS events_dead ON events (state) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS events_by_call ON events (call_id);
CREATE INDEX IF NOT EXISTS events_by_batch ON events (epoch, seq);

CREATE TABLE IF NOT EXISTS batches (
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('frozen', 'acked')),
  body BLOB NOT NULL,
  created_at REAL NOT NULL,
  acked_at REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (epoch, seq)
);
CREATE INDEX IF NOT EXISTS batches_frozen ON batches (state) WHERE state = 'frozen';

CREATE TABLE IF NOT EXISTS stale_spend (identity TEXT PRIMARY KEY, spent_nano INTEGER NOT NULL) WITHOUT ROWID;
"""

_BUSY_TIMEOUT_MS = 10_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, for the thread that asks.

    :raises sqlite3.Error: if the file cannot be opened or is none
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_MS / 1000)
    db.row_factory = sqlite3.Row
    db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    # FULL: a commit is on disk when it returns. NORMAL would lose the last calls with the power.
    db.execute("PRAGMA synchronous = FULL")
    return db


def prepare(path: Path) -> None:
    """Creates the tables and the identity of a new spool; safe to run by several workers at once."""
    with path.with_name(path.name + ".setup").open("w") as guard:
        # SQLite does not wait for its turn when two processes switch a new file to WAL.
        fcntl.flock(guard, fcntl.LOCK_EX)
        db = connect(path)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT OR IGNORE INTO meta VALUES ('source', ?)", (new_source(),))
            db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (new_epoch(),))
            db.execute("COMMIT")
        finally:
            db.close()


def new_source() -> str:
    """The name under which the centre counts what comes from one spool."""
    return f"litellm-{uuid.uuid4().hex[:12]}"


def new_epoch() -> str:
    """26 characters that sort by time, as a ULID: 48 bits of milliseconds and 80 random ones."""
    number = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def meta(db: sqlite3.Connection, key: str) -> str:
    """A value that prepare() has made sure of."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row["value"])
