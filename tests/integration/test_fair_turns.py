"""Whoever floods delays others by a turn, and what keys get is as their weights say; real cells."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from vibecell.engine.client import EngineClient
from vibecell.model.caller import Account, Owner
from vibecell.model.execution import ExecutionRequest, SourceFile

from .crashes_service import LiveService, serving

FLOODS, SINGLE = "flooding-key-0123456789", "another-key-0123456789"
FLOOD = 200
PATIENCE_S = 60.0
BUSY = b"import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass"
PROGRAMS = 30


@pytest.fixture(scope="module")
def single(prepared: object) -> Iterator[LiveService]:
    """One place to run in, and two keys."""
    with serving(
        uid_base=1_964_000_000,
        max_concurrent="1",
        api_keys=f"{FLOODS},{SINGLE}",
    ) as service:
        yield service


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def post(service: LiveService, path: str, code: str, key: str) -> requests.Response:
    return requests.post(
        f"{service.url}{path}",
        json={"code": code, "on_disconnect": "continue"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_S,
    )


def test_who_floods_delays_another_by_one_turn(single: LiveService) -> None:
    engine = EngineClient(single.run_dir / "engine.sock")
    nap = "import time; time.sleep(0.3)"
    with ThreadPoolExecutor(16) as pool:
        sent = pool.map(
            lambda _: post(single, "/v1/executions", nap, FLOODS).status_code, range(FLOOD)
        )
        assert set(sent) == {202}
    queued = engine.health().counts["queued"]
    answer = post(single, "/execute", "print('soon')", SINGLE)
    assert (answer.status_code, answer.json()["output"]) == (200, "soon\n")
    # the one that ran, and who had his turn while the answer was on its way
    assert queued - engine.health().counts["queued"] <= 3
    assert queued > 100


def test_a_key_of_twice_the_weight_has_twice_the_processor_time(prepared: object) -> None:
    with serving(uid_base=1_966_000_000, max_concurrent="2") as service:
        engine = EngineClient(service.run_dir / "engine.sock")
        light, heavy = Account(Owner("light"), 1.0), Account(Owner("heavy"), 2.0)
        request = ExecutionRequest("python", (SourceFile("main.py", BUSY),))
        names = [
            (account.owner, engine.submit(request, account).id)
            for _ in range(PROGRAMS)
            for account in (light, heavy)
        ]
        cpu_ms: dict[Owner, float] = {}

        def enough() -> bool:
            cpu_ms.clear()
            ended = 0
            for owner, name in names:
                result = engine.inspect(name, owner).result
                if result is not None:
                    ended += 1
                    cpu_ms[owner] = cpu_ms.get(owner, 0.0) + (result.usage.cpu_time_ms or 0.0)
            return ended >= PROGRAMS

        until(enough)
        assert 1.5 < cpu_ms[heavy.owner] / cpu_ms[light.owner] < 2.7
