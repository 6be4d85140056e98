"""A framed cell and the script on the other end of its socket, for tests of both.

The agent here is a script on the other end of a socket pair, and a true,
harmless process stands for its pid. Whatever it sends, the worst that may
happen is the end of its own cell, named as a failure of the sandbox.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from vibecell.cell import frames
from vibecell.sandbox.backend import Occurrence, ProcessSpec
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.framed.process import FramedProcess
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import OomAlarm

from .descriptors import open_descriptors

SPEC = ProcessSpec(mode="in_place", entrypoint="main.py", argv=(), interactive=True)
ENDED = {"exit_code": 0, "signal": None}
FOR_EVER_S = 8.0


class Agent:
    """The hostile end: sends what a test tells it to."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._loop = asyncio.get_running_loop()
        link.setblocking(False)

    async def send(self, *pieces: bytes) -> None:
        await self._loop.sock_sendall(self.link, b"".join(pieces))

    async def hear(self, wanted: int) -> bytes:
        """The payload of the next frame of a type; others are passed over."""
        parser = frames.FrameParser(frames.TO_AGENT)
        while True:
            data = await self._loop.sock_recv(self.link, 65536)
            assert data, "the engine has hung up"
            for kind, _, payload in parser.feed(data):
                if kind == wanted:
                    return payload


def started_frame() -> bytes:
    return frames.encode(frames.STARTED, frames.STARTED_AT.pack(time.monotonic_ns()))


class Bench:
    """A cell, its agent, and what became of both."""

    def __init__(self, cell: FramedCell, agent: Agent, body: "subprocess.Popen[bytes]") -> None:
        self.cell = cell
        self.agent = agent
        self.body = body
        self.uids_back = 0
        self.destroyed = 0

    async def started(self, spec: ProcessSpec = SPEC, *after: bytes) -> FramedProcess:
        starting = asyncio.create_task(self.cell.start(spec))
        await self.agent.hear(frames.START)
        await self.agent.send(started_frame(), *after)
        return await starting

    async def said(self, spec: ProcessSpec = SPEC, *after: bytes) -> list[Occurrence]:
        process = await self.started(spec, *after)
        return [x async for x in process.read()]


@contextmanager
def body_of_agent() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that stands for an agent's pid, until it is killed."""
    with subprocess.Popen([sys.executable, "-Sc", "import time; time.sleep(60)"]) as process:
        try:
            yield process
        finally:
            process.kill()


def run(
    test: Callable[[Bench], Awaitable[None]],
    cgroup: Cgroup | None = None,
    alarm: OomAlarm | None = None,
) -> None:
    """Run a test; whatever it did, the cell ends and gives everything back.

    Args:
        test: is given the bench.
        cgroup: of the cell; ``None`` where the host grants none.
        alarm: of that cgroup.
    """

    async def whole() -> None:
        before = open_descriptors()
        here, there = socket.socketpair()
        here.setblocking(False)
        with body_of_agent() as body, there:
            bench: Bench

            def uid_back() -> None:
                bench.uids_back += 1

            def gone() -> None:
                bench.destroyed += 1

            remove = Cgroup.remove if cgroup is None else type(cgroup).remove
            identity = CellIdentity(7, cgroup, alarm, uid_back, remove, remove)
            pidfd = os.pidfd_open(body.pid)
            cell = FramedCell(here, pidfd, identity, lambda spec: {"x": spec.mode}, gone)
            bench = Bench(cell, Agent(there), body)
            async with asyncio.timeout(FOR_EVER_S):
                await test(bench)
                await cell.destroy()
                await cell.destroy()
            assert body.wait(5) == -signal.SIGKILL
            assert (bench.uids_back, bench.destroyed) == (1, 1)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(others, timeout=1) if others else None
            assert not [t for t in others if not t.done()], "nobody waits for ever"
        assert open_descriptors() <= before, "the link is closed as well"

    asyncio.run(whole())


def exit_frame(**facts: object) -> bytes:
    """An EXIT that says all went well, but for what is given."""
    return frames.encode_control(frames.EXIT, {**ENDED, **facts})


async def everything(process: FramedProcess) -> list[Occurrence]:
    """What a process says, to its end."""
    return [x async for x in process.read()]
