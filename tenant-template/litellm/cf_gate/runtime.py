"""The parts of the gate of one worker process, put together."""

import atexit
import functools
import os

from cf_gate.admission import Admission
from cf_gate.center import Center
from cf_gate.delivery import Delivery
from cf_gate.identify import Identities
from cf_gate.locks import start_worker
from cf_gate.log import log
from cf_gate.outage import Outage
from cf_gate.refusals import Refused
from cf_gate.settings import Settings, load_settings
from cf_gate.spool import Spool, read_backlog
from cf_gate.spool_schema import connect


class Runtime:
    """Everything with threads, files and connections. Made once in each worker, after it was forked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.worker, self._alive = start_worker(settings.spool_path)
        self.spool = Spool(settings.spool_path, self.worker)
        self.center = Center(settings)
        # In `closed` an older answer about an identity is of no use: the call itself would be refused.
        stale_s = settings.stale_max_s if settings.outage_policy == "stale" else 0
        self.identities = Identities(self.center, stale_s)
        self.admission = Admission(self.center, self.spool, Outage(settings, self.spool))
        self.delivery = Delivery(settings, self.worker)
        self.spool.wake_delivery = self.delivery.wake
        db = connect(settings.spool_path)
        self.delivery.backlog = read_backlog(db)
        db.close()

    def start(self) -> None:
        """Begins to deliver, and arranges for a tidy end."""
        self.delivery.start()
        atexit.register(self.close)
        log.info(
            "gate of %s started: centre %s, outage policy %s, worker %s",
            self.settings.tenant_slug,
            self.settings.center_url,
            self.settings.outage_policy,
            self.worker[:8],
        )

    def close(self) -> None:
        """Writes and delivers what it can; what remains is in the spool. The worker's lock ends with the process."""
        self.spool.close()
        self.delivery.stop()
        self.center.close()

    def refuse_if_undelivered(self) -> None:
        """:raises Refused: 503 while usage is not on disk, cannot be read, or has been undelivered for too long"""
        backlog = self.delivery.backlog
        if backlog is None or not self.spool.healthy:
            raise Refused("spool_unavailable")
        if backlog.oldest_age_s > self.settings.spool_max_age_s:
            raise Refused("usage_undelivered")


@functools.cache
def get_runtime() -> Runtime:
    """The runtime of this process.

    :raises SettingsError: if the environment is wrong
    """
    runtime = Runtime(load_settings(os.environ))
    runtime.start()
    return runtime
