"""Two cells behind one wall of bubblewrap, their programs running, as the host's kernel shows them.

The engine was started by somebody careless, whose files anybody may write to and who is in
groups of the host: nothing of that goes through. What a program can try is in ``attacks/``;
here is what it could not see, or what holds only if something else fails, too.
"""

import contextlib
import os
import re
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conformance.cells import QUICK_LIMITS, Cells, Gathered, pid_namespaces, python, until
from host import lacking
from vibecell.model.limits import Limits
from vibecell.sandbox.mechanisms import landlock, rlimits
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE

MIB = 1 << 20
UIDS = 1_987_000_000
GROUPS_OF_THE_ENGINE = [4, 27]
LIMITS = replace(QUICK_LIMITS, wall_time_ms=60_000, workspace_bytes=8 * MIB, open_files=77)
ASLEEP = "import os, time\nprint(os.readlink('/proc/self/ns/pid'))\ntime.sleep(60)"
# capabilities(7)
KILL, SETGID, SETUID, SYS_ADMIN, SYS_RESOURCE = 5, 6, 7, 21, 24
NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")


@dataclass(frozen=True)
class Running:
    """The processes of one cell, by their numbers on this host."""

    zygote: int
    agent: int
    program: int


@dataclass(frozen=True)
class Walled:
    """A backend and two of its cells."""

    cells: Cells
    first: Running
    second: Running


@contextlib.contextmanager
def careless() -> Iterator[None]:
    """This process as its engine was started: no bits masked, and in groups."""
    groups, mask = os.getgroups(), os.umask(0)
    os.setgroups(GROUPS_OF_THE_ENGINE)
    try:
        yield
    finally:
        os.setgroups(groups)
        os.umask(mask)


@pytest.fixture(scope="module")
def walled() -> Iterator[Walled]:
    if os.geteuid() != 0:
        lacking("root, to have uids and groups to give up")
    with contextlib.ExitStack() as until_done:
        with careless():
            cells = until_done.enter_context(
                Cells("bubblewrap-shared", ("python-light",), uid_base=UIDS)
            )
        running = [started(cells, until_done) for _ in range(2)]
        yield Walled(cells, *running)


def started(cells: Cells, until_done: contextlib.ExitStack, limits: Limits = LIMITS) -> Running:
    """A cell whose program is asleep."""

    async def start() -> str:
        cell = await cells.backend.acquire(cells.profile())
        until_done.callback(lambda: cells.do(cell.destroy()))
        seen = Gathered()
        await until(await cell.start(python(ASLEEP, limits=limits)), b"]\n", seen)
        return seen.stdout.decode().strip()

    namespace = cells.do(start())
    inside = pid_namespaces()[namespace]
    numbers = {int(status(pid)["NSpid"].split()[-1]): pid for pid in inside}
    agent = numbers.pop(1)
    (program,) = numbers.values()
    return Running(int(status(agent)["PPid"]), agent, program)


