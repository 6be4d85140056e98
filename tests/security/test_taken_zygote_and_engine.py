"""What a zygote that was taken over can do to the engine, and to what the engine gives out again.

It holds one end of the control socket, of the sockets of its cells, and the way into the
cgroups of every cell it was asked for. The engine must end a wall that misbehaves, in
bounded time and with nobody else noticing, and give nothing of it to another wall
before it is gone. Behind a *shared* wall all cells are the zygote's, by design: they are its
forks. Behind a fresh one there is no other.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.cells import docker_host_for, gather, python
from host import lacking
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.backend import Output
from vibecell.sandbox.framed import zygote_link
from vibecell.sandbox.framed.cell import FramedCell
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE

from .taken_cells import TakenCells, taken_processes, taken_profile

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
PIDFD_GETFD = 438
# a fresh wall of bubblewrap differs from these in nothing that is tried here
KINDS = ("docker-fresh", "docker-shared", "bubblewrap-shared")
SETTLE_S = 30.0
WAIT = "import sys, taken\nprint({}, flush=True)\nsys.stdin.read()\n"
HELD = WAIT.format("*taken.kept[-1][1:]")
# leaves the cell, and comes back by what it has kept, whoever is in there by then
KEEPS = """
import os, time, taken
print(*[os.readlink(f"/proc/self/fd/{fd}") for fd in taken.kept[-1][1:]])
if os.fork() == 0:
    for fd in range(3):
        os.close(fd)
    if os.fork() == 0:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for fd in taken.kept[-1][1:][CHOSEN]:
                try:
                    os.write(fd, b"0")
                except OSError:
                    pass
            time.sleep(0.02)
    os._exit(0)
"""
SPEAKS = "import os, taken\nos.write(taken.control, b'x')\nprint(1)\n"
STAYS = """
import ctypes, time
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
control.send(b"x")
time.sleep(600)
"""
FORGES = """
import os, socket, struct, time
named = os.fork()
if named == 0:
    time.sleep(600)
link = socket.socket(fileno=kept[-1][0])
with open("/proc/self/uid_map") as uids:
    last = int(uids.read().split()[2]) - 1
told = struct.pack("3i", named, last, last)
hello = frames.encode_control(frames.HELLO, {"protocol": frames.PROTOCOL_VERSION})
link.sendmsg([hello], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, told)])
"""
MISBEHAVIOURS = {
    "says nothing at first": {"instead_of_ready": "import time; time.sleep(600)"},
    "says nonsense at first": {"instead_of_ready": "control.send(bytes(range(256)))"},
    "is ready twice": {"instead_of_ready": "control.send(b'{\"ready\":true}')"},
    "is not ready and goes": {"instead_of_ready": "import os; os._exit(0)"},
    "answers no fork": {"instead_of_hello": "pass"},
    "answers with nonsense": {"instead_of_hello": "import os; os.write(kept[-1][0], bytes(9999))"},
    "answers what only the engine says": {
        "instead_of_hello": "import os; os.write(kept[-1][0], frames.encode(frames.START, b'{}'))"
    },
    "answers a byte at a time": {
        "instead_of_hello": """
import os, time
os.write(kept[-1][0], frames.HEADER.pack(frames.MAX_CONTROL_BYTES, frames.HELLO, 0))
while True:
    os.write(kept[-1][0], b"{")
    time.sleep(0.05)
"""
    },
    "answers on the control socket": {
        "instead_of_hello": "control.send(frames.encode_control(frames.HELLO, {'protocol': 1}))"
    },
    "answers with a socket of its own": {
        "instead_of_hello": """
import socket
own = socket.socketpair()
socket.send_fds(control, [b"{}"], [own[0].fileno(), *kept[-1]])
"""
    },
    "answers with descriptors": {
        "instead_of_hello": """
import socket
with socket.socket(fileno=kept[-1][0]) as link:
    socket.send_fds(link, [bytes(100)], [control.fileno()] * 50)
"""
    },
    "reports a failure": {
        "instead_of_hello": """
