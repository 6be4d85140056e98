"""The cases of containers: rest, the two ways of ``docker run``, and what the rows tell."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bench import docker_run
from bench.__main__ import measure_all
from bench.account import Account
from bench.case import Bench, BenchFailed, NotHad, discover
from bench.cases import docker_burst, docker_fresh, docker_output, docker_shared, walls
from bench.cases.walls import Measured
from bench.contender import Contender
from bench.drive import Findings
from bench.report import Report
from bench.rest import counts_in, is_at_rest
from bench.rows import Row
from bench.statistics import Round, Series
from bench.ways import Lacking, docker_command
from vibecell.config import Settings
from vibecell.sandbox.fake.scripted_backend import FakeBackend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.places import Places

from .test_bench_numbers import MACHINE

METRICS = """\
# HELP vibecell_executions_running Executions that have a place
# TYPE vibecell_executions_running gauge
vibecell_executions_running 1.0
vibecell_pool_cells{place="(default)",profile="python-light",state="ready"} 2.0
vibecell_pool_cells{place="(default)",profile="python-light",state="making"} 0.0
vibecell_pool_cells{place="(default)",profile="python-light",state="in_use"} 0.0
vibecell_pool_cells{place="(default)",profile="python-light",state="ending"} 0.0
vibecell_pool_target_cells{place="(default)",profile="python-light"} 2.0
vibecell_pool_waiting{place="(default)",profile="python-light"} 0.0
"""
POOLS = ("pool.python-light", "strict.pool.shell", "strict.pool.node", "pool.pool.node")
REST = {
    f"{pool}.{what}": value
    for pool in POOLS
    for what, value in (("ready", 2), ("target", 2), ("making", 0), ("waiting", 0), ("in_use", 0))
}
BENCH = Bench(
    True, Settings(state_dir=Path("/nowhere"), run_dir=Path("/nowhere")), Path("/nowhere"), print
)


def test_counts_are_read_from_the_metrics() -> None:
    found = counts_in(METRICS)
    assert found["pool.python-light.ready"] == 2
    assert found["running"] == 1
    assert is_at_rest(found)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    ("what", "value"), [("ready", 1), ("making", 1), ("waiting", 1), ("in_use", 1), ("ending", 1)]
)
def test_whatever_a_pool_is_busy_with_is_no_rest(pool: str, what: str, value: int) -> None:
    assert is_at_rest(REST)
    assert not is_at_rest({**REST, f"{pool}.{what}": value})


class OnePool(FakeBackend):
    """It has one cell of the two it wants."""

    def counts(self) -> dict[str, int]:
        return {"pool.shell.ready": 1, "pool.shell.target": 2, "pool.shell.in_use": 0}


def test_pools_of_another_place_are_known_by_the_names_that_the_service_gives_them() -> None:
    backends = {"": FakeBackend(), "strict": OnePool()}
    counts = Places(backends, cast(Host, None)).counts()
    assert not is_at_rest({**REST, **counts})
    assert is_at_rest({**REST, **counts, "strict.pool.shell.ready": 2})


def test_a_program_that_runs_on_may_be_named_and_no_pool_is_no_rest() -> None:
    one = {**REST, "pool.python-light.in_use": 1}
    assert is_at_rest(one, in_use=1)
    assert not is_at_rest({**one, "strict.pool.shell.in_use": 1}, in_use=1)
    assert not is_at_rest({"running": 0})


def test_the_time_of_helpers_is_the_contenders() -> None:
    alone = Contender("it", ("127.0.0.1", 1), {}, Account(10))
    assert alone.accounts == (Account(10),)
    assert replace(alone, helpers=(Account(20),)).accounts == (Account(10), Account(20))


def test_docker_run_is_the_same_for_every_image() -> None:
    words = docker_command("/bin/docker", "an-image", "print(1)", "--host", "unix:///x")
    assert words == [
        *("/bin/docker", "--host", "unix:///x", "run", "--rm", "--network", "none"),
        *("--entrypoint", "python3", "an-image", "-c", "print(1)"),
    ]


@pytest.mark.parametrize("problem", [Lacking("no docker"), BenchFailed("client is too new"), None])
def test_where_the_command_does_not_work_the_calls_are_made_and_that_is_said(
    problem: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_command(host: str, image: str, code: str) -> str:
        if problem is not None:
            raise problem
        return "by the command"

    monkeypatch.setattr(docker_run, "_by_command", by_command)
    monkeypatch.setattr(docker_run, "_by_calls", lambda host, image, code: "by calls")
    chosen = docker_run.DockerRun.choose("unix:///x", "an-image")
    if problem is None:
        assert (chosen.how, chosen.run("")) == (docker_run.COMMAND, "by the command")
    else:
        assert (chosen.how, chosen.run("")) == (docker_run.CALLS, "by calls")


def test_where_no_engine_can_be_had_every_case_of_containers_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def none(_: Bench) -> Iterator[None]:
        raise NotHad("dockerd is not installed")
        yield

    for module in (docker_fresh, docker_shared, docker_burst, docker_output):
        monkeypatch.setattr(module, "containers", none)
    chosen = [case for case in discover() if case.name.startswith("docker_")]
    rows, failed = measure_all(BENCH, chosen)
    assert [name for name, _ in rows] == [case.name for case in chosen]
    assert {row.why for _, row in rows} == {"not had: dockerd is not installed"}
    assert {row.verdict for _, row in rows} == {"not had"}
    assert not failed


def measured(ms: float) -> Measured:
    turn = Round((ms, ms), 2 * ms / 1000, 0.03, 0.003, 0.001)
    return Measured((ms, ms, ms), Series("it", (turn,)), 6_000_000)


def test_walls_without_an_engine_are_measured_and_the_others_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def none(_: Bench) -> Iterator[None]:
        raise NotHad("a Docker engine of our own needs root")
        yield

    found = {"bubblewrap shared": measured(10), "bubblewrap fresh": measured(20)}
    unprepared = {"bubblewrap shared": (25.0,) * 3, "bubblewrap fresh": (120.0,) * 3}
    monkeypatch.setattr(walls, "containers", none)
    monkeypatch.setattr(walls, "_with_cells_waiting", lambda *_: found)
    monkeypatch.setattr(walls, "_nothing_waiting", lambda *_: unprepared)
    rows = list(walls.measure(BENCH))
    assert [row.verdict for row in rows] == ["", "", "not had", "not had"]
    assert rows[1].ratio == "2.00 × (2.00–2.00)"
    assert rows[1].facts["making a cell"] == "100.0 ms (100.0–100.0)"
    assert rows[1].facts["an idle cell"] == "6.0 MB"
    assert "needs root" in rows[2].why


def test_facts_are_a_table_of_their_own() -> None:
    rows = (
        ("walls", Row("one", measured="1", facts={"warm": "1 ms", "work": "2 ms"})),
        ("walls", Row("another", measured="2", facts={"work": "3 ms"})),
        ("hello", Row("a line without", measured="4")),
    )
    text = Report("2030-01-01", "abc", False, MACHINE, rows).as_markdown()
    assert "| walls | warm | work |\n| --- | --- | --- |\n| one | 1 ms | 2 ms |\n" in text
    assert "\n| another |  | 3 ms |\n" in text
    assert "a line without | " not in text.partition("| walls | warm |")[2]


def test_the_rows_of_a_burst_count_failures_and_gaps() -> None:
    found = Findings(3.0, 0.1, {"python": [1.0] * 48}, 2, [{"why": "late"}])
    row = docker_burst.failures_row(found)
    assert (row.verdict, row.measured) == ("miss", "2")
    assert "late" in row.why
    steady = [(n / 10, n / 10) for n in range(10)]
    late = [*steady, (1.0, 1.4)]
    row = docker_burst.ticks_row(steady, late)
    assert row.measured == "500 ms"
    assert "at most 100 ms" in row.why
    with pytest.raises(BenchFailed, match="not heard"):
        docker_burst.ticks_row(steady, steady[:1])
