"""The end of a cell by its second means, a cgroup, for whoever the first does not reach.

The agent is a process that stands for one. A stranger is in the cell's cgroup and no child of
that agent: as somebody who got out of the cell's pid namespace would be.
"""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from unit.framed_bench import body_of_agent
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms import deadlines
from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager

from .test_cgroup_kernel import run_in, wait_until_empty

pytestmark = pytest.mark.kernel
MIB = 1 << 20
SLEEP = "import time; time.sleep(60)"


class Scene:
    """A cell, its agent, a stranger in its cgroup, and what was given back when."""

    def __init__(self, cell: FramedCell, cgroup: Cgroup, stranger: "subprocess.Popen[bytes]"):
        self.cell = cell
        self.cgroup = cgroup
        self.stranger = stranger
        self.given_back: list[str] = []


@contextmanager
def stranger_in(cgroup: Cgroup) -> Iterator["subprocess.Popen[bytes]"]:
    cgroup.set_limits(memory_bytes=64 * MIB, processes=16)
    with run_in(cgroup, SLEEP) as stranger:
        try:
            deadline = time.monotonic() + 10
            while not cgroup.processes() and time.monotonic() < deadline:
                time.sleep(0.005)
            assert cgroup.processes() == 1
            yield stranger
        finally:
            stranger.kill()


def run(cgroups: CgroupManager, test: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole(cgroup: Cgroup, stranger: "subprocess.Popen[bytes]") -> None:
        here, there = socket.socketpair()
        here.setblocking(False)
        with body_of_agent() as body, there:
            scene: Scene

            def back(what: str) -> None:
                scene.given_back.append(f"{what} of {cgroup.processes()}")

            identity = CellIdentity(
                7, cgroup, None, lambda: back("uid"), lambda _: back("cgroup"), lambda _: back("-")
            )
            pidfd = os.pidfd_open(body.pid)
            cell = FramedCell(here, pidfd, identity, lambda _: {}, lambda: None)
            scene = Scene(cell, cgroup, stranger)
            await test(scene)
            await cell.destroy()

    cgroup = cgroups.create("cell")
    try:
        with stranger_in(cgroup) as stranger:
            asyncio.run(whole(cgroup, stranger))
    finally:
        wait_until_empty(cgroup)
        cgroup.remove()


def test_who_has_left_the_namespace_of_a_cell_is_killed_with_it(cgroups: CgroupManager) -> None:
    async def test(scene: Scene) -> None:
        scene.cell.kill()
        assert await asyncio.to_thread(scene.stranger.wait, 10) == -signal.SIGKILL

    run(cgroups, test)


def test_nothing_is_given_back_before_nobody_is_left(cgroups: CgroupManager) -> None:
    async def test(scene: Scene) -> None:
        await scene.cell.destroy()
        assert scene.given_back == ["cgroup of 0", "uid of 0"]
        assert await asyncio.to_thread(scene.stranger.wait, 10) == -signal.SIGKILL

    run(cgroups, test)


def test_an_agent_that_does_not_die_keeps_nobody_else_alive(
    cgroups: CgroupManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "DEATH_DEADLINE_S", 0.1)

    async def test(scene: Scene) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(signal, "pidfd_send_signal", lambda *_: None)
            await scene.cell.destroy()
        assert await asyncio.to_thread(scene.stranger.wait, 10) == -signal.SIGKILL
        assert scene.given_back == [], "the agent may still be somebody under that uid"

    run(cgroups, test)
