"""One bubblewrap around one zygote.

Owns bubblewrap's command line and the uid range mapped into it; refuses to
inherit anything: the environment is empty, no descriptor but the named ones.

As root we give bubblewrap a uid of its own before it starts and map a whole
block of uids into its user namespace from outside, so that nothing behind the
wall is root outside and every cell has a uid of its own. As an ordinary user
the kernel grants one uid only, and bubblewrap maps that itself.

The zygote is held by a descriptor of its own: with it, as pid 1, everything behind the
wall ends, and whoever has taken it over may have asked the kernel not to end it with
bubblewrap (PR_SET_PDEATHSIG(2const)). It and its agents are filtered like a container, and
bounded in processes, memory and processors (``host/wall_bounds.py``) before bubblewrap has read
its arguments.
"""

import asyncio
import contextlib
import io
import json
import logging
import os
import resource
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibecell.model.errors import SandboxFailure
from vibecell.model.stopping import DEATH_DEADLINE_S
from vibecell.sandbox.host.shares import Share
from vibecell.sandbox.mechanisms import seccomp
from vibecell.sandbox.mechanisms.deadlines import (
    dead,
    done,
    end,
    in_thread,
)
from vibecell.sandbox.mechanisms.idmap import UidBlock, write_id_maps
from vibecell.sandbox.outer_walls import (
    CONTROL_FD_VARIABLE,
    ZYGOTE_COMMAND,
    ZYGOTE_ENV,
    ZYGOTE_FOLDER,
)

INFO_DEADLINE_S = 10.0
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_NAMESPACES = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BubblewrapWall:
    """A running bubblewrap, its zygote by its pidfd; see ``outer_walls.OuterWall``."""

    process: Process
    zygote: int
    control: socket.socket
    diagnostics: asyncio.Task[None]
    share: Share

    async def close(self) -> None:
        """End it and everything inside; never raises.

        The zygote goes when its socket closes, or is killed, and bubblewrap reaps it;
        killing bubblewrap first would leave that to whoever adopts orphans here.
        """
        self.control.close()
        with contextlib.suppress(ProcessLookupError):
            await end(self.zygote)
        try:
            await dead(self.zygote)
            async with asyncio.timeout(DEATH_DEADLINE_S):
                await self.process.wait()
        except TimeoutError:
            log.error("outer wall %d could not be ended; its uids are not used again",
                      self.process.pid)  # fmt: skip
        else:
            self.share.close()
        os.close(self.zygote)
        self.diagnostics.cancel()


async def _end(process: Process) -> None:
    """Kill bubblewrap and its child: until that executes, one does not die with the other."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _spawned(starting: Coroutine[Any, Any, Process]) -> Process:
    """The process; where nobody waits for it any more, it is ended first."""
    task = asyncio.create_task(starting)
    try:
        return await done(task)
    except asyncio.CancelledError:
        await _end(task.result())
        raise


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the programs that make a wall.

    Attributes:
        bubblewrap: bwrap(1).
        prlimit: prlimit(1), of util-linux; needed as root only.
    """

    bubblewrap: str
    prlimit: str


async def build(programs: Programs, image: Path, share: Share) -> BubblewrapWall:
    """Start bubblewrap with a zygote that waits for its set-up.

    Args:
        programs: where they are.
        image: the read-only root.
        share: of the host; closed when the wall has been.

    Raises:
        SandboxFailure: the wall could not be built; holds what bubblewrap said.

    Source: bwrap(1)
    """
    with contextlib.ExitStack() as until_built:
        try:
            return await _build(programs, image, share, until_built)
        except OSError as error:
            raise SandboxFailure("start bubblewrap", str(error)) from error


async def _build(
    programs: Programs, image: Path, share: Share, until_built: contextlib.ExitStack
) -> BubblewrapWall:
    """See ``build``; what only the making needs is closed by whom it is given."""
    uids = share.uids
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    until_built.enter_context(there)
    with contextlib.ExitStack() as on_failure:
        on_failure.enter_context(here)
        image_fd = os.open(image, os.O_PATH | os.O_DIRECTORY)
        until_built.callback(os.close, image_fd)
        filter_fd = _filter()
        until_built.callback(os.close, filter_fd)
        info_read, info_write = _pipe(until_built)
        block_read, block_write = _pipe(until_built)
        arguments_read, arguments_write = _pipe(until_built)
        passed = [there.fileno(), image_fd, filter_fd, info_write.fileno(), arguments_read.fileno()]
        arguments = _arguments(image_fd, there.fileno())
        arguments += ["--seccomp", str(filter_fd), "--info-fd", str(info_write.fileno())]
        if uids is not None:
            passed.append(block_read.fileno())
            arguments += ["--userns-block-fd", str(block_read.fileno())]
        process = await _spawned(
            asyncio.create_subprocess_exec(
                *_command(programs, share),
                *("--args", str(arguments_read.fileno()), "--", *ZYGOTE_COMMAND),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=passed,
                env={},
                start_new_session=True,
                user=uids.first if uids else None,
                group=uids.first if uids else None,
                extra_groups=[] if uids else None,
            )
        )
        info_write.close()
        diagnostics = asyncio.create_task(_relay_diagnostics(process))
        try:
            await in_thread(_bound, process.pid, share)
            arguments_write.write("\0".join(arguments).encode())
            arguments_write.close()
            pid, zygote = await _held(process, info_read)
            try:
                _let_go_on(pid, uids, block_write, here)
            except BaseException:
                os.close(zygote)
                raise
        except BaseException:  # a cancel too: no wall stays without an owner
            await _end(process)
            diagnostics.cancel()
            raise
        on_failure.pop_all()
        return BubblewrapWall(process, zygote, here, diagnostics, share)


