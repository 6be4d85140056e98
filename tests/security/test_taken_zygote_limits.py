"""The bounds of a fresh wall refuse, whoever has taken its zygote, and others go on.

That they are asked for is known (``test_container_from_outside.py``, ``test_host.py``). Here
they are met: each program takes until it is refused, as root of the zygote's user namespace
and with the way into its cell's cgroup, and the host's counters tell what it had. Meanwhile
programs run behind walls beside it.
"""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from conformance.cells import (
    QUICK_LIMITS,
    Gathered,
    containers_of,
    docker_host_for,
    gather,
    python,
)
from host import lacking
from vibecell.config import Settings
from vibecell.config.settings import DEFAULT_CEILING
from vibecell.sandbox.docker.container import PROFILE_LABEL
from vibecell.sandbox.host.wall_bounds import wall_bounds
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE

from .taken_cells import TakenCells, taken_processes

T = TypeVar("T")
KINDS = ("docker-fresh", "bubblewrap-fresh")
# what a container has of its own: behind bubblewrap files are bounded as memory
in_containers = pytest.mark.parametrize("cells", KINDS[:1], indirect=True)
CPUS = 0.5
UIDS = 1_985_000_000  # no other engine's of this host: its processes are counted here
MIB = 1 << 20
CGROUPS = Path("/sys/fs/cgroup")
LIMITS = replace(QUICK_LIMITS, wall_time_ms=30_000, cpu_time_ms=30_000)
HELPERS = '''
import errno, os, sys, time, taken

def in_child(work):
    """Its wait status; it holds no stream, so that nobody waits for those it has left."""
    pid = os.fork()
    if pid == 0:
        os.closerange(0, 3)
        try:
            work()
        finally:
            os._exit(0)
    return pid
'''


@dataclass(frozen=True)
class Taken:
    """One wall whose zygote was taken, by the host's counters.

    Attributes:
        memory_bytes, processes: what it was given.
        user: its uid on this host.
        pid: a process of its own cgroup.
    """

    memory_bytes: int
    processes: int
    user: int
    pid: int

    def read(self, controller: str, v1: str, v2: str, key: str = "") -> int:
        """A value of its cgroup, in whichever version; the key of a flat-keyed file."""
        lines = Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
        found = {name: path for _, names, path in (x.split(":", 2) for x in lines)
                 for name in names.split(",")}  # fmt: skip
        if controller in found:
            text = (CGROUPS / controller / found[controller][1:] / v1).read_text()
        else:
            text = (CGROUPS / found[""][1:] / v2).read_text()
        if not key:
            return int(text)
        return int(re.findall(rf"^{key} (\d+)$", text, re.MULTILINE)[0])

    def living(self) -> int:
        """Processes of all its users, and wherever they are counted."""
        users = range(self.user, self.user + BLOCK_SIZE)
        count = 0
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                count += entry.name.isdigit() and entry.stat().st_uid in users
        return count


@pytest.fixture(scope="module", params=KINDS)
def cells(request: pytest.FixtureRequest) -> Iterator[TakenCells]:
    kind = str(request.param)
    if os.geteuid() != 0:
        lacking("root, to have cgroups and uids")
    settings = {"cell_cpus": CPUS, "uid_base": UIDS}
    with TakenCells(kind, docker_host=docker_host_for(kind, request), **settings) as cells:
        yield cells


def attacked(
    cells: TakenCells, source: str, measure: Callable[[Taken], T]
) -> tuple[list[str], T, T]:
    """What the program prints, and what is measured before and after; others run meanwhile."""

    async def others(ended: asyncio.Event) -> None:
        while True:
            run = await cells.run(python("print('hello', 6 * 7)"))
            assert (run.stdout, run.exit.exit_code) == (b"hello 42\n", 0)
            if ended.is_set():
                return

    async def whole() -> tuple[Gathered, T, T]:
        ended = asyncio.Event()
        async with cells.cell("taken") as cell:
            taken = taken_of(cells)
            before = measure(taken)
            beside = asyncio.create_task(others(ended))
            seen = await gather(await cell.start(python(HELPERS + source, limits=LIMITS)))
            after = measure(taken)
            ended.set()
            await beside
        return seen, before, after

    seen, before, after = cells.do(whole())
    return seen.stdout.decode().splitlines(), before, after


