"""Every attack of ``attacks/`` is refused, and leaves nothing behind.

Each program says what it tries and what should stop it. Beside its own word
(``CONTAINED`` or ``ESCAPED: …``) the test looks from outside: a canary file of
the host is unread and unwritten, no process of the cell's pid namespace, no
mount and no cgroup is left, and the next program runs as if nothing had been.

A line ``attack: {…}`` changes what is expected:
    mode          "pair": two cells at once, "twice": one after another,
                  "differ": twice, and no line of output in common
    stopped_by    the limits one of which must have ended it
    may_die       it need not live to the end, whatever ended it
    exit_code     the program's own, which must be reported
    forbidden     a text that must not appear in the output
    for_one_uid_only  a text that must not appear where cells have uids of their own
    tolerated     a text that reports a known limit of what is promised
    limits        lowered limits; profile: a warm profile
    collected, max_collected, max_collected_bytes: of files
    sendable_names, unnameable: how many files come back, and how many are told not to
    max_wall_ms   an upper bound on the run's reported time
    max_displays  an upper bound on what was displayed
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.cells import (
    QUICK_LIMITS,
    REAL_KINDS,
    Cells,
    Run,
    cell_cgroups,
    containers_of,
    descendants,
    docker_host_for,
    empty_cgroups,
    oldest_ticks,
    pid_namespaces,
)
from host import host_mounts
from vibecell.model.execution import SourceFile, validate_path
from vibecell.sandbox.backend import ProcessSpec
from vibecell.sandbox.mechanisms import cgroup_stock

HERE = Path(__file__).parent
ATTACKS = sorted(p for p in (HERE / "attacks").iterdir() if p.suffix in (".py", ".js", ".sh"))
KEYS = {
    "mode", "stopped_by", "may_die", "exit_code", "forbidden", "for_one_uid_only", "tolerated",
    "limits", "profile", "collected", "max_collected", "max_collected_bytes", "sendable_names",
    "unnameable", "max_wall_ms", "max_displays",
}  # fmt: skip
ENGINE_SECRET = "canary-of-the-engine-environment"
PROFILES = {".py": "python-light", ".js": "node", ".sh": "shell"}
SETTLE_S = 30.0
_EXPECTATION = re.compile(r"^(?:#|//) attack: (\{.*\})\s*$", re.MULTILINE)


def expectation(attack: Path) -> dict[str, Any]:
    """What an attack's header asks to be judged by."""
    found = _EXPECTATION.search(attack.read_text())
    expected: dict[str, Any] = json.loads(found[1]) if found else {}
    assert not expected.keys() - KEYS, attack.name
    return expected


class Neighbours(NamedTuple):
    """What was there before the backend: a service of other tests may live, and make cells.

    Attributes:
        namespaces: of pids.
        processes: below us, whose own later children are none of the backend's either.
    """

    namespaces: frozenset[str]
    processes: frozenset[int]


@pytest.fixture(scope="module")
def neighbours() -> Neighbours:
    return Neighbours(
        frozenset(pid_namespaces()), frozenset(descendants(os.getpid()) - {os.getpid()})
    )


@pytest.fixture(scope="module", params=REAL_KINDS)
def cells(neighbours: Neighbours, request: pytest.FixtureRequest) -> Iterator[Cells]:
    kind = str(request.param)
    profiles = ("python-light", "python-data", "node", "shell")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINE_TEST_SECRET", ENGINE_SECRET)
        patch.setattr(cgroup_stock, "LINGER_S", 0.05)  # until they go we wait, every time
        with Cells(kind, profiles, docker_host=docker_host_for(kind, request)) as cells:
            yield cells


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary.txt"
    path.write_text("a secret of the host")
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o005)
    path.chmod(0o666)
    return path


def _spec(attack: Path, expected: dict[str, Any], *arguments: str) -> ProcessSpec:
    entrypoint = "main" + attack.suffix
    files = [SourceFile(entrypoint, attack.read_bytes())]
    if attack.suffix == ".py":
        files.append(SourceFile("attack.py", (HERE / "attack.py").read_bytes()))
    shell = attack.suffix == ".sh"
    return ProcessSpec(
        mode="exec" if shell else "in_place",
        entrypoint=entrypoint,
        argv=("bash", entrypoint, *arguments) if shell else arguments,
        files=tuple(files),
        limits=replace(QUICK_LIMITS, **expected.get("limits", {})),
    )


def _runs(cells: Cells, attack: Path, expected: dict[str, Any], canary: Path) -> list[Run]:
    profile = expected.get("profile", PROFILES[attack.suffix])

    def once(argument: str) -> Any:
        return cells.run(_spec(attack, expected, argument), profile)

    async def both() -> list[Run]:
        return list(await asyncio.gather(once("victim"), once("attacker")))

    match expected.get("mode"):
        case "pair":
            return cells.do(both())
        case "twice" | "differ":
            return [cells.do(once(str(canary))) for _ in range(2)]
        case _:
            return [cells.do(once(str(canary)))]


