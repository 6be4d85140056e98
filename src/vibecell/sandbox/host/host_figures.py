"""How the host is: what tasks wait for, and what room directories have.

Owns reading that aside from the engine's loop; refuses to let a disk that does not answer hold
up anybody: what is not read in time is not told, and nothing is asked of that disk again before
it has answered.

Source: Documentation/accounting/psi.rst (Linux 4.20), "total" is in microseconds; statvfs(3),
f_bavail is what is free for an unprivileged user.
"""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from vibecell.model import families
from vibecell.model.measures import Measured, gauges

LOOK_DEADLINE_S = 2.0
_RESOURCES = ("cpu", "memory", "io")
_LINE = re.compile(r"^(some|full) .*\btotal=([0-9]{1,20})$", re.MULTILINE | re.ASCII)
_MAX_FILE_BYTES = 4096


class HostFigures:
    """Of one host.

    Args:
        directories: whose file systems are looked at, by what they are called.
        cgroups: how many there are of ours; ``None`` where there are none to be had.
        proc: where procfs is mounted.
    """

    def __init__(
        self,
        directories: Mapping[str, Path],
        cgroups: Callable[[], int] | None = None,
        proc: Path = Path("/proc"),
    ) -> None:
        self._directories = directories
        self._cgroups = cgroups
        self._proc = proc
        self._looking: asyncio.Future[tuple[Measured, ...]] | None = None

    async def measured(self) -> tuple[Measured, ...]:
        """All that can be read within ``LOOK_DEADLINE_S``; nothing where it takes longer."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().run_in_executor(None, self._look)
        done, _ = await asyncio.wait((self._looking,), timeout=LOOK_DEADLINE_S)
        return self._looking.result() if done else ()

    def _look(self) -> tuple[Measured, ...]:
        free, size = [], []
        for name, directory in self._directories.items():
            try:
                found = os.statvfs(directory)
            except OSError:
                continue  # it is not there, which whoever needs it has said already
            free.append(((name,), float(found.f_bavail * found.f_frsize)))
            size.append(((name,), float(found.f_blocks * found.f_frsize)))
        return (
            gauges(families.FREE_BYTES, free),
            gauges(families.SIZE_BYTES, size),
            gauges(families.PRESSURE, self._stalled()),
            gauges(families.CGROUPS, [((), self._cgroups())] if self._cgroups else []),
        )

    def _stalled(self) -> list[tuple[tuple[str, str], float]]:
        found = []
        for resource in _RESOURCES:
            try:
                with (self._proc / "pressure" / resource).open("rb") as file:
                    text = file.read(_MAX_FILE_BYTES).decode("ascii", "replace")
            except OSError:
                continue  # a kernel that does not tell
            found += [((resource, tasks), int(us) / 1e6) for tasks, us in _LINE.findall(text)]
        return found