def taken_of(cells: TakenCells) -> Taken:
    if cells.kind.startswith("bubblewrap"):
        bounds = wall_bounds(Settings(), "fresh", counts_programs=True, has_users=True)
        pids = [x for x in taken_processes() if Path(f"/proc/{x}").stat().st_uid >= UIDS]
        places = {pid: Path(f"/proc/{pid}/cgroup").read_text() for pid in pids}
        assert len(set(places.values())) == 1, places
        user = min(Path(f"/proc/{pid}").stat().st_uid for pid in pids)
        return Taken(bounds.memory_bytes, bounds.processes, user, pids[0])
    (found,) = [
        each
        for each in containers_of(cells)
        if each["Config"]["Labels"][PROFILE_LABEL] == "taken" and each["State"]["Pid"]
    ]
    user = int(found["Config"]["User"].partition(":")[0])
    asked = found["HostConfig"]
    return Taken(asked["Memory"], asked["PidsLimit"], user, found["State"]["Pid"])


def test_processes_are_refused(cells: TakenCells) -> None:
    source = """
made = 0
while made < 600:
    try:
        in_child(lambda: time.sleep(60))
    except OSError as error:
        print(errno.errorcode[error.errno], made)
        break
    made += 1
"""
    said, _, (refusals, current, everywhere, asked) = attacked(
        cells,
        source,
        lambda taken: (
            taken.read("pids", "pids.events", "pids.events", "max"),
            taken.read("pids", "pids.current", "pids.current"),
            taken.living(),
            taken.processes,
        ),
    )
    assert said and said[-1].startswith("EAGAIN "), said
    assert 0 < int(said[-1].split()[1]) < asked
    assert refusals > 0
    assert current == everywhere
    assert asked - 2 <= current <= asked  # what had asked for more has ended


def test_processes_are_refused_though_they_leave_for_the_cells_cgroup(cells: TakenCells) -> None:
    """Nobody who is moved into a cgroup is refused there: what bounds them is their user's."""
    source = """
made = 0
joins = taken.kept[-1][1:]

def leave():
    for join in joins:
        os.write(join, b"0")
    os.setresgid(made % 1000 + 1, -1, -1)
    os.setresuid(*[made % 1000 + 1] * 3)
    os.write(tell, b"x")
    os.closerange(0, 4096)
    time.sleep(60)

told, tell = os.pipe()
while made < 600:
    try:
        in_child(leave)
    except OSError as error:
        print(errno.errorcode[error.errno], made)
        break
    os.read(told, 1)
    made += 1
print("end", made)
"""
    said, _, (current, everywhere, asked) = attacked(
        cells,
        source,
        lambda taken: (
            taken.read("pids", "pids.current", "pids.current"),
            taken.living(),
            taken.processes,
        ),
    )
    assert said and said[0].startswith("EAGAIN "), said
    assert current < asked, "they have left: it is not that which refuses"
    assert asked < everywhere <= asked + DEFAULT_CEILING.processes


def test_memory_beyond_it_kills_and_none_is_swapped(cells: TakenCells) -> None:
    source = """
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)

def eat():
    held = []
    while len(held) < 128:
        held.append(bytearray(os.urandom(1 << 20) * 16))

def fill():
    if libc.unshare(0x20000) or libc.mount(b"x", b"/tmp", b"tmpfs", 0, b"size=100g"):
        os._exit(1)
    held = []
    while len(held) < 128:
        file = os.open(f"/tmp/{len(held)}", os.O_CREAT | os.O_RDWR)
        os.ftruncate(file, 16 << 20)
        held.append(mmap.mmap(file, 16 << 20))  # so that it is known whose it is
        held[-1].write(bytes(16 << 20))

for work in (eat, fill):
    status = os.waitpid(in_child(work), 0)[1]
    print(work.__name__, os.WTERMSIG(status) or errno.errorcode[os.WEXITSTATUS(status)])
"""
    said, _, (asked, peak, with_swap, swapped, kills) = attacked(
        cells,
        source,
        lambda taken: (
            taken.memory_bytes,
            taken.read("memory", "memory.max_usage_in_bytes", "memory.peak"),
            taken.read("memory", "memory.memsw.max_usage_in_bytes", "memory.peak"),
            swapped_bytes(taken),
            taken.read("memory", "memory.oom_control", "memory.events", "oom_kill"),
        ),
    )
    assert said == ["eat 9", "fill 9"]
    assert 0.9 * asked < peak <= asked
    assert with_swap <= asked
    assert swapped == 0
    assert kills >= 2


