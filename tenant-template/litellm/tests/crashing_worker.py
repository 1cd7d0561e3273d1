"""A worker in a process of its own, for tests that kill it: `crashing_worker.py SPOOL STEP`.

Prints its id, does everything up to the named step and then waits to be killed.
"""

import dataclasses
import sys
import time
from pathlib import Path

from cf_gate import calls
from cf_gate.calls import OpenCall
from cf_gate.locks import start_worker
from cf_gate.spool import Spool
from cf_gate.usage_event import measure

STEPS = ("idle", "held", "sent", "streaming", "booked")


def main(path: Path, step: str) -> None:
    """Runs until it is killed."""
    worker, lock = start_worker(path)
    spool = Spool(path, worker)
    call = OpenCall(
        call_id=f"call-{step}",
        worker=worker,
        state="held",
        hold_id="",
        user_id="u",
        api_key_id="",
        model="gpt-4o",
        kind="chat",
        purpose="user",
        input_counted=100,
        input_held=113,
        max_tokens=50,
        images=0,
        characters=0,
        audio_seconds=0.0,
        output_so_far=0,
        started_at=time.time(),
        touched_at=time.time(),
    )
    sent = dataclasses.replace(call, state="sent", hold_id="hold")
    figures = measure({"id": "a", "prompt_tokens": 90, "completion_tokens": 20}, failed=False)
    work = [
        lambda db: calls.put(db, call),
        lambda db: calls.put(db, sent),
        lambda db: calls.checkpoint(db, call.call_id, 7),
        lambda db: calls.settle(db, sent, figures),
    ]
    for each in work[: STEPS.index(step)]:
        spool.submit(each).result(10)
    sys.stdout.write(f"{worker} {lock.held}\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