import os
report = {"step": "x" * 9999, "detail": ["\\x1b[31m"] * 999}
os.write(kept[-1][0], frames.encode_control(frames.FAILURE, report))
"""
    },
    "hangs up": {"instead_of_hello": "import os; [os.close(fd) for fd in kept.pop()]"},
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def cells(request: pytest.FixtureRequest) -> Iterator[TakenCells]:
    """For each misbehaviour a profile."""
    kind = str(request.param)
    profiles = (
        taken_profile(),
        taken_profile("taken-kept"),
        taken_profile("taken-forger", instead_of_hello=FORGES),
        taken_profile("taken-stays", after_fork=STAYS),
        *(taken_profile(f"taken-{n}", **told) for n, told in enumerate(MISBEHAVIOURS.values())),
    )
    with TakenCells(kind, profiles, docker_host_for(kind, request)) as cells:
        yield cells


async def begun(cells: TakenCells, source: str, name: str = "taken") -> tuple[FramedCell, bytes]:
    """A program that goes on, and the first line it has printed."""
    cell = await cells.backend.acquire(cells.profile(name))
    assert isinstance(cell, FramedCell)
    process = await cell.start(python(source, interactive=True))
    said = b""
    async for occurrence in process.read():
        if isinstance(occurrence, Output):
            said += occurrence.data
        if b"\n" in said:
            break
    return cell, said


def pid_of(pidfd: int) -> int:
    """Whom a descriptor holds, by its number here; -1 when it has ended.

    Source: pidfd_open(2)
    """
    told = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    return int(re.findall(r"^Pid:\s*(-?\d+)$", told, re.MULTILINE)[0])


def copied(cell: FramedCell, numbers: list[int]) -> list[int]:
    """Copies of descriptors of a cell's process: they stay when it has ended."""
    return [int(LIBC.syscall(PIDFD_GETFD, cell._pidfd, number, 0)) for number in numbers]


def joined_by(descriptor: int) -> int:
    """A process of ours joins by it: 0, or the number of the error."""
    child = os.fork()
    if child == 0:
        try:
            os.write(descriptor, b"0")
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_it_has_what_a_zygote_has(cells: TakenCells) -> None:
    look = """
import os, taken
with open("/proc/self/status") as status:
    print([line.split()[1] for line in status if line.startswith(("CapEff", "Seccomp:", "NoNew"))])
with open("/proc/self/uid_map") as uids:
    print(uids.read().split()[2])
print(os.readlink(f"/proc/self/fd/{taken.control}")[:7], len(taken.kept[-1]) - 1)
"""
    told = cells.do(cells.run(python(look), "taken")).stdout.decode().splitlines()
    assert told[0] == "['000001ffffffffff', '1', '2']"
    assert told[1] == str(BLOCK_SIZE if os.geteuid() == 0 else 1)
    control, joins = told[2].split()
    assert control == "socket:" and int(joins) == len(hierarchies(cells))


def hierarchies(cells: TakenCells) -> list[str]:
    """Those in which a cell has a cgroup; none where the host grants none."""

    async def look() -> list[str]:
        async with cells.cell() as cell:
            assert isinstance(cell, FramedCell)
            cgroup = cell.identity.cgroup
            return list(cgroup._procs) if cgroup is not None else []

    return cells.do(look())


@pytest.mark.parametrize("chosen", [":", ":1"], ids=["all", "one"])
def test_a_kept_way_into_a_cgroup_leads_to_no_other_wall(cells: TakenCells, chosen: str) -> None:
    """Whoever comes into the cgroup of a cell that has ended is put out; nobody else pays."""
    if not hierarchies(cells):
        lacking("cgroups that cells can have")
    others = set[str]()

    async def honest() -> None:
        async with cells.cell() as cell:
            assert isinstance(cell, FramedCell) and cell.identity.cgroup is not None
            others.update(cell.identity.cgroup._procs)
            seen = await gather(await cell.start(python("import time; time.sleep(.3); print(1)")))
            assert seen.stdout == b"1\n"
            assert cell.identity.cgroup.usage().processes_peak in (None, 1)

    source = KEEPS.replace("CHOSEN", chosen)
    ways = cells.do(cells.run(python(source), "taken")).stdout.decode().split()
    assert all(way.endswith("/cgroup.procs") for way in ways) and ways
    for _ in range(3):
        cells.do(honest())
    assert others and not others & set(ways)
    cells.wait_until(lambda: not any(map(os.path.exists, ways)), SETTLE_S)
    assert [way for way in ways if os.path.exists(way)] == []


