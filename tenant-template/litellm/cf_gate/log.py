"""The gate's own log lines. They name calls, models and codes; never keys, prompts or answers."""

import logging
import sys

log = logging.getLogger("cf_gate")

if not log.handlers:
    _handler = logging.StreamHandler(sys.stderr)
    _handler.setFormatter(logging.Formatter("%(asctime)s cf_gate %(levelname)s %(message)s"))
    log.addHandler(_handler)
    log.setLevel(logging.INFO)
    # LiteLLM's root handlers would print every line a second time.
    log.propagate = False
