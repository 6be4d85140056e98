"""What the kernel counts of one cell's program, from outside the cell.

Owns the reading of the cell's cgroup, for as long as that is the cell's, and of its agent's
clock: the agent is in no cgroup of the cell's, so that it outlives its program, but it works
for that alone, and what a program makes it do is the program's. Refuses to
enforce a limit: who is told may. Where the host grants no cgroup nothing is known,
and the agent's own figures stand alone.
"""

import contextlib
import time
from collections.abc import Callable

from vibecell.model.limits import Limits
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import OomAlarm


class Meters:
    """The counters of one cell.

    Args:
        cgroup: ``None`` where the host grants none.
        oom_alarm: rings when the kernel kills for memory (cgroup v1).
        agent_pid: the agent's, as we see it; ``None``: its work is not counted.
    """

    def __init__(
        self, cgroup: Cgroup | None, oom_alarm: OomAlarm | None, agent_pid: int | None = None
    ) -> None:
        self._cgroup = cgroup
        self._oom_alarm = oom_alarm
        self._agent_pid = agent_pid
        self._cpu_base_ns = self._agent_base_ns = self._agent_ns = 0

    @property
    def exist(self) -> bool:
        """Whether the kernel counts at all."""
        return self._cgroup is not None

    def set_limits(self, limits: Limits) -> None:
        """Bound the process that comes next, and count its processor time from here.

        Raises:
            OSError: the kernel refuses.
        """
        if self._cgroup is not None:
            self._cgroup.set_limits(memory_bytes=limits.memory_bytes, processes=limits.processes)
            self._cpu_base_ns = self._cgroup.cpu_time_ns()

    def count_agent(self) -> None:
        """Count the agent's processor time from here: what it did before was not for a program."""
        if self._cgroup is not None:
            self._agent_base_ns = self._agent_time_ns()

    def cpu_time_ms(self) -> float | None:
        """Processor time since the process started, the agent's too; ``None`` without cgroup."""
        if self._cgroup is None:
            return None
        agent_ns = self._agent_time_ns() - self._agent_base_ns
        return (self._cgroup.cpu_time_ns() - self._cpu_base_ns + agent_ns) / 1e6

    def _agent_time_ns(self) -> int:
        """What the agent has used in all; of one that has died what was last seen.

        Source: clock_getcpuclockid(3), whose id is this complement of the pid
        """
        if self._agent_pid is not None:
            with contextlib.suppress(OSError):
                used_ns = time.clock_gettime_ns((~self._agent_pid << 3) | 2)
                self._agent_ns = max(self._agent_ns, used_ns)
        return self._agent_ns

    def memory_peak_bytes(self) -> int | None:
        """Highest use of memory; ``None`` without cgroup."""
        return None if self._cgroup is None else self._cgroup.memory_peak_bytes()

    def memory_now_bytes(self) -> int | None:
        """Use of memory at this moment; ``None`` without cgroup."""
        return None if self._cgroup is None else self._cgroup.memory_bytes()

    def processes_peak(self) -> int | None:
        """Most processes at once; ``None`` where the kernel does not say."""
        return None if self._cgroup is None else self._cgroup.processes_peak()

    def memory_limit_hit(self) -> bool:
        """Whether the kernel has killed for memory; never without cgroup."""
        return self._cgroup is not None and self._cgroup.memory_limit_hit()

    def process_limit_hit(self) -> bool:
        """Whether the kernel has refused a fork; never without cgroup."""
        return self._cgroup is not None and self._cgroup.process_limit_hit()

    def refusals(self) -> int:
        """How many forks the kernel has refused; 0 without cgroup."""
        return 0 if self._cgroup is None else self._cgroup.refusals()

    def processes_now(self) -> int | None:
        """Processes and threads there are; ``None`` without cgroup."""
        return None if self._cgroup is None else self._cgroup.processes_now()

    def tell_of_oom(self, call: Callable[[], None] | None) -> None:
        """Have ``call`` called when the kernel kills for memory (cgroup v1); ``None``: nobody."""
        if self._oom_alarm is not None:
            self._oom_alarm.call = call

    def let_go(self) -> None:
        """Read no more: what was the cell's may be another's from here on."""
        self.tell_of_oom(None)
        self._cgroup = self._oom_alarm = None
