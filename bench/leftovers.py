"""What a service may leave behind: processes, cgroups and mounts, seen from outside.

Owns looking for them; refuses the service's own word. What is still open in a living one is
``rest.py``'s and ``load/vitals.py``'s.
"""

import os
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.vibecell_service import VibecellContender
from vibecell.sandbox.host.shares import CGROUP_PARENT

_CGROUPS = Path("/sys/fs/cgroup")
# What an engine mounts for itself and its containers comes and goes with them.
_MOUNT_OF_AN_ENGINE = re.compile(
    r"/overlay2/[0-9a-f]+|/containers/[0-9a-f]+/|/netns/|/docker/engine-\d+|/vibecell-docker-"
)


@dataclass(frozen=True, slots=True)
class Family:
    """Of a service that lives: everything that must be gone when it has ended.

    Attributes:
        pids: of all its processes, cells included.
        engine: the pid that its cgroups are named by.
    """

    pids: frozenset[int]
    engine: int

    @classmethod
    def of(cls, service: VibecellContender) -> "Family":
        """As it is now; raises ``BenchFailed`` where there is no engine."""
        pids = (process.pid for process in processes.tree(service.account.root))
        return cls(frozenset(pids), service.part("engine"))

    def left_behind(self, mounts_before: Set[str]) -> list[str]:
        """What is still there, once the service has ended; empty: nothing."""
        alive = processes.all_processes()
        left = [f"process {pid} {alive[pid].name}" for pid in sorted(self.pids & alive.keys())]
        left += [f"cgroup {path}" for path in cgroups_of(self.engine)]
        return left + [f"mount {line}" for line in sorted(host_mounts() - mounts_before)]


def cgroups_of(engine: int) -> list[Path]:
    """The directories that hold an engine's cells, one in each hierarchy.

    Others' cgroups go while we look, which ``os.walk`` passes over.
    """
    name = f"{CGROUP_PARENT}.{engine}"
    return [Path(place, name) for place, folders, _ in os.walk(_CGROUPS) if name in folders]


def host_mounts() -> set[str]:
    """The mounts of this process's namespace, but for those that Docker engines make and end."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line for line in lines if not _MOUNT_OF_AN_ENGINE.search(line)}
