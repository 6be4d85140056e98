"""The cgroup of a cell that cannot do what newer kernels can, on an imitated file system."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vibecell.sandbox.mechanisms import cgroup_files
from vibecell.sandbox.mechanisms.cgroup import Cgroup

from .test_cgroup import hosted, manager, root  # noqa: F401


@pytest.mark.parametrize("with_swap", [True, False], ids=["swap is counted", "it is not"])
def test_a_limit_that_use_has_forced_up_is_set_again_for_the_next_program(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    with_swap: bool,
) -> None:
    """Or that would have more than it was granted, whoever was in the cgroup before."""
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable(), cgroups.reason
    cell = cgroups.create("cell")
    (memory,) = root.glob("memory/test.*/cell")
    used = memory / "memory.usage_in_bytes"
    if not with_swap:
        (memory / "memory.memsw.limit_in_bytes").unlink()
    real = cgroup_files.write

    def refusing(path: Path, value: int | str) -> None:
        if path.name == "memory.limit_in_bytes" and int(value) < int(used.read_text()):
            raise OSError(errno.EBUSY, "busy")
        alone = int((memory / "memory.limit_in_bytes").read_text())
        if path.name == "memory.memsw.limit_in_bytes" and int(value) < alone:
            raise OSError(errno.EINVAL, "less than memory alone")
        real(path, value)

    monkeypatch.setattr(cgroup_files, "write", refusing)
    monkeypatch.setattr("vibecell.sandbox.mechanisms.cgroup_cell.write", refusing)
    used.write_text(str(8 << 20))
    cell.set_limits(4 << 20, 7)
    assert int((memory / "memory.limit_in_bytes").read_text()) > 8 << 20
    used.write_text("4096")
    cell.set_limits(4 << 20, 7)
    assert int((memory / "memory.limit_in_bytes").read_text()) == 4 << 20


@pytest.mark.parametrize("with_swap", [True, False], ids=["swap is counted", "it is not"])
def test_a_cell_on_v1_is_not_swapped_whether_that_is_counted_or_not(
    root: Path,  # noqa: F811
    with_swap: bool,
) -> None:
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable(), cgroups.reason
    cell = cgroups.create("cell")
    (memory,) = root.glob("memory/test.*/cell")
    if not with_swap:
        (memory / "memory.memsw.limit_in_bytes").unlink()
    cell.set_limits(1 << 20, 7)
    assert (memory / "memory.swappiness").read_text() == "0"
    assert (memory / "memory.limit_in_bytes").read_text() == str(1 << 20)


@pytest.fixture
def swept(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Cgroup, Path, int]]:
    """A cgroup that can only be swept, its directory, and the number of its one member."""
    monkeypatch.setattr("vibecell.sandbox.mechanisms.cgroup_cell._KILL_PAUSE_S", 0.0)
    cgroups = manager(root, hosted(root, "v1"))
    assert cgroups.usable(), cgroups.reason
    cell = cgroups.create("cell")
    cell.set_limits(1 << 20, 7)
    (pids,) = root.glob("pids/test.*/cell")
    with subprocess.Popen(["sleep", "60"]) as member:
        try:
            (pids / "cgroup.procs").write_text(f"{member.pid}\n")
            yield cell, pids, member.pid
        finally:
            member.kill()


def ended_by(pid: int) -> int | None:
    """What ended a child of ours within ten seconds; it stays to be reaped."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None:
            return ended.si_status
        time.sleep(0.001)
    return None


def test_nobody_forks_away_from_a_sweep_and_the_next_program_may_fork(
    swept: tuple[Cgroup, Path, int],
) -> None:
    cell, pids, member = swept
    cell.kill()
    assert ended_by(member) == signal.SIGKILL, "though it is in one hierarchy alone"
    assert (pids / "pids.max").read_text() == "0"
    cell.set_limits(1 << 20, 7)
    assert (pids / "pids.max").read_text() == "7"


def test_whose_number_has_become_anothers_is_not_killed(
    swept: tuple[Cgroup, Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member ended, and a stranger got its number, before it was held."""
    cell, pids, _stranger = swept
    holding = os.pidfd_open

    def held_too_late(pid: int) -> int:
        (pids / "cgroup.procs").write_text("")
        return holding(pid)

    killed: list[int] = []
    monkeypatch.setattr(os, "pidfd_open", held_too_late)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda fd, _number: killed.append(fd))
    cell.kill()
    assert not killed