def test_nobody_joins_by_what_was_kept_when_the_wall_has_ended(cells: TakenCells) -> None:
    if not hierarchies(cells):
        lacking("cgroups that cells can have")
    cell, said = cells.do(begun(cells, HELD, "taken-kept"))
    kept = copied(cell, [int(number) for number in said.split()])
    try:
        assert kept and min(kept) >= 0
        assert {joined_by(descriptor) for descriptor in kept} == {0}, "the probe does not work"
        if cells.kind.endswith("shared"):
            other, _ = cells.do(begun(cells, SPEAKS, "taken-kept"))
            cells.do(other.destroy())
        cells.do(cell.destroy())
        cells.wait_until(lambda: not taken_processes("taken-kept"), SETTLE_S)
        assert taken_processes("taken-kept") == []
        cells.wait_until(lambda: joined_by(kept[0]) != 0)  # its last cgroup goes after it
        assert {joined_by(descriptor) for descriptor in kept} == {errno.ENODEV}
        for descriptor in kept:
            with pytest.raises(OSError, match="No such device"):
                os.write(descriptor, str(os.getpid()).encode())
    finally:
        for descriptor in kept:
            os.close(descriptor)


def test_whoever_it_says_to_be_is_of_its_wall(cells: TakenCells) -> None:
    """Root of a user namespace may forge the sender of a message; the kernel knows whom."""
    cell = cells.do(cells.backend.acquire(cells.profile("taken-forger")))
    assert isinstance(cell, FramedCell)
    named = pid_of(cell._pidfd)
    assert named in taken_processes("taken-forger")
    assert cells.run_python("print(1)").stdout == b"1\n"
    cells.do(cell.destroy())
    cells.wait_until(lambda: named not in taken_processes("taken-forger"))
    assert named not in taken_processes("taken-forger"), "whom it named is who is killed for it"


@pytest.mark.parametrize("what", MISBEHAVIOURS)
def test_a_wall_whose_zygote_misbehaves_is_ended(
    cells: TakenCells, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_link, "READY_DEADLINE_S", 1.0)
    monkeypatch.setattr(zygote_link, "HELLO_DEADLINE_S", 0.5)
    name = f"taken-{list(MISBEHAVIOURS).index(what)}"

    async def both() -> list[Any]:
        taken, honest = cells.run(python("print(1)"), name), cells.run(python("print(2)"))
        return list(await asyncio.gather(taken, honest, return_exceptions=True))

    began_s = time.monotonic()
    taken, honest = cells.do(both())
    assert honest.stdout == b"2\n"
    assert time.monotonic() - began_s < SETTLE_S
    # who is ready twice may have served once by then
    assert isinstance(taken, SandboxFailure) or what == "is ready twice", taken
    assert str(taken).isprintable() and len(str(taken)) < 1000
    cells.wait_until(lambda: not taken_processes(name), SETTLE_S)
    assert taken_processes(name) == []
    assert cells.run_python("print(3)").stdout == b"3\n"


def test_a_zygote_that_will_not_go_is_ended(cells: TakenCells) -> None:
    """It hears nothing, and has told the kernel not to end it with whoever has started it."""
    with contextlib.suppress(SandboxFailure):  # the wall may be ended before that begins
        cells.do(cells.run(python("print(1)"), "taken-stays"))
    cells.wait_until(lambda: not taken_processes("taken-stays"), SETTLE_S)
    assert taken_processes("taken-stays") == []


def test_cells_of_a_shared_wall_are_within_reach_and_those_of_fresh_walls_are_not(
    cells: TakenCells,
) -> None:
    """By design: a cell that is to be safe from others' zygotes has a wall of its own."""
    reach = """
import os, sys, taken
own = (1, os.getpid(), os.getppid())
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) in own:
        continue
    with open(f"/proc/{pid}/comm") as comm:
        if comm.read().strip() == "of-another-cell":
            found.append(pid)
if len(taken.kept) > 1:
    for fd in taken.kept[-2][1:]:
        os.write(fd, b"0")
print("found", len(found), "joined", len(taken.kept) > 1)
"""
    name = "import ctypes; ctypes.CDLL(None).prctl(15, b'of-another-cell', 0, 0, 0)\n"
    cell, _ = cells.do(begun(cells, name + HELD))
    run = cells.do(cells.run(python(reach), "taken"))
    cells.do(cell.destroy())
    expected = (
        b"found 1 joined True\n" if cells.kind.endswith("shared") else b"found 0 joined False\n"
    )
    assert run.stdout == expected, run
