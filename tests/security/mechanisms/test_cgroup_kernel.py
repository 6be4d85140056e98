"""Cgroups of the running host: bounds hold, everything ends, nothing is left."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager

pytestmark = pytest.mark.kernel
MIB = 1 << 20
FORK_BOMB = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"


@pytest.fixture
def cell(cgroups: CgroupManager) -> Iterator[Cgroup]:
    cgroup = cgroups.create("cell")
    cgroup.set_limits(memory_bytes=64 * MIB, processes=16, cpus=1.0)
    yield cgroup
    wait_until_empty(cgroup)
    cgroup.remove()


def wait_until_empty(cgroup: Cgroup) -> None:
    deadline = time.monotonic() + 5
    while cgroup.processes():
        cgroup.kill()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def charged_processes(cgroup: Cgroup) -> int:
    return int(Path(cgroup._pids / "pids.current").read_text())


def run_in(cgroup: Cgroup, code: str, passed: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """A child that joins every hierarchy before it does anything else."""
    fds = cgroup.join_descriptors()
    join = f"import os\nfor fd in {fds}:\n os.write(fd, b'0'); os.close(fd)\n"
    return subprocess.Popen([sys.executable, "-S", "-c", join + code], pass_fds=[*fds, *passed])


def test_use_is_measured(cell: Cgroup) -> None:
    code = "import time\nx = bytearray(b'1' * (20 << 20))\nwhile time.process_time() < 0.2: pass"
    assert run_in(cell, code).wait() == 0
    usage = cell.usage()
    assert 150_000_000 <= usage.cpu_time_ns < 2_000_000_000
    assert 20 * MIB <= usage.memory_peak_bytes <= 64 * MIB
    assert usage.processes_peak in (None, 1)
    assert not cell.memory_limit_hit() and not cell.process_limit_hit()


def test_processor_time_of_short_lived_children_is_counted(cell: Cgroup) -> None:
    code = (
        "import os, time\nfor _ in range(10):\n"
        " if os.fork() == 0:\n"
        "  while time.process_time() < 0.02: pass\n"
        "  os._exit(0)\n os.wait()"
    )
    assert run_in(cell, code).wait() == 0
    assert cell.usage().cpu_time_ns >= 150_000_000


def test_memory_beyond_the_limit_kills_and_is_told(cell: Cgroup) -> None:
    notified = cell.oom_eventfd()
    child = run_in(cell, "x = bytearray(b'1' * (200 << 20))")
    assert child.wait() == -9
    assert cell.memory_limit_hit()
    if notified is not None:
        assert select.select([notified], [], [], 2)[0]
        os.close(notified)


def test_memory_of_children_counts_together(cell: Cgroup) -> None:
    code = (
        "import os, time\nfor _ in range(8):\n"
        " if os.fork() == 0:\n"
        "  x = bytearray(b'1' * (20 << 20)); time.sleep(1); os._exit(0)\n"
        "time.sleep(1)"
    )
    child = run_in(cell, code)
    deadline = time.monotonic() + 5
    while not cell.memory_limit_hit() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert cell.memory_limit_hit()
    cell.kill()
    child.wait()


def test_a_fork_bomb_is_bounded_and_ended(cell: Cgroup) -> None:
    child = run_in(cell, FORK_BOMB)
    deadline = time.monotonic() + 5
    while not cell.process_limit_hit() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert cell.process_limit_hit()
    assert cell.processes() <= 16
    cell.kill()
    assert child.wait() == -9
    wait_until_empty(cell)


def test_a_fork_bomb_is_ended_without_cgroup_kill(
    cell: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = run_in(cell, FORK_BOMB)
    deadline = time.monotonic() + 5
    while not cell.process_limit_hit() and time.monotonic() < deadline:
        time.sleep(0.005)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda p: p.name != "cgroup.kill" and exists(p))
    cell.kill()
    assert child.wait() == -9
    assert cell.processes() == 0


def test_one_cell_is_ended_and_its_neighbour_lives(cell: Cgroup, cgroups: CgroupManager) -> None:
    neighbour = cgroups.create("neighbour")
    neighbour.set_limits(64 * MIB, 8)
    mine, other = run_in(cell, "input()"), run_in(neighbour, "import time; time.sleep(30)")
    deadline = time.monotonic() + 5
    while not neighbour.processes() and time.monotonic() < deadline:
        time.sleep(0.005)
    cell.kill()
    mine.wait()
    assert other.poll() is None
    neighbour.kill()
    other.wait()
    wait_until_empty(neighbour)
    neighbour.remove()


def test_who_leaves_for_a_neighbour_is_counted_with_all(
    cell: Cgroup, cgroups: CgroupManager
) -> None:
    """What a process may fork is not asked where it goes, but where it comes from."""
    neighbour = cgroups.create("neighbour")
    neighbour.set_limits(64 * MIB, 1)
    cgroups.bound_processes(6)
    fds = neighbour.join_descriptors()
    code = (
        "import sys, time\nmade = 0\nwhile made < 50:\n"
        " told, tell = os.pipe()\n"
        " try: child = os.fork()\n"
        " except OSError: break\n"
        " if child == 0:\n"
        f"  for fd in {fds}: os.write(fd, b'0')\n"
        "  os.write(tell, b'x'); time.sleep(30); os._exit(0)\n"
        " os.read(told, 1); made += 1\n"
        "sys.exit(made)"
    )
    try:
        assert run_in(cell, code, fds).wait() == 5
        assert neighbour.processes() == 5, "its own bound is asked of nobody who is moved there"
    finally:
        wait_until_empty(neighbour)
        neighbour.remove()


def test_limits_can_be_lowered_and_raised_in_any_order(cell: Cgroup) -> None:
    for mib in (64, 16, 512, 1, 128):
        cell.set_limits(mib * MIB, 8)
    assert run_in(cell, "x = bytearray(b'1' * (60 << 20))").wait() == 0


def test_a_busy_cgroup_is_not_removed(cell: Cgroup) -> None:
    child = run_in(cell, "import time; time.sleep(30)")
    deadline = time.monotonic() + 5
    while not cell.processes() and time.monotonic() < deadline:
        time.sleep(0.005)
    with pytest.raises(OSError):
        cell.remove()
    cell.kill()
    child.wait()


def test_strays_of_an_engine_that_died_are_reaped(cgroups: CgroupManager) -> None:
    code = """