def _pipe(until_closed: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    read, write = os.pipe()
    return (
        until_closed.enter_context(io.FileIO(read, "rb")),
        until_closed.enter_context(io.FileIO(write, "wb")),
    )


def _arguments(image_fd: int, control_fd: int) -> list[str]:
    devices = [x for name in _DEVICES for x in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")]
    links = [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
        ("/dev/pts/ptmx", "/dev/ptmx"),
    ]
    return [
        *_NAMESPACES,
        "--as-pid-1",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
        *(x for name, value in ZYGOTE_ENV.items() for x in ("--setenv", name, value)),
        *("--setenv", CONTROL_FD_VARIABLE, str(control_fd)),
        *("--uid", "0", "--gid", "0", "--cap-add", "ALL"),
        # by descriptor: the uid we start as may not be able to walk the path
        *("--ro-bind", f"/proc/self/fd/{image_fd}", "/"),
        *("--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev"),
        *devices,
        *(x for target, name in links for x in ("--symlink", target, name)),
        *("--dir", "/dev/shm", "--dir", "/dev/pts", "--remount-ro", "/dev"),
        *("--chdir", ZYGOTE_FOLDER),
    ]


def _filter() -> int:
    """A file with the filter of zygotes and agents."""
    fd = os.memfd_create("seccomp")
    os.write(fd, seccomp.compile_filter(unrestricted=seccomp.OUTER_WALL_CALLS))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _command(programs: Programs, share: Share) -> list[str]:
    """Bubblewrap, with a bound on the processes of the wall's users.

    A process lowers its own limit; to lower another's takes a privilege, as does to raise one:
    where the engine's own is lower, that stays.

    Source: prlimit(1); user_namespaces(7)
    """
    most = share.bounds.user_processes
    _, highest = resource.getrlimit(resource.RLIMIT_NPROC)
    if most is None or most > highest != resource.RLIM_INFINITY:
        return [programs.bubblewrap]
    return [programs.prlimit, f"--nproc={most}:{most}", programs.bubblewrap]


def _bound(pid: int, share: Share) -> None:
    """Bound bubblewrap, while it waits for its arguments, and with it all that it starts.

    To move a process the kernel waits until every processor has passed a point of rest,
    10 to 20 ms where nobody was moved just before.

    Source: kernel/cgroup/cgroup.c, cgroup_attach_lock(); kernel/rcu/sync.c

    Raises:
        SandboxFailure: the kernel refuses.
    """
    cgroup = share.new_wall_cgroup()
    if cgroup is not None:
        try:
            # as long as it is our child, its number has not become another's
            if _parent(pid) != os.getpid():
                raise ProcessLookupError("bubblewrap has ended")
            cgroup.admit(pid)
        except OSError as error:
            raise SandboxFailure("bound the outer wall", str(error)) from error


async def _held(process: Process, info_read: io.FileIO) -> tuple[int, int]:
    """Hold bubblewrap's child, once it says who that is.

    Returns:
        Its pid and its pidfd.

    Raises:
        SandboxFailure: it does not say, or the child cannot be held.
    """
    try:
        async with asyncio.timeout(INFO_DEADLINE_S):
            text = await asyncio.to_thread(_read_all, info_read)
        pid = int(json.loads(text)["child-pid"])
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError, KeyError, TypeError, TimeoutError) as error:
        said = f"it does not say who its child is: {error}"
        raise SandboxFailure("start bubblewrap", said) from error
    try:
        # as long as it is that one's child, its number has not become another's
        if _parent(pid) != process.pid:
            raise ProcessLookupError("its child has ended")
    except BaseException as error:
        os.close(pidfd)
        if isinstance(error, OSError):
            raise SandboxFailure("start bubblewrap", str(error)) from error
        raise
    return pid, pidfd


def _let_go_on(
    pid: int, uids: UidBlock | None, block_write: io.FileIO, here: socket.socket
) -> None:
    """Map who waits at the beginning of the wall; then it waits no more.

    Raises:
        SandboxFailure: the kernel refuses.
    """
    try:
        if uids is not None:
            write_id_maps(pid, uids)
            block_write.write(b"1")
        else:  # the image is ours, and so may who is behind the wall be: see cell/nesting.py
            here.send(b'{"enter":{"maps":"own"}}')
    except OSError as error:
        raise SandboxFailure("map uids into the outer wall", str(error)) from error


def _parent(pid: int) -> int:
    """Source: proc_pid_stat(5), field 4."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def _read_all(stream: io.FileIO) -> bytes:
    """In a thread that may outlive the wall: of a descriptor of its own."""
    with os.fdopen(os.dup(stream.fileno()), "rb") as copy:
        return copy.read()


async def _relay_diagnostics(process: Process) -> None:
    """Log what bubblewrap or the zygote says; nothing of a user's comes here."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        text = line.decode("utf-8", "backslashreplace").rstrip()
        log.warning("outer wall %d: %s", process.pid, text)
