"""What may run while the centre is away: nothing (`closed`), or a little for people we know (`stale`)."""

import math
import sqlite3
from collections.abc import Callable

from cf_gate.settings import NANO, Settings
from cf_gate.spool import Spool
from cf_gate.token_estimate import Estimate

# Held for an answer whose length the client did not limit; the product's default is known only to the centre.
DEFAULT_OUTPUT_TOKENS = 4_096

# Nano-EUR for so many tokens in and out, None if nobody knows.
PriceOf = Callable[[str, int, int], int | None]


def price_from_litellm(model: str, tokens_input: int, tokens_output: int) -> int | None:
    """LiteLLM's own price of the dearest deployment, a US dollar taken for a euro.

    No markup and no exchange rate: this bounds what can be lost in an outage, it bills nobody.
    """
    from litellm.proxy import proxy_server  # noqa: PLC0415  # imports this package while it starts

    router = proxy_server.llm_router
    info = router.get_model_group_info(model_group=model) if router is not None else None
    rate_in, rate_out = getattr(info, "input_cost_per_token", None), getattr(info, "output_cost_per_token", None)
    if not rate_in and not rate_out:
        return None
    return math.ceil((tokens_input * float(rate_in or 0) + tokens_output * float(rate_out or 0)) * NANO)


class Outage:
    """The allowance of CF_STALE_ALLOWANCE_EUR per person, shared by all workers through the spool."""

    def __init__(self, settings: Settings, spool: Spool, price_of: PriceOf = price_from_litellm) -> None:
        self._settings = settings
        self._spool = spool
        self._price_of = price_of

    async def grant(self, identity: str, model: str, estimate: Estimate, asked: int | None, silent_s: float) -> int | None:
        """Output tokens that may be used without a hold, None if the call must be refused.

        `silent_s`: how long the centre has said nothing. An identity's age says less: it may be fresh for half a minute.
        The whole estimate is taken off the allowance and not given back: simple, and it ends by itself.
        :raises SpoolError: if the allowance cannot be written
        """
        if self._settings.outage_policy != "stale" or silent_s > self._settings.stale_max_s or estimate.units():
            return None
        output = DEFAULT_OUTPUT_TOKENS if asked is None else asked
        price = self._price_of(model, estimate.held, output)
        if price is None:
            return None
        allowed = await self._spool.write(lambda db: _take(db, identity, price, self._settings.stale_allowance_nano))
        return output if allowed else None


def _take(db: sqlite3.Connection, identity: str, price: int, allowance: int) -> bool:
    row = db.execute("SELECT spent_nano FROM stale_spend WHERE identity = ?", (identity,)).fetchone()
    spent = (int(row["spent_nano"]) if row else 0) + price
    if spent > allowance:
        return False
    db.execute(
        "INSERT INTO stale_spend VALUES (?, ?) ON CONFLICT (identity) DO UPDATE SET spent_nano = excluded.spent_nano",
        (identity, spent),
    )
    return True


def forget_spending(db: sqlite3.Connection, identity: str) -> None:
    """The centre answers again and counts itself."""
    db.execute("DELETE FROM stale_spend WHERE identity = ?", (identity,))