import os, subprocess, sys
from vibecell.sandbox.mechanisms.cgroup import CgroupManager
manager = CgroupManager("vibecell-test")
assert manager.usable()
cell = manager.create("orphan")
cell.set_limits(64 << 20, 8)
fds = cell.join_descriptors()
child = os.fork()
if child == 0:
    for fd in fds:
        os.write(fd, b"0"); os.close(fd)
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.execv("/bin/sleep", ["sleep", "60"])
while open(f"/proc/{child}/comm").read().strip() != "sleep":  # until then it holds our locks
    pass
assert cell.processes() == 1
print(os.getpid(), flush=True)
os._exit(1)
"""
    died = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        text=True,
        check=False,
    )
    left = list(Path("/sys/fs/cgroup").rglob(f"vibecell-test.{int(died.stdout)}"))
    assert left
    assert cgroups.reap_strays() == 1
    assert [str(d) for d in left if d.exists()] == []


def test_one_program_alone_leaves_a_cgroup_as_new(cell: Cgroup) -> None:
    assert run_in(cell, "x = bytearray(b'1' * (20 << 20))").wait() == 0
    assert cell.processes() == 0
    if not cell.is_as_new():
        pytest.skip("this kernel sets no peak of memory back")
    before_ns = cell.cpu_time_ns()
    cell.set_limits(memory_bytes=64 * MIB, processes=16)
    assert cell.memory_peak_bytes() < 5 * MIB
    assert run_in(cell, "x = bytearray(b'1' * (10 << 20))").wait() == 0
    assert 10 * MIB <= cell.memory_peak_bytes() < 30 * MIB
    assert cell.cpu_time_ns() > before_ns


def test_two_programs_or_one_that_lives_do_not(cell: Cgroup) -> None:
    child = run_in(cell, "import os\nif os.fork() == 0: os._exit(0)\nos.wait()\ninput()")
    try:
        deadline = time.monotonic() + 5
        while cell.processes_peak() not in (None, 2) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not cell.is_as_new()
    finally:
        cell.kill()
        child.wait()
    deadline = time.monotonic() + 5  # the grandchild is nobody's here: it dies by itself
    while charged_processes(cell) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert cell.processes() == 0, "what is read a second time is fresh"
    assert cell.processes_peak() is None or not cell.is_as_new()
