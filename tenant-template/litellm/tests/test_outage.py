"""While the centre is away: nothing runs, or a little for people we know; what ran is booked afterwards."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from cf_gate import outage
from cf_gate.hooks import Gate
from cf_gate.runtime import Runtime
from cf_gate.settings import NANO, Settings
from tests.fake_center import FakeCenter, answers, black_hole
from tests.hook_calls import bodies, call, chat, log_of, refusal, signed_in, table

AWAY: dict[str, Any] = {"500": answers(500), "503": answers(503), "429": answers(429), "no answer": black_hole}


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
async def test_closed_while_the_centre_is_away(settings: Settings, center: FakeCenter, fault: Any) -> None:
    runtime = Runtime(dataclasses.replace(settings, center_timeout_s=0.3))
    center.faults.append(fault)
    answer = await refusal(Gate(runtime))
    assert (answer.status_code, answer.refusal_code) == (503, "center_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    # Nobody knows whether a hold was placed, so it is given back.
    assert table(runtime, "SELECT state FROM calls") == [("release",)]
    runtime.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refusal_of_the_gate_itself_is_no_outage(settings: Settings, center: FakeCenter, status: int) -> None:
    runtime = Runtime(dataclasses.replace(settings, outage_policy="stale"))
    center.faults.append(answers(status))
    answer = await refusal(Gate(runtime))
    assert (answer.status_code, answer.refusal_code) == (503, "gate_misconfigured")
    runtime.close()


@pytest.mark.parametrize("body", [{}, {"allowed": "yes"}, {"allowed": True}, {"allowed": True, "hold_id": "h", "max_tokens": -1}])
async def test_an_answer_that_is_none_is_no_permission(gate: Gate, center: FakeCenter, body: dict[str, Any]) -> None:
    center.authorize = lambda _: body
    assert (await refusal(gate)).status_code == 503


@pytest.fixture
def stale(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Runtime]:
    """Workers of a proxy that may go on for a while: 0.25 EUR a person, 0.10 EUR a call."""
    monkeypatch.setattr(outage, "price_from_litellm", None)

    def make() -> Runtime:
        allowed = dataclasses.replace(settings, outage_policy="stale", stale_allowance_nano=NANO // 4, center_timeout_s=0.3)
        runtime = Runtime(allowed)
        runtime.admission._outage = outage.Outage(
            allowed, runtime.spool, lambda model, _in, _out: None if model == "?" else NANO // 10
        )
        return runtime

    return make


async def test_stale_lets_known_people_go_on_up_to_an_allowance_shared_by_all_workers(
    stale: Callable[[], Runtime], center: FakeCenter
) -> None:
    workers = [stale(), stale()]
    center.faults += [answers(503)] * 6
    for number in (0, 1):
        sent = await call(Gate(workers[number]), chat(max_tokens=300), call_id=f"c{number}")
        assert sent["max_tokens"] == 300
    answer = await refusal(Gate(workers[0]), call_id="c3")
    assert (answer.status_code, answer.refusal_code) == (503, "center_unavailable")
    assert await call(Gate(workers[0]), call_id="c4", user_id="ben"), "the allowance is each person's own"
    assert (await refusal(Gate(workers[0]), chat(model="?"), call_id="c5", user_id="eve")).status_code == 503
    images = {"model": "i", "prompt": "x"}
    assert (await refusal(Gate(workers[0]), images, "image_generation", call_id="c6", user_id="eve")).status_code == 503

    assert await call(Gate(workers[1]), call_id="c7"), "the centre is back"
    center.faults.append(answers(503))
    assert await call(Gate(workers[1]), call_id="c8"), "and the allowance is whole again"
    for worker in workers:
        worker.spool.close()


async def test_calls_of_an_outage_are_booked_without_a_hold(stale: Callable[[], Runtime], center: FakeCenter) -> None:
    runtime = stale()
    gate = Gate(runtime)
    center.faults.append(answers(503))
    await call(gate)
    await gate.async_log_success_event(log_of(signed_in()), None, None, None)
    assert [("hold_id" in e, e["call_id"]) for e in bodies(runtime)] == [(False, "c1")]
    runtime.close()
