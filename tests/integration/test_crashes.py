"""A part of the service is killed while programs run.

Whatever dies, what it took with it ends with a result, nothing waits for ever,
the service is whole again within two seconds, and nothing stays behind.
"""

import base64
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from .crashes_service import LiveService, cgroups_of, descriptors, processes, serving, until

WHOLE_AGAIN_S = 2.0
BUSY_S = 8.0  # beyond a promise, on a machine that has more to do
SETTLE_S = 30.0
# longer than an engine keeps a cgroup that no cell is in, and a gateway an idle connection
SPARE_CGROUPS_S = 0.8
# Pools that are the same before and after, whatever was asked for in between.
POOL = 4
EVEN_POOLS = {"pool_min_idle": str(POOL), "pool_max_idle": str(POOL)}
COME_BACK = {"gateway__disconnect_grace_s": "1"}  # what a client is given is waited for once
# Takes a name by which it is found from outside.
SLEEPER = """\
import ctypes, time
ctypes.CDLL(None).prctl(15, b"{mark}", 0, 0, 0)
print("begun", flush=True)
time.sleep(30)
"""


@pytest.fixture(scope="module")
def live(prepared: object) -> Iterator[LiveService]:
    """One service that every test of this module finds whole and leaves whole."""
    with serving(**EVEN_POOLS, **COME_BACK) as service:
        yield service
        until(lambda: _is_quiet(service), SETTLE_S)
        assert service.stop() == 0
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def _is_quiet(service: LiveService) -> bool:
    """No program runs: every cell waits, and there are as many cgroups as cells."""
    programs = [p for p in processes().values() if p.name.startswith("mark")]
    return not programs


def _begin(service: LiveService, pool: ThreadPoolExecutor, mark: str) -> "Future[dict[str, Any]]":
    """A sleeping program that is known to run, and whose first line has been read."""
    answer = pool.submit(service.run, SLEEPER.format(mark=mark))
    service.marked(mark)
    executions = f"{service.url}/v1/executions"
    listed = requests.get(executions, params={"state": "running"}, timeout=30).json()
    assert listed["executions"]
    for each in listed["executions"]:  # all of them have said that
        events = f"{executions}/{each['id']}/events"
        with requests.get(events, stream=True, timeout=30) as seen:
            assert any(b"begun" in line for line in seen.iter_lines(chunk_size=1))
    return answer


def _assert_whole_soon(service: LiveService, since_s: float) -> None:
    assert until(service.is_whole, 60.0), "the service did not come back"
    took_s = time.monotonic() - since_s
    assert took_s < WHOLE_AGAIN_S + BUSY_S, f"whole again only after {took_s:.2f} s"


def _parents(pid: int) -> list[int]:
    """A process and everything above it."""
    seen = processes()
    line = [pid]
    while line[-1] in seen and seen[line[-1]].parent > 1:
        line.append(seen[line[-1]].parent)
    return line


def _assert_internal_error(answer: dict[str, Any]) -> None:
    assert (answer["status"], answer["verdict"]) == (200, "internal_error"), answer
    assert not answer["success"]
    assert "the platform failed" in answer["error"]


def test_killed_program_is_a_runtime_error(live: LiveService, pool: ThreadPoolExecutor) -> None:
    answer = _begin(live, pool, "mark-runner")
    os.kill(live.marked("mark-runner").pid, signal.SIGKILL)
    result = answer.result(30)
    assert (result["verdict"], result["signal"]) == ("runtime_error", "SIGKILL")
    assert result["output"] == "begun\n"


@pytest.mark.parametrize(("above", "what"), [(1, "agent"), (2, "zygote"), (3, "bwrap")])
def test_killed_machinery_is_an_internal_error(
    live: LiveService, pool: ThreadPoolExecutor, above: int, what: str
) -> None:
    mark = f"mark-{what}"
    answer = _begin(live, pool, mark)
    victim = _parents(live.marked(mark).pid)[above]
    assert (processes()[victim].name == "bwrap") == (what == "bwrap")
    killed_s = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    _assert_internal_error(answer.result(30))
    assert answer.result()["output"] == "begun\n"
    _assert_whole_soon(live, killed_s)
    assert until(lambda: victim not in processes(), SETTLE_S)
    assert until(lambda: _is_quiet(live), SETTLE_S)


