"""One container around one zygote.

Owns the meeting of the two: a socket in a directory of its own, which is the only
thing of the host that the container sees, and only until the zygote has connected;
then it is unlinked and gone from both. Refuses whoever connects that is not
the first process of that very container, and that one too if the daemon has not
taken from it what we asked.

As root, where the container's uids are the host's, a block of uids is mapped into
the user namespace that the zygote makes for itself. Elsewhere (an engine without
root, a daemon that remaps uids) the zygote maps the one uid it has.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import DockerEngine, Missing, remove
from vibecell.sandbox.docker.container import CONTROL_NAME
from vibecell.sandbox.docker.first_process import FirstProcess
from vibecell.sandbox.framed import cell_reports
from vibecell.sandbox.mechanisms.deadlines import dead, end, readable
from vibecell.sandbox.mechanisms.idmap import UidBlock, write_id_maps
from vibecell.wire.unix_sockets import peer

CONNECT_DEADLINE_S = 20.0
ENTER_DEADLINE_S = 10.0
NAME_PREFIX = "vibecell-"
_MAX_ANSWER_BYTES = 4096
_STEP = "start a container"

log = logging.getLogger(__name__)


class Meeting:
    """A place where one zygote meets us: a listening socket in a directory of its own.

    Args:
        parent: directory of all such places.
        user: who may connect; ``None`` where its number on this host is not known.

    Raises:
        SandboxFailure: it cannot be made.
    """

    def __init__(self, parent: Path, user: int | None) -> None:
        self.folder = parent / secrets.token_hex(8)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = self.folder / CONTROL_NAME
        try:
            self.folder.mkdir(mode=0o700)
            self.folder.chmod(0o711)  # whatever the umask: the container's user passes through it
            self._listener.bind(str(path))
            # a peer of another uid needs the right to write; who it is, is looked at
            path.chmod(0o600 if user is not None else 0o666)
            if user is not None:
                os.chown(path, user, user)
            self._listener.listen(1)
            self._listener.setblocking(False)
        except OSError as error:
            self.close()
            raise SandboxFailure("make a control socket", str(error)) from error

    async def accept(self, deadline_s: float, expected: int) -> socket.socket:
        """Wait for whoever comes first.

        A caller that is cancelled has accepted nobody.

        Args:
            expected: pidfd of who is waited for; that it ends, ends the wait.

        Raises:
            TimeoutError: nobody has come, in so many seconds.
            BlockingIOError: nobody has come, and who was expected has ended.
            OSError: as accept(2) has it.
        """
        await readable(deadline_s, self._listener.fileno(), expected)
        control, _ = self._listener.accept()
        return control

    def close(self) -> None:
        """Let nobody in any more; the container's view of it vanishes as well."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class ContainerWall:
    """A container whose zygote is connected; see ``outer_walls.OuterWall``."""

    name: str
    control: socket.socket
    _first: FirstProcess
    _engine: DockerEngine = field(repr=False)
    _gone: Callable[[str], None] = field(repr=False)
    _ended: Callable[[], None] = field(repr=False)

    async def close(self) -> None:
        """End the zygote, and with it its container; never raises.

        The zygote ends when its socket closes. What does not is killed, here
        and by the daemon, which removes the container in either case. With its
        first process everything in a container ends: pid_namespaces(7).
        """
        self.control.close()
        try:
            await end(self._first.pidfd)
        except OSError as error:  # not ours to signal: the daemon does it
            log.debug("the zygote of %s cannot be killed from here: %s", self.name, error)
        try:
            await self._engine.ask("remove a container", lambda c: remove(c, self.name))
        except SandboxFailure as error:
            # it ends by itself, or is found by the next sweep
            log.warning("%s: %s", self.name, error)
        try:
            await dead(self._first.pidfd)
        except TimeoutError:
            log.error("%s could not be ended; its uids are not used again", self.name)
        else:
            self._ended()
        self._first.close()
        self._gone(self.name)


async def build(
    engine: DockerEngine,
    meetings: Path,
    body: Callable[[str], dict[str, Any]],
    *,
    user: int | None,
    uids: UidBlock | None,
    born: Callable[[str], None],
    gone: Callable[[str], None],
    ended: Callable[[], None],
) -> ContainerWall:
    """Start a container and wait until its zygote is root behind its own wall.

    Args:
        meetings: directory for the control socket.
        body: given that directory, the container's description.
        user: its uid on this host, if known.
        uids: block to map; ``None``: the zygote maps its one uid.
        born, gone: told the container's name when it may exist, and no longer.
        ended: as ``outer_walls.Walls`` has it.

    Raises:
        SandboxFailure: it could not be started; names the step.
    """
    try:
        meeting = Meeting(meetings, user)
    except SandboxFailure:
        ended()
        raise
    name, folder = NAME_PREFIX + meeting.folder.name, str(meeting.folder)
    born(name)
    try:
        starting = engine.submit(_STEP, lambda client: _run(client, name, body(folder)))
    except SandboxFailure:
        meeting.close()
        gone(name)
        ended()
        raise
    try:
        pid = await engine.answer(_STEP, starting)
        with contextlib.ExitStack() as undo:
            # held before it is met, so that whom we met is whom we kill
            first = undo.enter_context(contextlib.closing(await _held(pid, engine, name)))
            control = undo.enter_context(await _met(meeting, first, engine, name))
            await _enter(control, first.pid, uids)
            undo.pop_all()
            return ContainerWall(name, control, first, engine, gone, ended)
    except BaseException as error:  # a cancel too: no container stays without an owner
        _discard(engine, name, starting, gone, ended)
        if isinstance(error, OSError):
            raise SandboxFailure(_STEP, str(error)) from error
        raise
    finally:
        meeting.close()


