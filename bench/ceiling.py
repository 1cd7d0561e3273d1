"""The ceiling: the two statements that book a batch, in C SQLite, with nothing around them.

The usage_logs and budgets tables and their indexes are copied from the platform's migrated database (no triggers), the
rows from what the platform itself booked. One transaction per batch, WAL, synchronous=NORMAL, PocketBase's pragmas.
Only SQLite is timed; making the JSON is not. Prints one JSON object.
"""

import argparse
import json
import sqlite3
import time
import uuid
from pathlib import Path

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "journal_size_limit=200000000", "temp_store=MEMORY", "cache_size=-32000")

DEDUCT = """
UPDATE budgets SET used_nano = used_nano + due.cost
FROM (SELECT value ->> 0 AS id, value ->> 1 AS cost FROM json_each(:charges)) AS due
WHERE budgets.id = due.id
"""


def copy_schema(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    query = "SELECT sql FROM sqlite_master WHERE tbl_name IN ('usage_logs', 'budgets') AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC"
    for (sql,) in source.execute(query):
        target.execute(sql)
    budgets = source.execute("SELECT * FROM budgets").fetchall()
    target.executemany(f"INSERT INTO budgets VALUES ({', '.join('?' * len(budgets[0]))})", [tuple(row) for row in budgets])
    target.commit()


def next_batch(templates: list[dict], budgets: dict, size: int, first: int) -> tuple[str, str]:
    """The rows as JSON arrays and what each budget is charged: [[id, nano], ...], as the platform hands them over."""
    rows, charges = [], {}
    for number in range(first, first + size):
        fresh = {"id": f"{number:015d}", "event_id": str(uuid.uuid4()), "call_id": str(uuid.uuid4())}
        row = {**templates[number % len(templates)], **fresh}
        rows.append(list(row.values()))
        for owner in ("", row["user_id"]):
            charges[budgets[owner]] = charges.get(budgets[owner], 0) + row["cost_nano"]
    return json.dumps(rows), json.dumps(list(charges.items()))


def run(target: sqlite3.Connection, templates: list[dict], size: int, seconds: float) -> dict:
    columns = list(templates[0])
    values = ", ".join(f"value ->> {index}" for index in range(len(columns)))
    insert = (
        f"INSERT INTO usage_logs ({', '.join(columns)}) SELECT {values} FROM json_each(:rows) WHERE true"
        " ON CONFLICT DO NOTHING"
    )
    scopes = "SELECT user_id, id FROM budgets WHERE tenant_id = ? AND scope IN ('tenant', 'user')"
    budgets = dict(target.execute(scopes, (templates[0]["tenant_id"],)))
    events, spent = 0, 0.0
    while spent < seconds:
        rows, charges = next_batch(templates, budgets, size, events)
        began = time.perf_counter()
        target.execute("BEGIN IMMEDIATE")
        booked = target.execute(insert, {"rows": rows}).rowcount
        changed = target.execute(DEDUCT, {"charges": charges}).rowcount
        target.execute("COMMIT")
        spent += time.perf_counter() - began
        if booked != size or changed < 2:
            raise SystemExit(f"booked {booked} of {size} events on {changed} budgets")
        events += size
    return {"events": events, "seconds": spent}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--from", dest="source", required=True, help="a migrated data.db with some booked events")
    arguments.add_argument("--to", required=True, help="the database to make")
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--seconds", type=float, required=True)
    options = arguments.parse_args()

    source = sqlite3.connect(f"file:{options.source}?mode=ro", uri=True)
    source.row_factory = sqlite3.Row
    templates = [dict(row) for row in source.execute("SELECT * FROM usage_logs WHERE user_id != '' LIMIT 200")]
    Path(options.to).unlink(missing_ok=True)
    target = sqlite3.connect(options.to, isolation_level=None)
    for pragma in PRAGMAS:
        target.execute(f"PRAGMA {pragma}")
    copy_schema(source, target)
    print(json.dumps(run(target, templates, options.batch, options.seconds)))


main()
