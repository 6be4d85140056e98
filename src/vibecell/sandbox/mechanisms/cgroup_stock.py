"""Cgroups of cells that have ended, for cells that begin.

Owns the proof that a used cgroup is as good as a new one, and how long it is
kept; refuses every cgroup of which that cannot be shown: it is removed, and a
new one is made. To make, bound and remove a cgroup in five hierarchies costs more
than everything else the engine does for a cell.

A used cgroup is given out again only if it has no process, nobody who waits to be
reaped, no cgroup below it and no peak that cannot be set back (``Cgroup.is_as_new``),
and if what is still charged to it is less than what the kernel rounds every charge
up to. What is not wanted at once is removed: between two programs nothing is left.
A zygote that was taken over may have kept the way into a cgroup of a cell that has ended.
Who comes in by it is killed, and the cgroup is removed with the wall at the latest.
Only a debt of processor time may be left to the next: who inherits a cgroup that has used up
its share of a period waits for the period to end, a tenth of a second at most.

Source: cgroup-v1/memory.rst, "usage_in_bytes" (a charge is fuzzy by what each
processor has put by); mm/memcontrol.c, MEMCG_CHARGE_BATCH
"""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
from collections import deque
from collections.abc import Callable

from vibecell.sandbox.mechanisms.cgroup import Cgroup, CgroupManager

LINGER_S = 0.5
MAX_SPARE = 32
MAX_RESIDUE_BYTES = 512 * 1024

log = logging.getLogger(__name__)


class OomAlarm:
    """Calls who listens when the kernel meets the end of memory (cgroup v1).

    Watched for the life of its cgroup, whoever listens meanwhile.

    Attributes:
        call: what to call; ``None`` while nobody listens.
    """

    def __init__(self, notified: int) -> None:
        self.call: Callable[[], None] | None = None
        self._notified = notified
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(notified, self._ring)

    def _ring(self) -> None:
        self._drain()
        if self.call is not None:
            self.call()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._notified, 8)

    def forget(self) -> None:
        """Nobody listens, and nothing of what was is told to who comes next."""
        self.call = None
        self._drain()

    def close(self) -> None:
        """Watch no more."""
        self._loop.remove_reader(self._notified)
        os.close(self._notified)


class CgroupStock:
    """Gives out bounded, empty cgroups and takes them back.

    Args:
        cgroups: makes them; usable.
        memory_bytes, processes, cpus: the bounds a cgroup is given out with.
    """

    def __init__(
        self, cgroups: CgroupManager, memory_bytes: int, processes: int, cpus: float
    ) -> None:
        self._cgroups = cgroups
        self._memory_bytes = memory_bytes
        self._processes = processes
        self._cpus = cpus
        self._spare: deque[tuple[float, Cgroup]] = deque()
        self._alarms: dict[Cgroup, OomAlarm] = {}
        self._entered: list[Cgroup] = []
        self._trimming: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self) -> tuple[Cgroup, OomAlarm | None]:
        """A cgroup nobody is in, bounded, and what tells of its end of memory.

        Raises:
            OSError: the kernel refuses to make or to bound one.
        """
        while self._spare:
            _, cgroup = self._spare.popleft()
            if cgroup.memory_bytes() > MAX_RESIDUE_BYTES:
                self._drop(cgroup)
                continue
            self._bound(cgroup)
            return cgroup, self._alarms.get(cgroup)
        return self._make()

    def _make(self) -> tuple[Cgroup, OomAlarm | None]:
        cgroup = self._cgroups.create(f"cell-{secrets.token_hex(8)}")
        self._bound(cgroup)
        try:
            notified = cgroup.oom_eventfd()
        except OSError:
            cgroup.remove()
            raise
        if notified is None:
            return cgroup, None
        alarm = self._alarms[cgroup] = OomAlarm(notified)
        return cgroup, alarm

    def _bound(self, cgroup: Cgroup) -> None:
        try:
            cgroup.bound(self._memory_bytes, self._processes, self._cpus)
        except OSError:
            self.discard(cgroup)
            raise

    def give_back(self, cgroup: Cgroup) -> None:
        """Take back a cgroup in which there is no process.

        Raises:
            OSError: it cannot be removed: it is in use after all.
        """
        if self._closed or len(self._spare) >= MAX_SPARE or not cgroup.is_as_new():
            self.discard(cgroup)
            return
        if (alarm := self._alarms.get(cgroup)) is not None:
            alarm.forget()
        self._spare.append((asyncio.get_running_loop().time(), cgroup))
        self._trim_later()

    def _trim_later(self) -> None:
        if self._trimming is None and not self._closed:
            self._trimming = asyncio.get_running_loop().call_later(LINGER_S, self._trim)

    def _trim(self) -> None:
        """Remove what has not been wanted for a while."""
        self._trimming = None
        self._remove_entered()
        loop = asyncio.get_running_loop()
        while self._spare and loop.time() - self._spare[0][0] >= LINGER_S:
            self._drop(self._spare.popleft()[1])
        if self._spare:
            wanted_at = self._spare[0][0] + LINGER_S
            self._trimming = loop.call_at(wanted_at, self._trim)

    def _drop(self, cgroup: Cgroup) -> None:
        try:
            self.discard(cgroup)
        except OSError as error:
            log.error("an unused cgroup could not be removed: %s", error)

    def discard(self, cgroup: Cgroup) -> None:
        """Remove a cgroup that is not to be used again; kill who is in it.

        Raises:
            OSError: it cannot be removed: it is in use after all.
        """
        alarm = self._alarms.pop(cgroup, None)
        if alarm is not None:
            alarm.close()
        try:
            if cgroup.processes():
                cgroup.kill()
                raise OSError(errno.EBUSY, "somebody is in it")
            cgroup.remove()
        except OSError:
            self._entered.append(cgroup)
            self._trim_later()
            raise

    def _remove_entered(self) -> None:
        """Try again with those that somebody was in."""
        entered, self._entered = self._entered, []
        for cgroup in entered:
            with contextlib.suppress(OSError):  # told when it was found
                self.discard(cgroup)

    def close(self) -> None:
        """Remove what is kept; what comes back later is removed at once."""
        self._closed = True
        if self._trimming is not None:
            self._trimming.cancel()
        self._remove_entered()
        while self._spare:
            self._drop(self._spare.popleft()[1])
