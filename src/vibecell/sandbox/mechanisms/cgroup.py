"""One cgroup per cell: bounds, measures and ends all its processes together.

Owns the cgroups' files of both versions behind one interface; refuses to
decide limits or verdicts. Every measure here is the kernel's own, none is
something a program could write.

Cells live in ``<parent_name>.<pid of this process>``, which is locked while
this process lives. ``reap_strays`` clears away the like of processes that have
died, and never those of another living engine.

Source: Documentation/admin-guide/cgroup-v1/memory.rst, pids.rst, cpuacct.rst;
Documentation/admin-guide/cgroup-v2.rst; sched-bwc.rst
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibecell.sandbox.mechanisms import cgroup_layout
from vibecell.sandbox.mechanisms.cgroup_files import (
    ignoring_gone,
    lock_all,
    lower_limit,
    read_int,
    read_key,
    remove_directory,
    write,
    write_if_there,
)
from vibecell.sandbox.mechanisms.cgroup_layout import UNIFIED, CgroupUnusableError, Layout

_CPU_PERIOD_US = 100_000
_KILL_ROUNDS, _KILL_PAUSE_S = 50, 0.002
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What the processes of a cgroup used.

    Attributes:
        cpu_time_ns: user and system time of all that were ever in it.
        memory_peak_bytes: since the limits were last set on version 1, since
            its creation on version 2.
        processes_peak: processes and threads; ``None`` before Linux 6.1.
    """

    cpu_time_ns: int
    memory_peak_bytes: int
    processes_peak: int | None


