"""A centre on the loopback interface that speaks the wire contract: it books each event once and keeps a cursor.

Faults are put into `faults`, one for each request that shall fail, first come first served.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
Fault = Callable[["_Handler", Json], bool]


class FakeCenter:
    """Use it as a context manager; everything it saw and decided is in its attributes."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.bodies: list[bytes] = []
        self.requests: list[tuple[str, Json]] = []
        self.booked: dict[str, Json] = {}
        self.verdicts: dict[str, tuple[str, str]] = {}
        self.epoch: str | None = None
        self.next_seq = 1
        self.gaps: list[list[int]] = []
        self.identities: dict[str, Json] = {}
        self.authorize: Callable[[Json], Json] = allow_all
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"center": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeCenter":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def paths(self) -> list[str]:
        """Paths of all requests so far."""
        return [path for path, _ in self.requests]

    def asked(self, path: str) -> list[Json]:
        """Bodies of the requests to a path."""
        return [body for at, body in self.requests if at == path]

    def wait(self, met: Callable[[], bool], seconds: float = 10.0) -> None:
        """Until a condition is met; a test that waits in vain fails."""
        deadline = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < deadline, f"waited in vain; requests so far: {self.paths()}"
            time.sleep(0.01)

    def book(self, body: Json) -> Json:
        """POST /api/usage/events"""
        with self._lock:
            self._advance(body)
            results = [self._verdict(event) for event in body["events"]]
        return {"results": results, "next_seq": self.next_seq, "gaps": self.gaps}

    def forget(self, from_seq: int) -> None:
        """A backup from before this number is restored."""
        with self._lock:
            self.booked = {key: event for key, event in self.booked.items() if event["seq"] < from_seq}
            self.next_seq = from_seq

    def _advance(self, body: Json) -> None:
        if body["epoch"] != self.epoch:
            self.epoch, self.next_seq, self.gaps = body["epoch"], min(1, body["seq"]), []
        if body["seq"] >= self.next_seq:
            self.next_seq = body["seq"] + 1

    def _verdict(self, event: Json, seq: int = 0) -> Json:
        event_id = event["event_id"]
        if event_id in self.verdicts:
            verdict, message = self.verdicts[event_id]
            return {"event_id": event_id, "verdict": verdict, "code": "invalid_field", "message": message}
        known = event_id in self.booked
        self.booked.setdefault(event_id, {**event, "seq": self.next_seq - 1})
        return {"event_id": event_id, "verdict": "duplicate" if known else "accepted", "cost": "0.001000000"}


def allow_all(call: Json) -> Json:
    """Grants what is asked, 1,000 tokens by default."""
    asked = call.get("max_tokens")
    granted = 1_000 if asked is None else asked
    return {"allowed": True, "hold_id": f"hold-{call['call_id']}", "max_tokens": granted, "clamped": False}


def answers(status: int, body: Json | None = None, headers: dict[str, str] | None = None) -> Fault:
    """Refuses the request without doing anything."""

    def fault(handler: "_Handler", request: Json) -> bool:
        handler.answer(status, body or {"code": "unavailable", "message": "no"}, headers)
        return True

    return fault


def cut_after_commit(handler: "_Handler", request: Json) -> bool:
    """Books the events and drops the connection before the answer."""
    handler.center.book(request)
    handler.close_connection = True
    handler.connection.close()
    return True


def black_hole(handler: "_Handler", request: Json) -> bool:
    """Never answers."""
    time.sleep(3)
    handler.close_connection = True
    return True


def nonsense(body: Json) -> Fault:
    """200 with an answer that is none."""

    def fault(handler: "_Handler", request: Json) -> bool:
        handler.answer(200, body)
        return True

    return fault


def poison(event_id: str, status: int = 400) -> Fault:
    """Refuses the whole batch as long as this event is in it; put it there as often as it may be met."""

    def fault(handler: "_Handler", request: Json) -> bool:
        if any(event["event_id"] == event_id for event in request.get("events", [])):
            handler.answer(status, {"code": "invalid_body", "message": "no"})
            return True
        return False

    return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Five, the default, makes a burst of connections wait for a second.
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    center: FakeCenter
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """The cursor."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.center.requests.append((parts.path, query))
        center = self.center
        self.answer(200, {"epoch": center.epoch, "next_seq": center.next_seq, "gaps": center.gaps})

    def do_POST(self) -> None:
        """Everything else."""
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        if self.path == "/api/usage/events":
            self.center.bodies.append(raw)
        self.center.requests.append((self.path, body))
        if self.center.faults and self.center.faults.popleft()(self, body):
            return
        routes: dict[str, Callable[[Json], Json]] = {
            "/api/usage/events": self.center.book,
            "/api/usage/release": lambda _: {"released": True},
            "/api/usage/identify": self._identify,
            "/api/usage/authorize": self.center.authorize,
        }
        self.answer(200, routes[self.path](body))

    def _identify(self, who: Json) -> Json:
        unknown = {"known": False, "code": "unknown_identity", "message": "Nobody."}
        return self.center.identities.get(who.get("api_key_hash") or who["user"]["id"], unknown)

    def answer(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        """Sends JSON."""
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
