"""The engine's hold on a zygote that says what a test wants, and on whom it forks."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from vibecell.cell import frames
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.framed import zygote_link
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.framed.zygote_link import ZygoteLink
from vibecell.sandbox.host.identity import CellIdentity
from vibecell.wire.unix_sockets import Credentials

from .descriptors import open_descriptors

HELLO = frames.encode_control(frames.HELLO, {"protocol": frames.PROTOCOL_VERSION})
READY = b'{"ready":true}'
# says what it is told on its cell's socket, and lives on
AGENT = (
    "import os, sys, time\nos.write(int(sys.argv[1]), bytes.fromhex(sys.argv[2]))\ntime.sleep(60)"
)


class Zygote:
    """The other end, and the agents that came of it."""

    def __init__(self, there: socket.socket) -> None:
        self.there = there
        self.link: ZygoteLink
        self.ends = 0
        self.agents: list[subprocess.Popen[bytes]] = []
        self.uids_back: list[int] = []

    def ended(self, _link: ZygoteLink) -> None:
        self.ends += 1

    async def forked(self, said: bytes, uid: int = 7) -> FramedCell:
        """The cell of an agent that says this first."""
        identity = CellIdentity(uid, None, None, lambda: self.uids_back.append(uid))
        forking = asyncio.create_task(self.link.fork(identity))
        await asyncio.sleep(0)
        message, (descriptor,), _, _ = socket.recv_fds(self.there, 4096, 4)
        assert json.loads(message) == {"uid": uid}
        command = [sys.executable, "-Sc", AGENT, str(descriptor), said.hex()]
        self.agents.append(subprocess.Popen(command, pass_fds=[descriptor]))
        os.close(descriptor)
        return await forking


def run(test: Callable[[Zygote], Awaitable[None]]) -> None:
    """Run with a zygote that is ready; afterwards nothing of it is held."""

    async def whole() -> None:
        before = open_descriptors()
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = Zygote(there)
        zygote.link = ZygoteLink(here, lambda _: {}, zygote.ended)
        try:
            async with asyncio.timeout(20):
                there.send(READY)
                await zygote.link.set_up({"modules": []})
                assert json.loads(there.recv(4096)) == {"modules": []}
                await test(zygote)
        finally:
            zygote.link.close()
            there.close()
            for agent in zygote.agents:
                agent.kill()
                agent.wait()
        assert open_descriptors() <= before

    asyncio.run(whole())


def test_a_cell_is_whom_the_kernel_says_and_is_counted_until_it_is_destroyed() -> None:
    async def test(zygote: Zygote) -> None:
        told: list[int] = []
        zygote.link.on_cell_destroyed = lambda: told.append(zygote.link.live_cells)
        first, second = await zygote.forked(HELLO, uid=7), await zygote.forked(HELLO, uid=8)
        assert (zygote.link.forks, zygote.link.live_cells, zygote.link.is_idle) == (2, 2, False)
        assert first.is_alive and second.is_alive
        await first.destroy()
        assert zygote.agents[0].wait(10) == -signal.SIGKILL
        assert zygote.agents[1].poll() is None
        await second.destroy()
        assert (told, zygote.uids_back) == ([1, 0], [7, 8])
        assert (zygote.link.forks, zygote.link.is_idle) == (2, True)

    run(test)


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (frames.encode_control(frames.HELLO, {"protocol": 0}), "another protocol version"),
        (frames.encode_control(frames.HELLO, {}), "another protocol version"),
        (frames.encode_control(frames.FAILURE, {"step": "mount", "detail": "no"}), "no"),
        (frames.encode(frames.STDOUT, b"early"), "make a cell"),
        (frames.encode(frames.HELLO, b"["), "read from the cell"),
    ],
    ids=["another version", "no version", "a failure", "output", "nonsense"],
)
def test_who_says_something_else_than_hello_is_no_cell(said: bytes, failure: str) -> None:
    async def test(zygote: Zygote) -> None:
        with pytest.raises(SandboxFailure, match=failure):
            await zygote.forked(said)
        assert (zygote.link.forks, zygote.link.live_cells, zygote.link.is_idle) == (0, 0, True)
        await (await zygote.forked(HELLO)).destroy()

    run(test)


def test_whose_number_cannot_be_seen_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody in no namespace below ours the kernel tells 0, and that is nobody to kill."""

    async def test(zygote: Zygote) -> None:
        monkeypatch.setattr(zygote_link, "Credentials", lambda *_: Credentials(0, 0, 0))
        with pytest.raises(SandboxFailure, match="its pid cannot be seen"):
            await zygote.forked(HELLO)

    run(test)


def test_who_does_not_say_hello_in_time_is_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote_link, "HELLO_DEADLINE_S", 0.05)

    async def test(zygote: Zygote) -> None:
        with pytest.raises(SandboxFailure, match="does not answer"):
            await zygote.forked(b"")

    run(test)


def test_the_end_of_a_zygote_is_noticed_and_told_once() -> None:
    async def test(zygote: Zygote) -> None:
        cell = await zygote.forked(HELLO)
        zygote.there.close()
        while zygote.link.is_alive:
            await asyncio.sleep(0.001)
        assert zygote.ends == 1
        assert not cell.is_alive
        await cell.destroy()

    run(test)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(b'{"ready":false}', "ready"), (b'{"failure":"warm up"}', "warm up"), (b"", "it died")],
)
def test_a_zygote_that_is_not_ready_is_none(answer: bytes, failure: str) -> None:
    async def whole() -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link = ZygoteLink(here, lambda _: {}, lambda _: None)
        there.send(answer) if answer else there.shutdown(socket.SHUT_WR)
        with pytest.raises(SandboxFailure, match=failure):
            await link.set_up({})
        assert not link.is_alive
        link.close()
        there.close()

    asyncio.run(whole())