def status(pid: int) -> dict[str, str]:
    """Source: proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def capabilities(pid: int, name: str) -> set[int]:
    held = int(status(pid)[name], 16)
    return {number for number in range(64) if held >> number & 1}


def ids(pid: int) -> set[int]:
    """Every uid and gid it has, as this host numbers them."""
    return {int(each) for name in ("Uid", "Gid") for each in status(pid)[name].split()}


def held_by(pid: int) -> list[str]:
    """What its descriptors lead to, of which kind."""
    found = []
    for entry in sorted(Path(f"/proc/{pid}/fd").iterdir(), key=lambda each: int(each.name)):
        leads_to = os.readlink(entry)
        found.append("directory" if stat.S_ISDIR(entry.stat().st_mode) else leads_to)
    return [re.sub(r"\W*\d+\W*$", "", each) for each in found]


def test_an_agent_can_do_little_more_than_its_program_while_that_runs(walled: Walled) -> None:
    for running in (walled.first, walled.second):
        for name in ("CapEff", "CapPrm"):
            assert capabilities(running.agent, name) == {KILL, SETGID, SETUID, SYS_RESOURCE}
        for name in ("CapInh", "CapBnd", "CapAmb"):
            assert capabilities(running.agent, name) == set()


def test_an_agent_that_waits_can_besides_mount_and_no_more(walled: Walled) -> None:
    zygote = walled.first.zygote
    children = Path(f"/proc/{zygote}/task/{zygote}/children")

    def waiting() -> list[set[int]]:
        agents = {int(pid) for pid in children.read_text().split()}
        agents -= {walled.first.agent, walled.second.agent}
        return [capabilities(pid, name) for pid in agents for name in ("CapEff", "CapPrm")]

    wanted = {KILL, SETGID, SETUID, SYS_RESOURCE, SYS_ADMIN}
    walled.cells.wait_until(lambda: bool(waiting()) and all(x == wanted for x in waiting()))
    assert waiting() and all(held == wanted for held in waiting()), waiting()


def test_nobody_behind_it_gains_anything_or_is_unfiltered(walled: Walled) -> None:
    for running in (walled.first, walled.second):
        for pid in (running.zygote, running.agent, running.program):
            assert status(pid)["NoNewPrivs"] == "1"
            assert status(pid)["Seccomp"] == "2"
        # the filter of a program comes on top of the wall's
        assert int(status(running.program)["Seccomp_filters"]) == 2


def test_nobody_behind_it_is_in_a_group_of_the_engines(walled: Walled) -> None:
    for running in (walled.first, walled.second):
        for pid in (running.zygote, running.agent, running.program):
            assert status(pid)["Groups"].split() == []


def test_files_of_a_program_are_its_own_to_write_whatever_the_engine_masks(walled: Walled) -> None:
    assert {status(each.program)["Umask"] for each in (walled.first, walled.second)} == {"0022"}
    run = walled.cells.run_python(
        "import os\nopen('/tmp/x', 'w'); os.mkdir('/tmp/d')\n"
        "print(*(oct(os.stat(x).st_mode & 0o777) for x in ('/tmp/x', '/tmp/d')))"
    )
    assert run.stdout == b"0o644 0o755\n"


def test_every_cell_has_a_uid_of_its_own_that_nobody_else_has(walled: Walled) -> None:
    agents, programs = set(), set()
    for running in (walled.first, walled.second):
        agent, program = ids(running.agent), ids(running.program)
        assert len(program) == 1, "real, effective, saved and of files, of user and of group"
        programs |= program
        agents |= agent - program  # it acts on files as its program
    assert len(agents) == 1 and len(programs) == 2
    first = agents.pop()
    assert first >= UIDS
    assert programs <= set(range(first + 1, first + BLOCK_SIZE))


def test_two_programs_and_the_host_have_no_namespace_in_common(walled: Walled) -> None:
    everybody = ("self", walled.first.zygote, walled.first.program, walled.second.program)
    for kind in NAMESPACES:
        each = [os.readlink(f"/proc/{pid}/ns/{kind}") for pid in everybody]
        assert len(set(each)) == len(everybody), (kind, each)


def test_a_zygote_holds_its_streams_its_socket_and_its_namespace(walled: Walled) -> None:
    assert sorted(held_by(walled.first.zygote)[3:]) == ["pid", "socket"]


def test_an_agent_holds_no_way_back_to_its_zygote(walled: Walled) -> None:
    for running in (walled.first, walled.second):
        held = held_by(running.agent)[3:]
        assert held.count("socket") == 1, "that of its engine"
        assert not [each for each in held if each in ("pid", "net", "mnt", "user")], held


def test_a_program_holds_its_streams_alone(walled: Walled) -> None:
    assert held_by(walled.first.program) == ["pipe", "pipe", "pipe"]


def test_nobody_waits_for_the_zygote_to_reap_it(walled: Walled) -> None:
    zygote = walled.first.zygote
    assert int(status(zygote)["SigIgn"], 16) >> (signal.SIGCHLD - 1) & 1


def test_a_program_has_the_limits_it_was_given_and_those_nobody_can_change(walled: Walled) -> None:
    lines = Path(f"/proc/{walled.first.program}/limits").read_text().splitlines()
    told = {line[:26].strip(): tuple(line[26:68].split()) for line in lines[1:]}
    cpu_s = str(LIMITS.cpu_time_ms // 1000 + 1)
    # one more than is granted: where cgroups count, they refuse first, and tell
    most = str(LIMITS.processes + rlimits.SPARE_PROCESSES)
    wanted = {
        "Max cpu time": (cpu_s, cpu_s),
        "Max file size": (str(8 * MIB), str(8 * MIB)),
        "Max stack size": (str(8 * MIB), str(64 * MIB)),
        "Max core file size": ("0", "0"),
        "Max processes": (most, most),
        "Max open files": ("77", "77"),
        "Max locked memory": ("0", "0"),
        "Max pending signals": ("256", "256"),
        "Max msgqueue size": ("0", "0"),
        "Max nice priority": ("0", "0"),
        "Max realtime priority": ("0", "0"),
    }
    assert {name: told[name] for name in wanted} == wanted


def mounts_of(pid: int) -> dict[str, tuple[set[str], dict[str, str]]]:
    """Options of each mount, and of its file system. Source: proc_pid_mountinfo(5)."""
    found = {}
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        fields = line.split()
        special = dict(x.partition("=")[::2] for x in fields[-1].split(","))
        found[fields[4]] = ({*fields[5].split(",")} - {"relatime"}, special)
    return found


@pytest.mark.parametrize("workspace_mib", [8, 64], ids=["resized", "as it was made"])
def test_what_a_program_can_write_to_is_small_and_starts_nothing(
    walled: Walled, workspace_mib: int
) -> None:
    """Only the workspace may hold programs, and no file of any gives a right or is a device."""
    with contextlib.ExitStack() as until_done:
        running = walled.first
        if workspace_mib != 8:
            limits = replace(LIMITS, workspace_bytes=workspace_mib * MIB)
            running = started(walled.cells, until_done, limits)
        mounts = mounts_of(running.program)
    writable = {place for place, (options, _) in mounts.items() if "rw" in options}
    assert writable == {"/workspace", "/tmp", "/dev/shm", "/proc", "/dev/pts"} | {
        f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")
    }
    assert mounts["/workspace"][0] == {"rw", "nosuid", "nodev"}
    for place in ("/tmp", "/dev/shm", "/proc"):
        assert mounts[place][0] == {"rw", "nosuid", "nodev", "noexec"}, place
    assert mounts["/run"][0] == {"ro", "nosuid", "nodev", "noexec"}
    assert mounts["/proc"][1]["subset"] == "pid"
    options, special = mounts["/dev/pts"]
    assert options == {"rw", "nosuid", "noexec"}  # it holds devices: terminals, and no others
    assert (special["mode"], special["ptmxmode"], special["max"]) == ("620", "666", "16")
    kib = workspace_mib * 1024
    for place, size_kib, inodes in (
        ("/workspace", kib, max(4608, workspace_mib * 64)),
        ("/tmp", kib, max(4608, workspace_mib * 64)),
        ("/dev/shm", 16 * 1024, 1024),
        ("/run", 64, 16),
    ):
        special = mounts[place][1]
        assert (special["size"], special["nr_inodes"]) == (f"{size_kib}k", str(inodes)), place


def test_what_is_shown_is_written_to_the_engine_and_read_by_no_program(walled: Walled) -> None:
    fifo = (Path(f"/proc/{walled.first.program}/root") / "run" / "display").stat()
    assert stat.S_ISFIFO(fifo.st_mode)
    assert stat.S_IMODE(fifo.st_mode) == 0o622
    assert str(fifo.st_uid) not in status(walled.first.program)["Uid"].split()


def test_nothing_of_proc_is_a_programs_to_change_not_even_its_own(walled: Walled) -> None:
    """The mount allows it and the file is its own: it is Landlock that does not."""
    if not landlock.supported_abi():
        lacking("Landlock")
    run = walled.cells.run_python(
        "for name in ('comm', 'oom_score_adj', 'timerslack_ns', 'coredump_filter'):\n"
        "    try:\n        open(f'/proc/self/{name}', 'w').write('7')\n"
        "    except PermissionError:\n        print('refused')"
    )
    assert run.stdout == b"refused\n" * 4, run
