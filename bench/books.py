"""Do the books balance after the load? Speed that loses money is not counted as speed. Prints one JSON object."""

import json
import sqlite3
import sys


def open_readonly(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def main() -> None:
    ours = open_readonly(sys.argv[1])
    rows, usage = ours.execute("SELECT COUNT(*), SUM(cost_nano) FROM usage_logs").fetchone()
    used = dict(ours.execute("SELECT scope, SUM(used_nano) FROM budgets GROUP BY scope"))

    stock = open_readonly(sys.argv[2])
    # The single-event cells and the batch cells book on users of their own: only the former can lose.
    booked, deducted = stock.execute(
        """SELECT SUM(usage.cost), SUM(users.budget_used) FROM users
           JOIN (SELECT user_id, SUM(cost_total) AS cost FROM usage_logs GROUP BY 1) AS usage ON usage.user_id = users.id
           WHERE ABS(usage.cost - users.budget_used) > 0.000001"""
    ).fetchone()
    result = {
        "rows": rows,
        "balanced": usage == used.get("tenant") == used.get("user"),
        "stock_lost_share": 1 - deducted / booked if booked else 0,
    }
    print(json.dumps(result))


main()