def test_every_zygote_killed_at_once(live: LiveService, pool: ThreadPoolExecutor) -> None:
    answers = [_begin(live, pool, f"mark-all-{i}") for i in range(3)]
    victims = live.zygotes()
    assert len(victims) >= 3
    killed_s = time.monotonic()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    for answer in answers:
        _assert_internal_error(answer.result(30))
    _assert_whole_soon(live, killed_s)
    assert until(lambda: not any(pid in processes() for pid in victims), SETTLE_S)
    node = live.run("console.log(1 + 1)", language="javascript")
    assert node["output"] == "2\n"


def test_a_waiting_cell_that_died_is_handed_to_nobody(live: LiveService) -> None:
    assert until(lambda: len(live.agents()) >= 12)
    waiting = live.agents()
    for agent in waiting:
        for runner in live.children(agent):
            os.kill(runner.pid, signal.SIGKILL)
    # an agent ends with its runner, as soon as it is given time to notice
    assert until(lambda: not set(waiting) & set(live.agents()))
    assert live.run("print('hello')")["output"] == "hello\n"


def test_killed_gateway_leaves_the_engine_whole(
    live: LiveService, pool: ThreadPoolExecutor
) -> None:
    answer = _begin(live, pool, "mark-gateway")
    engine, gateway = live.role("engine"), live.role("gateway")
    killed_s = time.monotonic()
    os.kill(gateway, signal.SIGKILL)
    with pytest.raises(requests.ConnectionError):
        answer.result(30)
    _assert_whole_soon(live, killed_s)
    assert live.role("engine") == engine
    assert live.role("gateway") != gateway
    os.kill(live.marked("mark-gateway").pid, signal.SIGKILL)


@pytest.mark.parametrize(("wish", "verdict"), [("cancel", "cancelled"), ("continue", "accepted")])
def test_what_was_asked_of_a_leaving_client_outlives_the_gateway(
    live: LiveService, wish: str, verdict: str
) -> None:
    address = live.url.replace("http://", "ws://") + "/v1/executions"
    asked: dict[str, Any] = {"code": "print('begun')\ninput()", "interactive": "pipe"}
    with connect(f"{address}/stream") as websocket:
        asked |= {"encoding": "base64", "on_disconnect": wish}
        asked["limits"] = {"wall_time_ms": 60_000}
        websocket.send(json.dumps({"type": "execute", **asked}))
        execution_id = json.loads(websocket.recv(10))["id"]
        gateway = live.role("gateway")
        os.kill(gateway, signal.SIGKILL)
    assert until(lambda: live.role("gateway") != gateway and live.is_whole())
    with connect(f"{address}/{execution_id}/stream") as websocket:
        said = b""
        while said != b"begun\n":  # in one piece, or its line end for itself
            seen = json.loads(websocket.recv(10))
            said += base64.b64decode(seen["data"]) if seen["type"] == "stream" else b""
            assert b"begun\n".startswith(said)
    if wish == "continue":  # longer than is waited for one who may come back
        time.sleep(2 * float(COME_BACK["gateway__disconnect_grace_s"]))
        typed = {"type": "stdin", "data": "\n"}
        controls = f"{live.url}/v1/executions/{execution_id}/controls"
        assert requests.post(controls, json=typed, timeout=30).status_code == 204

    def result() -> dict[str, Any] | None:
        answer = requests.get(f"{live.url}/v1/executions/{execution_id}", timeout=5).json()
        found: dict[str, Any] | None = answer["result"]
        return found

    ended = until(result, 20.0)
    assert ended is not None and ended["verdict"] == verdict


def test_killed_engine_ends_everything_it_ran(live: LiveService, pool: ThreadPoolExecutor) -> None:
    answers = [_begin(live, pool, f"mark-engine-{i}") for i in range(3)]
    engine = live.role("engine")
    below = [live.marked(f"mark-engine-{i}").pid for i in range(3)]
    walls = live.walls()
    killed_s = time.monotonic()
    os.kill(engine, signal.SIGKILL)
    for answer in answers:
        _assert_internal_error(answer.result(30))
    _assert_whole_soon(live, killed_s)
    assert live.role("engine") != engine
    gone = [engine, *below, *walls]
    assert until(lambda: not any(pid in processes() for pid in gone), SETTLE_S)
    assert cgroups_of(engine) == [], "the engine's next life reaps what the former left"