def _judge(run: Run, expected: dict[str, Any]) -> None:
    output = run.stdout + run.stderr
    told = output.decode("utf-8", "replace")[-4000:]
    assert b"ESCAPED" not in output, told
    assert b"a secret of the host" not in output
    if wanted := expected.get("stopped_by"):
        assert run.exit.stopped_by in wanted, (run.exit, told)
    elif not expected.get("may_die"):
        assert b"CONTAINED" in run.stdout, (run.exit, told)
        assert run.exit.stopped_by is None, (run.exit, told)
    if "exit_code" in expected:
        assert run.exit.exit_code == expected["exit_code"], (run.exit, told)
    if "for_one_uid_only" in expected and os.geteuid() == 0:
        assert expected["for_one_uid_only"].encode() not in output
    if "forbidden" in expected:
        assert expected["forbidden"].encode() not in output
    if "max_displays" in expected:
        assert len(run.displays) <= expected["max_displays"]
    if "max_wall_ms" in expected:
        assert run.exit.wall_time_ms < expected["max_wall_ms"], run.exit


def _judge_files(run: Run, expected: dict[str, Any]) -> None:
    names = [file.path for file in run.files]
    if "collected" in expected:
        assert names == expected["collected"]
    assert len(names) <= expected.get("max_collected", 64)
    assert sum(len(f.content) for f in run.files) <= expected.get("max_collected_bytes", 4 << 20)
    assert all(b"a secret of the host" not in file.content for file in run.files)
    assert all(b"root:" not in file.content for file in run.files)
    if "sendable_names" in expected:
        assert [validate_path(name) for name in names] == names
        assert len(names) == expected["sendable_names"]
        assert all(x.path.isprintable() for x in run.omitted)
        assert [x.reason for x in run.omitted] == ["unnameable"] * expected["unnameable"]


def _judge_outside(cells: Cells, runs: list[Run], mounts: list[str]) -> None:
    began_ticks = {
        line.split()[1].decode(): int(line.split()[2])
        for run in runs
        for line in run.stdout.splitlines()
        if line.startswith(b"CELL pid:[")
    }
    deadline = time.monotonic() + SETTLE_S
    while left := {
        namespace: pids
        for namespace, pids in pid_namespaces().items()
        if namespace in began_ticks and oldest_ticks(pids) <= began_ticks[namespace]
    }:
        assert time.monotonic() < deadline, f"processes left: {left}"
        time.sleep(0.05)
    assert host_mounts() == mounts
    while left_behind := empty_cgroups():
        assert time.monotonic() < deadline, f"cgroups left: {left_behind}"
        cells.do(asyncio.sleep(0.05))  # its loop stands still between two programs


@pytest.mark.parametrize("attack", ATTACKS, ids=[a.name for a in ATTACKS])
def test_attack_is_contained(cells: Cells, attack: Path, canary: Path) -> None:
    expected = expectation(attack)
    mounts = host_mounts()
    before = canary.stat()
    runs = _runs(cells, attack, expected, canary)
    for run in runs:
        _judge(run, expected)
        _judge_files(run, expected)
    if expected.get("mode") == "differ":
        first, second = (set(run.stdout.splitlines()) - {b"CONTAINED"} for run in runs)
        assert not first & second
    _judge_outside(cells, runs, mounts)
    assert canary.read_text() == "a secret of the host"
    assert canary.stat().st_mtime_ns == before.st_mtime_ns
    assert cells.run_python("print('hello', 6 * 7)").stdout == b"hello 42\n"


def test_every_attack_says_what_should_stop_it() -> None:
    assert len(ATTACKS) >= 90
    for attack in ATTACKS:
        assert "Expected containment:" in attack.read_text(), attack.name


def _namespaces_of(cells: Cells, neighbours: Neighbours) -> set[str]:
    """Pid namespaces of a backend: below us, and below the engine that has its containers."""
    first = [container["State"]["Pid"] for container in containers_of(cells)]
    theirs = set[int]().union(*map(descendants, neighbours.processes))
    family = (descendants(os.getpid()) - theirs).union(*map(descendants, filter(None, first)))
    found = {name for name, pids in pid_namespaces().items() if family & set(pids)}
    return found - neighbours.namespaces


def test_nothing_is_left_after_the_backend(cells: Cells, neighbours: Neighbours) -> None:
    mounts, ours = host_mounts(), set[str]()

    def look() -> bool:
        ours.update(_namespaces_of(cells, neighbours))
        return bool(ours)

    cells.wait_until(look)  # of a kind that is fresh the next one may still be made
    assert ours
    cells.run_python("import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass\n")
    cells.do(cells.backend.close())
    deadline = time.monotonic() + SETTLE_S
    while ours & pid_namespaces().keys() or cell_cgroups():
        assert time.monotonic() < deadline, (ours & pid_namespaces().keys(), cell_cgroups())
        time.sleep(0.05)
    assert host_mounts() == mounts
