"""The cgroup of one cell: bounds, measures and ends all its processes together.

Owns the files of a cgroup in both versions behind one interface; refuses to
decide limits or verdicts. Every measure here is the kernel's own, none is
something a program could write.

What is read for every cell is read through descriptors that stay open for the
life of the cgroup: opening a file here costs several times what reading does.

Source: Documentation/admin-guide/cgroup-v1/memory.rst, pids.rst, cpuacct.rst;
Documentation/admin-guide/cgroup-v2.rst; sched-bwc.rst
"""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibecell.sandbox.mechanisms.cgroup_files import (
    KeptFiles,
    flat_value,
    ignoring_gone,
    lower_limit,
    read_int,
    read_members,
    remove_directory,
    write,
    write_if_there,
)
from vibecell.sandbox.mechanisms.cgroup_layout import UNIFIED

_CPU_PERIOD_US = 100_000
_KILL_ROUNDS, _KILL_PAUSE_S = 50, 0.002
# a directory without directories in it has these: its entry and its own "."
_LINKS_OF_A_LEAF = 2


@dataclass(frozen=True, slots=True)
class CgroupUsage:
    """What the processes of a cgroup used.

    Attributes:
        cpu_time_ns: user and system time of all that were ever in it.
        memory_peak_bytes: since the limits were last set; on version 2 before
            Linux 6.12 since its creation.
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
        self._procs = tuple(f"{directory}/cgroup.procs" for directory in self._directories)
        self._files = KeptFiles()
        self._has_kill: bool | None = None
        self._has_processes_peak = True
        self._peak_flags: int | None = None
        self._limits: dict[str, float] = {}
        self._memory_hits_before = 0
        self._process_hits_before = 0

    def join_descriptors(self) -> list[int]:
        """Descriptors of every ``cgroup.procs``; they stay ours.

        A child joins by writing ``0`` to each, which moves the writer, whatever
        its pid is called in its own namespace. Permission is that of the opener.

        Source: cgroups(7); kernel commit 1756d7994ad8 (5.17 and stable)
        """
        return [self._files.descriptor(path, os.O_WRONLY) for path in self._procs]

    def admit(self, pid: int) -> None:
        """Move a process into it, with all its threads.

        Source: cgroups(7), "Moving a process"
        """
        for path in self._procs:
            write(Path(path), pid)

    def set_limits(self, memory_bytes: int, processes: int, cpus: float | None = None) -> None:
        """Bound the cgroup; swap is never granted. Hits and peaks count anew from here.

        Args:
            cpus: processors' worth of time; ``None`` leaves it as it is.
        """
        self.bound(memory_bytes, processes, cpus)
        self._forget_memory_peak()
        self._memory_hits_before = self._memory_hits()
        self._process_hits_before = self._process_hits()

    def bound(
        self,
        memory_bytes: int,
        processes: int,
        cpus: float | None = None,
        oom_group: bool = True,
    ) -> None:
        """Set limits only; those that stand already are not written again.

        Args:
            oom_group: where memory runs out, the kernel ends everybody and not only
                whom it chooses; of version 2.
        """
        if self._limits.get("memory") != memory_bytes:
            self._limits.pop("memory", None)
            if self._set_memory(memory_bytes, oom_group):
                self._limits["memory"] = memory_bytes
        if self._limits.get("pids") != processes:
            write(self._pids / "pids.max", processes)
            self._limits["pids"] = processes
        if cpus is not None and self._limits.get("cpus") != cpus:
            self._set_cpus(cpus)
            self._limits["cpus"] = cpus

    def _set_memory(self, limit_bytes: int, oom_group: bool) -> bool:
        """Whether exactly this limit stands now, and not one that use has forced up."""
        if self._is_v2:
            write(self._memory / "memory.max", limit_bytes)
            write_if_there(self._memory / "memory.swap.max", 0)
            write(self._memory / "memory.oom.group", int(oom_group))
            return True
        write_if_there(self._memory / "memory.swappiness", 0)
        self._set_v1_memory(limit_bytes)
        return read_int(self._memory / "memory.limit_in_bytes") <= limit_bytes

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
            # which may have been forced up, and below which this would be EINVAL
            total_bytes = max(limit_bytes, read_int(alone))
            lower_limit(with_swap, self._memory / "memory.memsw.usage_in_bytes", total_bytes)

    def _set_cpus(self, cpus: float) -> None:
        quota = max(1000, int(cpus * _CPU_PERIOD_US))
        if self._is_v2:
            write(self._cpu / "cpu.max", f"{quota} {_CPU_PERIOD_US}")
        else:
            write(self._cpu / "cpu.cfs_period_us", _CPU_PERIOD_US)
            write(self._cpu / "cpu.cfs_quota_us", quota)

    def usage(self) -> CgroupUsage:
        """What has been used until now."""
        return CgroupUsage(self.cpu_time_ns(), self.memory_peak_bytes(), self.processes_peak())

    def cpu_time_ns(self) -> int:
        """User and system time of all processes that were ever in it."""
        if self._is_v2:
            return flat_value(self._files.read(f"{self._cpu}/cpu.stat"), b"usage_usec") * 1000
        return self._files.read_int(f"{self._accounting}/cpuacct.usage")

    def memory_peak_bytes(self) -> int:
        """Highest use of memory; see ``CgroupUsage``."""
        path, flags = self._peak_file()
        return self._files.read_int(path, flags)

    def _peak_file(self) -> tuple[str, int]:
        """What tells the peak, and how to open it so that it can be set back.

        Source: cgroup-v2.rst, memory.peak: there since Linux 5.19; since 6.12 a
        write sets it back for the descriptor written to, before it is refused.
        """
        name = "memory.peak" if self._is_v2 else "memory.max_usage_in_bytes"
        path = f"{self._memory}/{name}"
        if self._peak_flags is None:
            self._peak_flags = os.O_RDONLY
            with contextlib.suppress(OSError):
                self._files.descriptor(path, os.O_RDWR)
                self._peak_flags = os.O_RDWR
        if self._is_v2 and self._peak_flags == os.O_RDONLY and not os.path.exists(path):
            return f"{self._memory}/memory.current", os.O_RDONLY
        return path, self._peak_flags

    def _forget_memory_peak(self) -> None:
        path, flags = self._peak_file()
        if flags == os.O_RDWR:
            self._files.write(path, b"0", flags)

    def processes_peak(self) -> int | None:
        """Most processes and threads at once; ``None`` before Linux 6.1."""
        if not self._has_processes_peak:
            return None
        try:
            return self._files.read_int(f"{self._pids}/pids.peak")
        except FileNotFoundError:
            self._has_processes_peak = False
            return None

    def memory_limit_hit(self) -> bool:
        """Whether the kernel has killed for memory since the limits were set."""
        return self._memory_hits() > self._memory_hits_before

    def _memory_hits(self) -> int:
        name = "memory.events" if self._is_v2 else "memory.oom_control"
        return flat_value(self._files.read(f"{self._memory}/{name}"), b"oom_kill")

    def process_limit_hit(self) -> bool:
        """Whether a fork has been refused since the limits were set."""
        return self.refusals() > 0

    def refusals(self) -> int:
        """How many forks have been refused since the limits were set."""
        return self._process_hits() - self._process_hits_before

    def processes_now(self) -> int:
        """How many processes and threads are in it."""
        return self._files.read_int(f"{self._pids}/pids.current")

    def _process_hits(self) -> int:
        return flat_value(self._files.read(f"{self._pids}/pids.events"), b"max")

    def is_as_new(self) -> bool:
        """Whether nothing tells that it was ever used; asked once it has no process.

        That is: nobody waits to be reaped in it, no cgroup was made below it,
        and every peak can be set back. That of processes cannot; it must
        be the one process that any program is, so that it says nothing.
        """
        peak = self.processes_peak()
        return (
            (peak is None or peak <= 1)
            and self.processes_now() == 0
            and all(os.stat(each).st_nlink <= _LINKS_OF_A_LEAF for each in self._directories)
            and self._peak_file()[1] == os.O_RDWR
        )

    def memory_bytes(self) -> int:
        """What is charged to it now, without swap, which is never granted."""
        if self._is_v2:
            return self._files.read_int(f"{self._memory}/memory.current")
        return self._files.read_int(f"{self._memory}/memory.usage_in_bytes")

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
        for path in self._procs:
            with ignoring_gone():
                members |= read_members(path)
        return members

    def kill(self) -> None:
        """End every process; returns at once with ``cgroup.kill`` (Linux 5.14).

        That reaches who is in the unified hierarchy. Who holds the descriptors can have
        joined another alone, and is killed there. Without it, forks are refused first,
        so that nobody outruns the sweep, then every member is killed until none is
        left, for a bounded time. A cgroup that is gone already is no error.
        """
        with ignoring_gone():
            if self._has_kill is None:
                unified = self._unified
                self._has_kill = unified is not None and (unified / "cgroup.kill").exists()
            if self._has_kill:
                self._files.write(f"{self._unified}/cgroup.kill", b"1")
                for pid in self._elsewhere():
                    self._kill_member(pid)
            else:
                self._sweep()

    def _elsewhere(self) -> set[int]:
        """Who is in another hierarchy than the unified one alone."""
        if self._is_v2:
            return set()
        return self._members() - read_members(f"{self._unified}/cgroup.procs")

    def _sweep(self) -> None:
        self._limits.pop("pids", None)
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
        self._files.close()
        for directory in self._directories:
            remove_directory(directory)
