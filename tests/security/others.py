"""Things that are no zygote's to reach: of the host, and of a neighbour behind another wall.

Owns their making, their names (``reach.OTHERS``) and the look whether somebody was there.
All of them can be used by every user, so that nothing but a wall keeps anybody out.
"""

import asyncio
import contextlib
import ctypes
import mmap
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.cells import QUICK_LIMITS, Cells, Gathered, gather, python

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
SHMGET, SHMCTL, SEMGET, SEMCTL, MSGGET, MSGCTL = 29, 31, 64, 66, 68, 71
ADD_KEY, KEYCTL = 248, 250
CREATE, REMOVE, FOR_ALL = 0o1000, 0, 0o666
KEYCTL_REVOKE, KEYCTL_SETPERM, KEYCTL_READ, SESSION_KEYRING = 3, 5, 11, -3
ALL_RIGHTS_OF_ALL = 0x3F3F3F3F
CONTENT = "a secret of the host"
PORT_OF_NEIGHBOUR = 45_678
NEIGHBOUR = """
import ctypes, os, socket, sys
name, port, key = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
libc = ctypes.CDLL(None)
libc.prctl(15, name.encode(), 0, 0, 0)
held = libc.shmget(key, 4096, 0o1666)
for folder in ("/workspace", "/tmp", "/dev/shm"):
    with open(f"{folder}/{name}", "w") as file:
        file.write(name)
listeners = [socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", port))]
listeners[0].bind("\\0" + name + "-neighbour")
listeners[0].listen()
print("ready" if held >= 0 else "no shared memory", flush=True)
sys.stdin.readline()
for listener in listeners:
    listener.setblocking(False)
    try:
        listener.accept()
        print("somebody came")
    except BlockingIOError:
        pass
for folder in ("/workspace", "/tmp", "/dev/shm"):
    with open(f"{folder}/{name}") as file:
        assert file.read() == name
print("unharmed")
"""


@dataclass(frozen=True)
class Others:
    """What there is to reach.

    Attributes:
        names: as ``reach.OTHERS`` has them.
        secret: a word that is in all of it.
    """

    names: dict[str, Any]
    secret: str
    canary: Path
    listeners: tuple[socket.socket, ...]
    serial: int

    def require_unharmed(self) -> None:
        """Nobody was there."""
        assert self.canary.read_text() == f"{CONTENT} {self.secret}"
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                listener.accept()
                raise AssertionError(f"somebody came to {listener.getsockname()}")
        content = ctypes.create_string_buffer(64)
        assert _called(KEYCTL, KEYCTL_READ, self.serial, content, 64) == len(self.secret)
        assert content.value == self.secret.encode()
        with open("/proc/keys") as keys:
            assert "planted" not in keys.read()


def _called(number: int, *arguments: object) -> int:
    widened = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(LIBC.syscall(ctypes.c_long(number), *widened))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


@contextlib.contextmanager
def others_of(cells: Cells) -> Iterator[Others]:
    """Make them all, with a neighbour that runs in a cell of the default place."""
    secret = f"canary-{secrets.token_hex(4)}"  # as long as the name of a process may be
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vibecell-test-")))
        folder.chmod(0o777)
        canary = folder / secret
        canary.write_text(f"{CONTENT} {secret}")
        canary.chmod(0o666)
        listeners = tuple(stack.enter_context(each) for each in _listeners(folder, secret))
        ipc_key = secrets.randbelow(1 << 30) + 1
        stack.enter_context(_system_v(ipc_key))
        stack.enter_context(_queue(secret))
        serial = stack.enter_context(_key(secret))
        pid = stack.enter_context(_neighbour(cells, secret, ipc_key + 1))
        names = {
            "locked": cells.kind.startswith("docker") or os.geteuid() != 0,
            "has_other_user": os.geteuid() == 0,
            "secrets": [secret],
            "files": [str(canary), str(cells.run_dir)],
            "abstract": [secret, f"{secret}-neighbour"],
            "sockets": [str(folder / "socket"), cells.docker_host.removeprefix("unix://") or "/x"],
            "ports": [listeners[-1].getsockname()[1], PORT_OF_NEIGHBOUR],
            "ipc_keys": [ipc_key, ipc_key + 1],
            "queues": [secret],
            "keys": [secret],
            "serials": [serial],
            "pids": [os.getpid(), os.getppid(), pid],
        }
        yield Others(names, secret, canary, listeners, serial)


def _listeners(folder: Path, name: str) -> Iterator[socket.socket]:
    for address in ("\0" + name, str(folder / "socket")):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        listener.setblocking(False)
        yield listener
    (folder / "socket").chmod(0o777)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    yield listener


@contextlib.contextmanager
def _system_v(key: int) -> Iterator[None]:
    shared = _called(SHMGET, key, mmap.PAGESIZE, CREATE | FOR_ALL)
    semaphores = _called(SEMGET, key, 1, CREATE | FOR_ALL)
    queue = _called(MSGGET, key, CREATE | FOR_ALL)
    try:
        yield
    finally:
        _called(SHMCTL, shared, REMOVE, None)
        _called(SEMCTL, semaphores, 0, REMOVE)
        _called(MSGCTL, queue, REMOVE, None)


@contextlib.contextmanager
def _queue(name: str) -> Iterator[None]:
    descriptor = _called(240, name.encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
    try:
        yield
    finally:
        os.close(descriptor)
        _called(241, name.encode())


@contextlib.contextmanager
def _key(name: str) -> Iterator[int]:
    """In the session's keyring, which children inherit if nobody takes it from them."""
    content = name.encode()
    serial = _called(ADD_KEY, b"user", content, content, len(content), SESSION_KEYRING)
    try:
        _called(KEYCTL, KEYCTL_SETPERM, serial, ALL_RIGHTS_OF_ALL)
        yield serial
    finally:
        _called(KEYCTL, KEYCTL_REVOKE, serial)


@contextlib.contextmanager
def _neighbour(cells: Cells, name: str, ipc_key: int) -> Iterator[int]:
    """Its pid, as the host has it."""
    limits = replace(QUICK_LIMITS, wall_time_ms=300_000)
    arguments = (name, str(PORT_OF_NEIGHBOUR), str(ipc_key))
    spec = python(NEIGHBOUR, argv=arguments, limits=limits, interactive=True)
    seen = Gathered()

    async def start() -> tuple[Any, Any, asyncio.Task[Gathered]]:
        cell = await cells.backend.acquire(cells.profile())
        process = await cell.start(spec)
        return cell, process, asyncio.create_task(gather(process, seen))

    cell, process, reading = cells.do(start())
    try:
        cells.wait_until(lambda: b"\n" in seen.stdout)
        assert seen.stdout.split() == [b"ready"], seen
        yield _pid_of(name)
        cells.do(process.write_stdin(b"\n"))
        cells.wait_until(reading.done)
        assert seen.stdout.split() == [b"ready", b"unharmed"], seen
    finally:
        cells.do(cell.destroy())


def _pid_of(name: str) -> int:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name:
                return int(entry.name)
    raise AssertionError("the neighbour is not in sight")
