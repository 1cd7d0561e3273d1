"""`python -m cf_gate.status`: what waits in the spool. With --requeue-dead, dead letters are sent once more."""

import argparse
import os
import sys
from pathlib import Path

from cf_gate.batches import requeue_dead
from cf_gate.spool import read_backlog
from cf_gate.spool_schema import connect

_SHOWN_DEAD_LETTERS = 20


def main(arguments: list[str] | None = None) -> int:
    """:returns: exit code: 0 nothing is wrong, 1 there are dead letters, 2 there is no spool"""
    parser = argparse.ArgumentParser(prog="cf_gate.status", description="What waits in the gate's spool.")
    parser.add_argument("--spool", default=os.environ.get("CF_SPOOL_PATH") or "/data/spool.db", help="path of the spool")
    parser.add_argument("--requeue-dead", action="store_true", help="send dead letters once more")
    options = parser.parse_args(arguments)
    if not Path(options.spool).is_file():
        sys.stderr.write(f"there is no spool at {options.spool}\n")
        return 2
    db = connect(Path(options.spool))
    if options.requeue_dead:
        sys.stdout.write(f"{requeue_dead(db)} dead letters wait again\n")
    backlog = read_backlog(db)
    sys.stdout.write(
        f"waiting: {backlog.waiting} (the oldest {backlog.oldest_age_s:.0f} s)\n"
        f"open calls: {backlog.open_calls}\n"
        f"dead letters: {backlog.dead}\n"
    )
    dead = db.execute("SELECT event_id, reason FROM events WHERE state = 'dead' ORDER BY created_at DESC LIMIT ?",
                      (_SHOWN_DEAD_LETTERS,)).fetchall()  # fmt: skip
    for row in dead:
        sys.stdout.write(f"  {row['event_id']}: {row['reason']}\n")
    return 1 if backlog.dead else 0


if __name__ == "__main__":
    sys.exit(main())
