"""What walls of bubblewrap need, and what is left where one does not come to stand."""

import asyncio
import contextlib
import io
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from unit.descriptors import open_descriptors
from vibecell.model.errors import SandboxFailure
from vibecell.model.language import WarmProfile
from vibecell.sandbox.bubblewrap import bwrap
from vibecell.sandbox.bubblewrap.bubblewrap_walls import BubblewrapWalls
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.host.wall_bounds import WallBounds
from vibecell.sandbox.mechanisms import deadlines
from vibecell.sandbox.mechanisms.cgroup import Cgroup

PROGRAMS = bwrap.Programs(bubblewrap="/usr/bin/bwrap", prlimit="/usr/bin/prlimit")
BOUNDS = WallBounds(
    memory_bytes=1 << 29, processes=12, with_programs=76, user_processes=76, cpus=1.0
)


def share_of(closed: list[Share], bounds: WallBounds = BOUNDS) -> Share:
    return Share(None, bounds, None, None, closed.append)


@pytest.mark.parametrize(
    ("uid", "programs", "missing"),
    [
        (0, (), "bwrap"),
        (0, ("bwrap",), "prlimit"),
        (1000, (), "bwrap"),
        (1000, ("bwrap",), None),
        (0, ("bwrap", "prlimit"), None),
    ],
)
def test_the_program_that_is_missing_is_named(
    uid: int,
    programs: tuple[str, ...],
    missing: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in programs:
        (tmp_path / name).touch(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    walls = BubblewrapWalls(tmp_path, str(tmp_path))
    if missing is None:
        assert asyncio.run(walls.prepare())
        return
    with pytest.raises(SandboxFailure, match=f"the program {missing}"):
        asyncio.run(walls.prepare())


async def prepared(folder: Path, script: str) -> BubblewrapWalls:
    """Walls whose bubblewrap is a script, in a folder that has it alone."""
    for name, text in {"bwrap": script, "prlimit": 'shift\nexec "$@"'}.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    walls = BubblewrapWalls(folder, str(folder))
    await walls.prepare()
    return walls


@pytest.mark.parametrize("says", ["", "echo nonsense >&2", "sleep 0.05"])
def test_a_wall_that_does_not_come_to_stand_leaves_nothing(says: str, tmp_path: Path) -> None:
    closed: list[Share] = []

    async def scenario() -> None:
        walls = await prepared(tmp_path, f"touch {tmp_path}/was-started\n{says}\nexit 1")
        before = open_descriptors()
        with pytest.raises(SandboxFailure, match="bubblewrap"):
            await walls.build(WarmProfile("any"), share_of(closed))
        assert (tmp_path / "was-started").exists()
        await asyncio.sleep(0)
        assert not open_descriptors() - before

    asyncio.run(scenario())
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("highest", "most", "is_lowered"),
    [
        (resource.RLIM_INFINITY, 76, True),
        (1000, 76, True),
        (50, 76, False),
        (1000, None, False),
    ],
)
def test_no_limit_is_raised(
    highest: int, most: int | None, is_lowered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would take a privilege which the user of a wall has not."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (highest, highest))
    share = share_of([], replace(BOUNDS, user_processes=most))
    lowering = ["/usr/bin/prlimit", "--nproc=76:76"] if is_lowered else []
    assert bwrap._command(PROGRAMS, share) == [*lowering, "/usr/bin/bwrap"]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only what is left to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # not there; gone while it was read
        return False


def gone(pid: int) -> bool:
    """Whether it ends within ten seconds."""
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.005)
    return not is_alive(pid)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that is nobody's here but the test's."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    "script",
    ["echo $$ > {pids}; exec sleep 60", "sleep 60 & echo $! > {pids}; exit 1"],
    ids=["it goes on", "its child goes on"],
)
def test_whatever_was_started_for_a_wall_that_does_not_stand_is_ended(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bwrap, "INFO_DEADLINE_S", 0.5)
    pids = tmp_path / "pids"

    async def scenario() -> None:
        walls = await prepared(tmp_path, script.format(pids=pids))
        with pytest.raises(SandboxFailure):
            await walls.build(WarmProfile("any"), share_of([]))
        pid = int(pids.read_text())
        try:
            assert await asyncio.to_thread(gone, pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    asyncio.run(scenario())


def test_a_wall_that_nobody_waits_for_any_more_is_ended() -> None:
    started: list[int] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
        started.append(process.pid)
        await asyncio.sleep(0.05)
        return process

    async def scenario() -> None:
        waiting = asyncio.create_task(bwrap._spawned(start()))
        while not started:
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
    assert gone(started[0])


class Entered:
    """A cgroup that remembers who was moved into it."""

    def __init__(self) -> None:
        self.members: list[int] = []

    def admit(self, pid: int) -> None:
        self.members.append(pid)


def test_nobody_elses_process_is_moved_into_a_walls_cgroup(
    stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bubblewrap has ended, and somebody has its number."""
    cgroup = Entered()
    share = share_of([])
    monkeypatch.setattr(share, "new_wall_cgroup", lambda: cast(Cgroup, cgroup))
    bwrap._bound(stranger, share)
    assert cgroup.members == [stranger]
    with pytest.raises(SandboxFailure, match="bound the outer wall"):
        bwrap._bound(os.getppid(), share)
    assert cgroup.members == [stranger]


def test_nobody_elses_process_is_held_as_a_zygote(stranger: int) -> None:
    """Its number is what bubblewrap says, and may be another's by then."""

    async def held(parent: int) -> tuple[int, int]:
        read, write = os.pipe()
        with io.FileIO(read, "rb") as info, io.FileIO(write, "wb") as told:
            told.write(json.dumps({"child-pid": stranger}).encode())
            told.close()
            process = cast(asyncio.subprocess.Process, _Named(parent))
            return await bwrap._held(process, info)

    before = open_descriptors()
    pid, pidfd = asyncio.run(held(os.getpid()))
    os.close(pidfd)
    assert pid == stranger
    with pytest.raises(SandboxFailure, match="its child has ended"):
        asyncio.run(held(os.getppid()))
    assert not open_descriptors() - before


class _Named:
    """A process by its number alone."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


@pytest.mark.parametrize("dies", [True, False], ids=["it dies", "it does not"])
def test_uids_are_given_back_when_the_wall_is_gone_and_not_before(
    stranger: int, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "LEAVE_GRACE_S", 0.0)
    monkeypatch.setattr(deadlines, "DEATH_DEADLINE_S", 10.0 if dies else 0.05)
    if not dies:
        monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    closed: list[Share] = []

    async def scenario() -> None:
        here, there = socket.socketpair()
        process = await asyncio.create_subprocess_exec("true")
        diagnostics = asyncio.create_task(asyncio.sleep(60))
        zygote = os.pidfd_open(stranger)
        with there:
            await bwrap.BubblewrapWall(process, zygote, here, diagnostics, share_of(closed)).close()
        await process.wait()

    asyncio.run(scenario())
    assert len(closed) == dies
