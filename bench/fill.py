"""Fills usage_logs of a stopped server up to a number of rows with copies of rows that it booked itself.

Every copy has its own id, event id and call id, and a timestamp in the last 30 days. Nothing is dropped or re-created:
all indexes and triggers are at work. Budgets are not touched, so used_nano does not match such a folder's usage.
"""

import argparse
import sqlite3


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--db", required=True)
    arguments.add_argument("--rows", type=int, required=True)
    options = arguments.parse_args()

    db = sqlite3.connect(options.db, isolation_level=None)
    db.execute("PRAGMA cache_size=-400000")
    db.execute("PRAGMA synchronous=OFF")
    columns = [row[1] for row in db.execute("PRAGMA table_info(usage_logs)")]
    present = db.execute("SELECT COUNT(*) FROM usage_logs").fetchone()[0]
    db.execute("CREATE TEMP TABLE template AS SELECT * FROM usage_logs WHERE user_id != '' LIMIT 200")
    kinds = db.execute("SELECT COUNT(*) FROM template").fetchone()[0]
    fresh = {
        "id": "printf('%015d', n)",
        "event_id": "lower(hex(randomblob(18)))",
        "call_id": "lower(hex(randomblob(18)))",
        "timestamp": "strftime('%Y-%m-%d %H:%M:%fZ', 'now', '-' || ((:rows - n) * 2592000 / :rows) || ' seconds')",
    }
    values = ", ".join(fresh.get(name, f"template.{name}") for name in columns)
    db.execute("BEGIN")
    db.execute(
        f"INSERT INTO usage_logs ({', '.join(columns)})"
        " WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < :rows)"
        f" SELECT {values} FROM counter CROSS JOIN template ON template.rowid = n % :kinds + 1",
        {"rows": max(options.rows - present, 1), "kinds": kinds},
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print(db.execute("SELECT COUNT(*) FROM usage_logs").fetchone()[0])


main()