def test_many_executions_leave_the_engine_as_it_was(
    live: LiveService, pool: ThreadPoolExecutor
) -> None:
    engine = live.role("engine")

    _run_many(live, pool, 20)
    before = _settled_descriptors(live, engine)
    _run_many(live, pool, 500)
    after = _settled_descriptors(live, engine)
    assert after == before


def _run_many(service: LiveService, pool: ThreadPoolExecutor, count: int) -> None:
    answers = [pool.submit(service.run, f"print({i})") for i in range(count)]
    for i, answer in enumerate(answers):
        assert answer.result(60).get("output") == f"{i}\n", answer.result()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_leaves_nothing(prepared: object, number: int) -> None:
    with serving(uid_base=1_952_000_000) as service, ThreadPoolExecutor(4) as pool:
        answers = [_begin(service, pool, f"mark-stop-{i}") for i in range(3)]
        began_s = time.monotonic()
        assert service.stop(number) == 0
        assert time.monotonic() - began_s < 5.0 + BUSY_S
        for answer in answers:
            assert answer.exception(30) is None, answer.exception()
            assert answer.result()["verdict"] == "cancelled"
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


def test_a_killed_supervisor_takes_everything_with_it(prepared: object) -> None:
    with serving(uid_base=1_954_000_000) as service, ThreadPoolExecutor(2) as pool:
        answer = _begin(service, pool, "mark-supervisor")
        service.role("engine")
        service.process.kill()
        service.process.wait()
        assert answer.exception(30) is None or isinstance(
            answer.exception(), requests.RequestException
        )
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


def test_replaced_zygotes_leave_nothing(prepared: object) -> None:
    """A zygote is replaced after some forks; its wall goes when its last cell does."""
    with (
        serving(uid_base=1_962_000_000, zygote_max_forks="6") as service,
        ThreadPoolExecutor(4) as pool,
    ):
        first = set(service.zygotes())
        _run_many(service, pool, 60)
        assert until(lambda: len(service.walls()) <= 2 * len(first), SETTLE_S)
        assert not first <= set(service.zygotes())
        assert service.stop() == 0
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


def test_deaths_amid_many_executions_are_told_and_leak_nothing(prepared: object) -> None:
    """Zygotes and agents die while cells are forked, taken, used and destroyed."""
    with (
        serving(uid_base=1_964_000_000, **EVEN_POOLS) as service,
        ThreadPoolExecutor(8) as pool,
    ):
        _run_many(service, pool, 20)
        engine = service.role("engine")
        before = _settled_descriptors(service, engine)
        answers = [pool.submit(service.run, f"print({i})") for i in range(120)]
        while not all(answer.done() for answer in answers):
            for pid in [*service.zygotes()[:1], *service.agents()[-2:]]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.3)
        for i, answer in enumerate(answers):
            result = answer.result()
            told = (result["verdict"], result["output"])
            assert told == ("accepted", f"{i}\n") or told[0] == "internal_error", result
        assert until(service.is_whole)
        assert service.role("engine") == engine
        _take_every_waiting_cell(service)
        assert until(lambda: _settled_descriptors(service, engine) == before, SETTLE_S), (
            before,
            _settled_descriptors(service, engine),
        )
        assert service.stop() == 0
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


def _take_every_waiting_cell(service: LiveService) -> None:
    """A waiting cell that died is noticed by who would have had it."""
    for _ in range(5):
        assert service.run("import numpy")["success"]
        for language in ("python", "javascript", "bash"):
            assert service.run("1" if language != "bash" else ":", language=language)["success"]


def _settled_descriptors(service: LiveService, engine: int) -> tuple[dict[str, int], int, int]:
    """What the engine holds, once every pool is full again and no cgroup is spare.

    Files of a waiting cell's cgroup are opened when they are first read, so a cgroup
    that had a cell before has more of them open. They are looked at here: each is
    of a cell that there is, and open once.
    """
    full = len(service.walls()) * POOL
    until(lambda: len(service.agents()) == full, SETTLE_S)
    time.sleep(SPARE_CGROUPS_S)
    held = descriptors(engine)
    of_cells = {name: count for name, count in held.items() if "/cell-" in name}
    cells = {str(cell) for cell in service.cells()}
    assert {name.rpartition("/")[0] for name in of_cells} <= cells
    assert set(of_cells.values()) <= {1}
    others = {name: count for name, count in held.items() if name not in of_cells}
    return others, len(cells), len(service.agents())
