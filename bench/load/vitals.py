"""The size of gateway and engine: memory, descriptors, cgroups, and how they grow.

Owns looking at them from outside, and the slope of what was seen; refuses the service's own word.
Memory is the resident set: what a leak shows in, whatever kind of memory it is.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import processes
from bench.leftovers import cgroups_of
from bench.statistics import slope
from bench.vibecell_service import VibecellContender

PARTS = ("gateway", "engine")
WARM_UP_SHARE = 1 / 3
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Vitals:
    """The service at one moment.

    Attributes:
        executions: how many it had had by then.
        resident_bytes: of each of ``PARTS``.
    """

    executions: int
    resident_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What gateway and engine hold, at rest.

    Attributes:
        descriptors: how many each of ``PARTS`` has open.
        cgroups: how many directories there are for the engine's cells.
    """

    descriptors: dict[str, int]
    cgroups: int


def parts_of(service: VibecellContender) -> dict[str, int]:
    """The pid of each of ``PARTS``; raises ``BenchFailed`` where one is not there."""
    return {part: service.part(part) for part in PARTS}


def vitals_of(pids: Mapping[str, int], executions: int) -> Vitals:
    """The memory of each part now.

    Raises:
        FileNotFoundError: a part has ended.
    """
    resident = {part: processes.resident_bytes(pid) for part, pid in pids.items()}
    return Vitals(executions, resident)


def holdings_of(pids: Mapping[str, int]) -> Holdings:
    """Descriptors and cgroups now.

    Raises:
        FileNotFoundError: a part has ended.
        PermissionError: a part is not ours to look into.
    """
    descriptors = {part: len(os.listdir(f"/proc/{pid}/fd")) for part, pid in pids.items()}
    places = cgroups_of(pids["engine"])
    return Holdings(descriptors, sum(1 for place in places for _ in os.walk(place)))


def settled(look: Callable[[], Holdings], wanted: Holdings, patience_s: float) -> Holdings:
    """What is held as soon as that is no more than wanted, else after a while."""
    end_s = time.monotonic() + patience_s
    while _exceeds(found := look(), wanted) and time.monotonic() < end_s:
        time.sleep(0.2)
    return found


def _exceeds(found: Holdings, wanted: Holdings) -> bool:
    more = (found.descriptors[part] > wanted.descriptors[part] for part in PARTS)
    return found.cgroups > wanted.cgroups or any(more)


def growth_per_1000(seen: Sequence[Vitals], part: str) -> float:
    """Bytes of resident memory for each 1,000 executions, after the first third of them.

    Raises:
        StatisticsError: too little was seen after the warm-up.
    """
    last = seen[-1].executions
    first = seen[0].executions
    warm = first + WARM_UP_SHARE * (last - first)
    points = [(v.executions / 1000, v.resident_bytes[part]) for v in seen if v.executions >= warm]
    return slope(points)


class Watch:
    """Looks every half a second, in a thread of its own, for as long as the block lasts."""

    def __init__(self, pids: Mapping[str, int], executions: Callable[[], int]) -> None:
        self._pids = pids
        self._executions = executions
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[Vitals] = []

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        """A part that has ended is told by whoever compares pids, and has no size any more."""
        with contextlib.suppress(FileNotFoundError):
            while not self._over.wait(_EVERY_S):
                self.seen.append(vitals_of(self._pids, self._executions()))