def swapped_bytes(taken: Taken) -> int:
    """Source: cgroup-v1/memory.rst, "stat file"; cgroup-v2.rst, memory.swap.current"""
    if (CGROUPS / "memory").is_dir():
        return taken.read("memory", "memory.stat", "", "total_swap")
    return taken.read("memory", "", "memory.swap.current")


def test_no_more_processor_time_is_had(cells: TakenCells) -> None:
    """Spun on all processors, for two seconds."""
    source = """
def spin():
    while True:
        pass

for _ in range(4):
    in_child(spin)
time.sleep(2)
"""

    def used(taken: Taken) -> tuple[float, int]:
        if (CGROUPS / "cpuacct").is_dir():
            return time.monotonic(), taken.read("cpuacct", "cpuacct.usage", "")
        used_us = taken.read("cpu", "", "cpu.stat", "usage_usec")
        return time.monotonic(), used_us * 1000

    said, (from_s, from_ns), (to_s, to_ns) = attacked(cells, source, used)
    share = (to_ns - from_ns) / 1e9 / (to_s - from_s)
    assert said == []
    # a period may be begun before and ended after
    assert 0.5 * CPUS < share < 1.25 * CPUS + 0.05


@in_containers
def test_space_and_files_are_refused_everywhere(cells: TakenCells) -> None:
    source = """
def fill(place):
    size = 0
    with open(f"{place}/large", "wb", 0) as file:
        try:
            while size < 1 << 30:
                size += file.write(bytes(4096))
        except OSError as error:
            print(place, "space", errno.errorcode[error.errno], size)
    os.unlink(f"{place}/large")
    count = 0
    try:
        while count < 1 << 20:
            os.close(os.open(f"{place}/{count}", os.O_CREAT | os.O_WRONLY))
            count += 1
    except OSError as error:
        print(place, "files", errno.errorcode[error.errno], count)
    for number in range(count):
        os.unlink(f"{place}/{number}")

with open("/proc/self/mountinfo") as mountinfo:
    places = {line.split()[4] for line in mountinfo} | {"/workspace", "/", "/home", "/var/tmp"}
for place in sorted(map(os.path.realpath, places)):
    if os.path.isdir(place) and os.access(place, os.W_OK):
        fill(place)
"""
    said, _, _ = attacked(cells, source, lambda _: None)
    told = {tuple(line.split()[:2]): line.split()[2:] for line in said}
    assert {place for place, _ in told} == {"/tmp", "/dev/shm", "/run"}, said
    assert all(error == "ENOSPC" for error, _ in told.values()), said
    space = {place: int(amount) for (place, what), (_, amount) in told.items() if what == "space"}
    files = {place: int(amount) for (place, what), (_, amount) in told.items() if what == "files"}
    assert 15 * MIB < space["/tmp"] <= 16 * MIB
    assert sum(space.values()) <= 18 * MIB
    assert 900 < files["/tmp"] <= 1024
    assert sum(files.values()) <= 1100


@in_containers
def test_open_files_are_refused(cells: TakenCells) -> None:
    source = """
import resource
for limit in ((8192, 8192), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE,
                 resource.RLIMIT_MEMLOCK):
        try:
            resource.setrlimit(kind, limit)
            if kind == resource.RLIMIT_NOFILE or limit[0] == resource.RLIM_INFINITY:
                print("raised", kind)
        except (ValueError, OSError):
            pass
held = []
try:
    while len(held) < 100_000:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(errno.errorcode[error.errno], len(held))
"""
    said, _, _ = attacked(cells, source, lambda _: None)
    assert len(said) == 1, said
    error, count = said[0].split()
    assert error == "EMFILE" and 4000 < int(count) <= 4096