class Cgroup:
    """The cgroup of one cell, one directory in each hierarchy.

    Made by ``CgroupManager.create``. Methods raise ``OSError`` where the
    kernel refuses, unless they say otherwise.
    """

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self._is_v2 = set(directories) == {UNIFIED}
        self._unified = directories.get(UNIFIED)
        self._memory = directories.get("memory") or directories[UNIFIED]
        self._pids = directories.get("pids") or directories[UNIFIED]
        self._cpu = directories.get("cpu") or directories[UNIFIED]
        self._accounting = directories.get("cpuacct") or directories[UNIFIED]
        self._directories = tuple(dict.fromkeys(directories.values()))
        self._memory_hits_before = 0
        self._process_hits_before = 0

    def open_procs(self) -> list[int]:
        """Descriptors of every ``cgroup.procs``, for the caller to close.

        A child joins by writing ``0`` to each, which moves the writer, whatever
        its pid is called in its own namespace. Permission is that of the opener.

        Source: cgroups(7); kernel commit 1756d7994ad8 (5.17 and stable)
        """
        opened: list[int] = []
        try:
            for directory in self._directories:
                opened.append(os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
        except OSError:
            for fd in opened:
                os.close(fd)
            raise
        return opened

    def set_limits(self, memory_bytes: int, processes: int, cpus: float | None = None) -> None:
        """Bound the cgroup; swap is never granted. Hits are counted anew from here.

        Args:
            cpus: processors' worth of time; ``None`` leaves it as it is.
        """
        if self._is_v2:
            write(self._memory / "memory.max", memory_bytes)
            write_if_there(self._memory / "memory.swap.max", 0)
            write(self._memory / "memory.oom.group", 1)
        else:
            write_if_there(self._memory / "memory.swappiness", 0)
            self._set_v1_memory(memory_bytes)
            write(self._memory / "memory.max_usage_in_bytes", 0)
        write(self._pids / "pids.max", processes)
        if cpus is not None:
            self._set_cpus(cpus)
        self._memory_hits_before = self._memory_hits()
        self._process_hits_before = self._process_hits()

    def _set_v1_memory(self, limit_bytes: int) -> None:
        """The order is the kernel's: memory alone never above memory with swap."""
        alone = self._memory / "memory.limit_in_bytes"
        with_swap = self._memory / "memory.memsw.limit_in_bytes"
        if not with_swap.exists():
            lower_limit(alone, self._memory / "memory.usage_in_bytes", limit_bytes)
        elif limit_bytes >= read_int(with_swap):
            write(with_swap, limit_bytes)
            write(alone, limit_bytes)
        else:
            lower_limit(alone, self._memory / "memory.usage_in_bytes", limit_bytes)
            lower_limit(with_swap, self._memory / "memory.memsw.usage_in_bytes", limit_bytes)

    def _set_cpus(self, cpus: float) -> None:
        quota = max(1000, int(cpus * _CPU_PERIOD_US))
        if self._is_v2:
            write(self._cpu / "cpu.max", f"{quota} {_CPU_PERIOD_US}")
        else:
            write(self._cpu / "cpu.cfs_period_us", _CPU_PERIOD_US)
            write(self._cpu / "cpu.cfs_quota_us", quota)

    def usage(self) -> CgroupUsage:
        """What has been used until now."""
        if self._is_v2:
            cpu_time_ns = read_key(self._cpu / "cpu.stat", "usage_usec") * 1000
            peak_file = self._memory / "memory.peak"  # Linux 5.19
            if not peak_file.exists():
                peak_file = self._memory / "memory.current"
        else:
            cpu_time_ns = read_int(self._accounting / "cpuacct.usage")
            peak_file = self._memory / "memory.max_usage_in_bytes"
        try:
            processes_peak = read_int(self._pids / "pids.peak")
        except FileNotFoundError:
            processes_peak = None
        return CgroupUsage(cpu_time_ns, read_int(peak_file), processes_peak)

    def memory_limit_hit(self) -> bool:
        """Whether the kernel has killed for memory since the limits were set."""
        return self._memory_hits() > self._memory_hits_before

    def _memory_hits(self) -> int:
        name = "memory.events" if self._is_v2 else "memory.oom_control"
        return read_key(self._memory / name, "oom_kill")

    def process_limit_hit(self) -> bool:
        """Whether a fork has been refused since the limits were set."""
        return self._process_hits() > self._process_hits_before

    def _process_hits(self) -> int:
        return read_key(self._pids / "pids.events", "max")

    def oom_eventfd(self) -> int | None:
        """A descriptor that becomes readable when memory runs out.

        For version 1, whose kernel kills one process and not the group: the
        owner then calls ``kill``. ``None`` on version 2, which has
        ``memory.oom.group``. The caller closes it, before ``remove``.

        Source: cgroup-v1/memory.rst, "OOM Control"
        """
        if self._is_v2:
            return None
        notified = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            control = os.open(self._memory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                write(self._memory / "cgroup.event_control", f"{notified} {control}")
            finally:
                os.close(control)
        except OSError:
            os.close(notified)
            raise
        return notified

    def processes(self) -> int:
        """How many processes are in it, in whichever hierarchy; 0 once removed."""
        return len(self._members())

    def _members(self) -> set[int]:
        members: set[int] = set()
        for directory in self._directories:
            with ignoring_gone():
                members.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
        return members

    def kill(self) -> None:
        """End every process; returns at once with ``cgroup.kill`` (Linux 5.14).

        Without it, forks are refused first, so that nobody outruns the sweep,
        then every member is killed until none is left, for a bounded time. A
        cgroup that is gone already is no error.
        """
        with ignoring_gone():
            if self._unified is not None and (self._unified / "cgroup.kill").exists():
                write(self._unified / "cgroup.kill", 1)
            else:
                self._sweep()

    def _sweep(self) -> None:
        write(self._pids / "pids.max", 0)
        for _round in range(_KILL_ROUNDS):
            members = self._members()
            if not members:
                return
            for pid in members:
                self._kill_member(pid)
            time.sleep(_KILL_PAUSE_S)

    def _kill_member(self, pid: int) -> None:
        """Kill by descriptor, checked: the number may have become another's."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if pid in self._members():
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove its directories; already removed ones are passed over.

        Raises:
            OSError: EBUSY when a process is left after a short wait: the
                cgroup must be kept out of use.
        """
        for directory in self._directories:
            remove_directory(directory)


class CgroupManager:
    """Makes cgroups beneath the place this process was given.

    Args:
        parent_name: of the directories that hold the cells of one process.
        root: where the cgroup file systems are mounted.
        membership: which cgroups this process is in.

    Attributes:
        reason: why the host's cgroups are not usable; empty while they are.
    """

    def __init__(
        self,
        parent_name: str,
        root: Path = Path("/sys/fs/cgroup"),
        membership: Path = Path("/proc/self/cgroup"),
    ) -> None:
        self._parent_name = parent_name
        self._own_parent = f"{parent_name}.{os.getpid()}"
        self._root = root
        self._membership = membership
        self._layout: Layout | None = None
        self._locks: list[int] = []
        self._was_tried = False
        self.reason = ""

    @property
    def version(self) -> str:
        """``v1``, ``v2`` or ``hybrid``; ``none`` where unusable."""
        return f"cgroup {self._layout.version}" if self._layout is not None else "none"

    def usable(self) -> bool:
        """Whether a cgroup can be made and bounded here: tried once, by doing it."""
        if not self._was_tried:
            self._was_tried = True
            try:
                self._layout = cgroup_layout.discover(self._root, self._membership)
                self._make_parent(self._layout)
                self._try_one()
            except (OSError, ValueError, CgroupUnusableError) as error:
                self.close()
                self.reason = str(error)
        return self._layout is not None

    def _make_parent(self, layout: Layout) -> None:
        for directory in layout.directories:
            (directory / self._own_parent).mkdir(exist_ok=True)
        if layout.version == "v2":
            control = layout.directories[0] / self._own_parent / "cgroup.subtree_control"
            write(control, "+cpu +memory +pids")
        locks = lock_all([base / self._own_parent for base in layout.directories])
        if locks is None:
            raise CgroupUnusableError(f"{self._own_parent} is in use")
        self._locks = locks

    def _try_one(self) -> None:
        probe = self.create("probe")
        try:
            probe.set_limits(memory_bytes=1 << 26, processes=8, cpus=1.0)
            probe.usage()
        finally:
            probe.remove()

    def create(self, name: str) -> Cgroup:
        """Make a new cgroup, empty and not yet bounded.

        Raises:
            OSError: it exists already, or the kernel refuses.
            ValueError: the name could mean something to a path.
            CgroupUnusableError: ``usable()`` was not true.
        """
        if not _NAME.match(name):
            raise ValueError(f"not a name of a cgroup: {name!r}")
        if self._layout is None:
            raise CgroupUnusableError(self.reason or "not tried yet")
        made = []
        try:
            for base in self._layout.directories:
                directory = base / self._own_parent / name
                directory.mkdir()
                made.append(directory)
        except OSError:
            for directory in made:
                remove_directory(directory)
            raise
        bases = self._layout.bases
        return Cgroup({key: base / self._own_parent / name for key, base in bases.items()})

    def reap_strays(self) -> int:
        """End and remove what engines that have died left behind.

        Returns:
            How many cgroups were cleared away.

        Raises:
            OSError: one cannot be emptied or removed.
        """
        if self._layout is None:
            return 0
        reaped = 0
        for base in self._layout.directories:
            for parent in sorted(base.glob(f"{self._parent_name}.*")):
                if parent.name != self._own_parent and parent.is_dir():
                    reaped += self._reap(parent.name)
        return reaped

    def _reap(self, parent_name: str) -> int:
        assert self._layout is not None
        locks = lock_all([base / parent_name for base in self._layout.directories])
        if locks is None:
            return 0  # its engine lives
        try:
            parents = {key: base / parent_name for key, base in self._layout.bases.items()}
            names = _children(*parents.values())
            for name in names:
                stray = Cgroup({key: parent / name for key, parent in parents.items()})
                _end(stray)
            for parent in dict.fromkeys(parents.values()):
                remove_directory(parent)
            return len(names)
        finally:
            for lock in locks:
                os.close(lock)

    def close(self) -> None:
        """Remove the parents, if every cell's cgroup has been; idempotent."""
        layout, self._layout = self._layout, None
        if layout is not None:
            for directory in layout.directories:
                with contextlib.suppress(OSError):
                    (directory / self._own_parent).rmdir()
        for lock in self._locks:
            os.close(lock)
        self._locks = []


def _end(cgroup: Cgroup) -> None:
    for _round in range(_KILL_ROUNDS):
        if not cgroup.processes():
            break
        cgroup.kill()
        time.sleep(_KILL_PAUSE_S)
    cgroup.remove()


def _children(*parents: Path) -> set[str]:
    present = (parent for parent in parents if parent.is_dir())
    return {child.name for parent in present for child in parent.iterdir() if child.is_dir()}
