"""Settings, a spool and a centre for each test. Nothing here reaches beyond the loopback interface."""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

# Before the first import of litellm: it would fetch its price list from the internet.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import httpx
import pytest

from cf_gate import calls
from cf_gate.calls import OpenCall
from cf_gate.delivery import Delivery
from cf_gate.hooks import Gate
from cf_gate.runtime import Runtime
from cf_gate.settings import Settings, load_settings
from cf_gate.spool import Spool, read_backlog
from cf_gate.spool_schema import connect
from cf_gate.usage_event import Measured, measure
from tests.fake_center import FakeCenter

MakeCall = Callable[..., OpenCall]
Fill = Callable[..., list[str]]
Deliver = Callable[..., Delivery]

JWT_SECRET = "a-secret-of-open-webui-0123456789"
OWUI_KEY = "sk-service-key-of-open-webui"


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """A complete environment of the gate."""
    return {
        "BILLING_API_URL": "http://127.0.0.1:9",
        "CF_INGEST_KEY": "cfi_test_key_of_a_tenant",
        "TENANT_SLUG": "acme",
        "CF_OWUI_KEY": OWUI_KEY,
        "CF_OWUI_JWT_SECRET": JWT_SECRET,
        "CF_SPOOL_PATH": str(folder / "spool.db"),
        **changes,
    }


@pytest.fixture
def center() -> Iterator[FakeCenter]:
    """A centre that keeps to the contract until a test tells it not to."""
    with FakeCenter() as fake:
        yield fake


@pytest.fixture
def settings(tmp_path: Path, center: FakeCenter) -> Settings:
    """Settings that point at the fake centre."""
    return load_settings(environment(tmp_path, BILLING_API_URL=center.url))


@pytest.fixture
def spool(settings: Settings) -> Iterator[Spool]:
    """The spool of a worker called `w1`."""
    opened = Spool(settings.spool_path, "w1")
    yield opened
    opened.close()


@pytest.fixture
def new_call() -> MakeCall:
    """Makes rows of calls."""

    def make(call_id: str, **changes: Any) -> OpenCall:
        fields: dict[str, Any] = {
            "call_id": call_id,
            "worker": "w1",
            "state": "sent",
            "hold_id": f"hold-{call_id}",
            "user_id": "user-1",
            "api_key_id": "key-1",
            "model": "gpt-4o",
            "kind": "chat",
            "purpose": "user",
            "input_counted": 100,
            "input_held": 113,
            "max_tokens": 50,
            "images": 0,
            "characters": 0,
            "audio_seconds": 0.0,
            "output_so_far": 0,
            "started_at": 1_795_000_000.25,
            "touched_at": 1_795_000_001.25,
        }
        return OpenCall(**(fields | changes))

    return make


def logged(attempt: str = "a", failed: bool = False, tokens: int = 30) -> Measured:
    numbers = {"prompt_tokens": tokens, "completion_tokens": tokens and 10, "startTime": 1_795_000_000.0}
    return measure({"id": attempt, "model": "gpt-4o", **numbers}, failed)


def run(spool: Spool, work: Callable[[sqlite3.Connection], Any]) -> Any:
    return spool.submit(work).result(5)


def settle(spool: Spool, call: OpenCall, measured: Measured) -> str:
    return str(run(spool, lambda db: calls.settle(db, call, measured)))


def put(spool: Spool, call: OpenCall) -> None:
    run(spool, lambda db: calls.put(db, call))


def dead(settings: Settings) -> dict[str, str]:
    rows = connect(settings.spool_path).execute("SELECT event_id, reason FROM events WHERE state = 'dead'").fetchall()
    return {row["event_id"]: row["reason"] for row in rows}


def arrived(settings: Settings) -> Callable[[], bool]:
    db = connect(settings.spool_path)
    return lambda: read_backlog(db).waiting == 0


@pytest.fixture
def fill(spool: Spool, new_call: MakeCall) -> Fill:
    """Books calls into the spool."""

    def book(count: int, first: int = 0) -> list[str]:
        made = [f"c{index:04d}" for index in range(first, first + count)]
        for call_id in made:
            spool.submit(partial(calls.settle, fallback=new_call(call_id), measured=logged(call_id)))
        spool.submit(lambda db: None).result(5)
        return made

    return book


@pytest.fixture
def deliver(settings: Settings) -> Iterator[Deliver]:
    """Starts deliveries that are stopped at the end."""
    started: list[Delivery] = []

    def start(heartbeat_s: float = 3_600, worker: str = "w1") -> Delivery:
        timeout = httpx.Timeout(1.0)
        delivery = Delivery(settings, worker, heartbeat_every_s=heartbeat_s, longest_wait_s=0.05, timeout=timeout)
        started.append(delivery)
        delivery.start()
        return delivery

    yield start
    for delivery in started:
        delivery.stop()


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    made = Runtime(settings)
    yield made
    made.close()


@pytest.fixture
def gate(runtime: Runtime) -> Gate:
    return Gate(runtime)