def _discard(
    engine: DockerEngine,
    name: str,
    starting: "Future[int]",
    gone: Callable[[str], None],
    ended: Callable[[], None],
) -> None:
    """Remove a container that is not wanted, once the daemon has done making it."""
    loop = asyncio.get_running_loop()

    def removed(removing: "Future[None]") -> None:
        gone(name)
        if not removing.cancelled() and removing.exception() is None:
            ended()

    def remove_it(_: object) -> None:
        with contextlib.suppress(SandboxFailure):  # closed: the next life's sweep finds it
            removing = engine.submit("remove a container", lambda c: remove(c, name))
            removing.add_done_callback(lambda done: loop.call_soon_threadsafe(removed, done))

    starting.add_done_callback(remove_it)


def _run(client: Any, name: str, body: dict[str, Any]) -> int:
    """Create and start; the pid of its first process, as the daemon sees it.

    What the daemon refuses to start is removed here and now: it would never end by
    itself, and where its wall is not wanted any more because we close (the directory that
    it was to meet us in is gone), nobody may be left to do it.
    """
    container = client.create_container_from_config(body, name)["Id"]
    try:
        client.start(container)
        state = client.inspect_container(container)["State"]
    except APIError:
        with contextlib.suppress(DockerException, RequestException, OSError):
            remove(client, container)
        raise
    return int(state["Pid"])


async def _held(pid: int, engine: DockerEngine, name: str) -> FirstProcess:
    try:
        return FirstProcess(pid)
    except ProcessLookupError as error:
        raise SandboxFailure("meet the zygote", await _state(engine, name, pid)) from error


async def _met(
    meeting: Meeting, first: FirstProcess, engine: DockerEngine, name: str
) -> socket.socket:
    """The connection of the container's first process; others who come are sent away."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + CONNECT_DEADLINE_S
    strangers = 0
    while True:
        try:
            control = await meeting.accept(deadline_s - loop.time(), first.pidfd)
        except (TimeoutError, BlockingIOError) as error:
            said = await _state(engine, name, first.pid)
            raise SandboxFailure("meet the zygote", said) from error
        if (came := peer(control)).pid == first.pid:
            break
        control.close()
        strangers += 1
        if strangers == 1:
            log.warning("%s: process %d came, which is not the container's own", name, came.pid)
    try:
        first.require_confined()
    except BaseException:
        control.close()
        raise
    control.setblocking(False)
    return control


async def _state(engine: DockerEngine, name: str, pid: int) -> str:
    """Why a container has not come: what the daemon says of it."""
    try:
        found = await engine.ask("look at a container", lambda c: c.inspect_container(name))
    except Missing:
        return "its container ended before it was connected"
    except SandboxFailure as error:
        return str(error)
    state = found["State"]
    if state["Status"] == "running":
        return f"its container runs, but its process {pid} has not come from there"
    return f"its container is {state['Status']}, exit code {state['ExitCode']} {state['Error']}"


async def _enter(control: socket.socket, pid: int, uids: UidBlock | None) -> None:
    """Have the zygote make its user namespace; see ``cell/nesting.py``."""
    maps: Literal["own", "given"] = "own" if uids is None else "given"
    loop = asyncio.get_running_loop()

    async def say(message: dict[str, object]) -> None:
        await loop.sock_sendall(control, json.dumps(message, separators=(",", ":")).encode())

    await _within(say({"enter": {"maps": maps}}))
    if uids is None:
        return
    answer = await _within(loop.sock_recv(control, _MAX_ANSWER_BYTES))
    if answer != b'{"entered":true}':
        said = cell_reports.said(answer) or "its zygote died"
        raise SandboxFailure("make a user namespace in a container", said)
    try:
        write_id_maps(pid, uids)
    except OSError as error:
        raise SandboxFailure("map uids into the outer wall", str(error)) from error
    await _within(say({"mapped": True}))


async def _within(work: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(ENTER_DEADLINE_S):
            return await work
    except TimeoutError as error:
        raise SandboxFailure("finish the outer wall", "its zygote does not answer") from error
    except OSError as error:
        raise SandboxFailure("finish the outer wall", str(error)) from error
