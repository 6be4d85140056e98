"""One bubblewrap around one zygote.

Owns bubblewrap's command line and the uid range mapped into it; refuses to
inherit anything: the environment is empty, no descriptor but the named ones.

As root we give bubblewrap a uid of its own before it starts and map a whole
block of uids into its user namespace from outside, so that nothing behind the
wall is root outside and every cell has a uid of its own. As an ordinary user
the kernel grants one uid only, and bubblewrap maps that itself.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.mechanisms.idmap import UidBlock, write_id_maps

CELL_PROGRAMS = "/usr/lib/vibecell"
PYTHON = "python3"
INFO_DEADLINE_S = 10.0
END_GRACE_S = 0.5
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
class OuterWall:
    """A running bubblewrap and the control socket of the zygote inside."""

    process: asyncio.subprocess.Process
    control: socket.socket
    diagnostics: asyncio.Task[None]

    async def close(self) -> None:
        """End it and everything inside; never raises.

        The zygote goes when its socket closes, and bubblewrap reaps it; killing
        bubblewrap first would leave that to whoever adopts orphans here.
        """
        self.control.close()
        try:
            async with asyncio.timeout(END_GRACE_S):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        self.diagnostics.cancel()


async def build(bubblewrap: str, image: Path, uids: UidBlock | None) -> OuterWall:
    """Start bubblewrap with a zygote that waits for its set-up.

    Args:
        bubblewrap: path of the program.
        image: the read-only root.
        uids: block to map; ``None`` maps the caller's own uid.

    Raises:
        SandboxFailure: the wall could not be built; holds what bubblewrap said.

    Source: bwrap(1)
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    image_fd = os.open(image, os.O_PATH | os.O_DIRECTORY)
    info_read, info_write = os.pipe()
    block_read, block_write = os.pipe()
    passed = [there.fileno(), image_fd]
    arguments = _arguments(image_fd, there.fileno())
    if uids is not None:
        passed += [info_write, block_read]
        arguments += ["--info-fd", str(info_write), "--userns-block-fd", str(block_read)]
    try:
        process = await asyncio.create_subprocess_exec(
            bubblewrap,
            *arguments,
            "--",
            PYTHON,
            "main.py",
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
        os.close(info_write)
        info_write = -1
        wall = OuterWall(process, here, asyncio.create_task(_relay_diagnostics(process)))
        try:
            if uids is not None:
                await _map_ids(wall, uids, info_read, block_write)
        except BaseException:  # a cancel too: no wall stays without an owner
            await wall.close()
            raise
        return wall
    except OSError as error:
        here.close()
        raise SandboxFailure("start bubblewrap", str(error)) from error
    finally:
        there.close()
        for fd in (image_fd, info_read, info_write, block_read, block_write):
            if fd >= 0:
                os.close(fd)


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
        *("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"),
        *("--setenv", "LANG", "C.UTF-8"),
        *("--setenv", "PYTHONPATH", CELL_PROGRAMS),
        *("--setenv", "VIBECELL_CONTROL_FD", str(control_fd)),
        *("--uid", "0", "--gid", "0", "--cap-add", "ALL"),
        # by descriptor: the uid we start as may not be able to walk the path
        *("--ro-bind", f"/proc/self/fd/{image_fd}", "/"),
        *("--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev"),
        *devices,
        *(x for target, name in links for x in ("--symlink", target, name)),
        *("--dir", "/dev/shm", "--dir", "/dev/pts", "--remount-ro", "/dev"),
        *("--chdir", "/workspace"),
    ]


async def _map_ids(wall: OuterWall, uids: UidBlock, info_read: int, block_write: int) -> None:
    """Map the block once bubblewrap says who its child is, then let it go on."""
    try:
        async with asyncio.timeout(INFO_DEADLINE_S):
            text = await asyncio.to_thread(_read_all, info_read)
        write_id_maps(json.loads(text)["child-pid"], uids)
    except (OSError, ValueError, KeyError, TimeoutError) as error:
        raise SandboxFailure("map uids into the outer wall", str(error)) from error
    os.write(block_write, b"1")


def _read_all(fd: int) -> bytes:
    with os.fdopen(os.dup(fd), "rb") as stream:
        return stream.read()


async def _relay_diagnostics(process: asyncio.subprocess.Process) -> None:
    """Log what bubblewrap or the zygote says; nothing of a user's comes here."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        text = line.decode("utf-8", "backslashreplace").rstrip()
        log.warning("outer wall %d: %s", process.pid, text)
