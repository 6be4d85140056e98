"""What a program has used, told while it runs.

Owns when it is told, and how often at most; refuses to measure: the backend looks where its
kernel counts. However long a program runs, no more than ``MAX_EVENTS`` are told of an execution,
and so that there are some of its end as well, each ``EVENTS_AT_A_PACE`` double the interval.
"""

import asyncio
from collections.abc import Callable

from vibecell.model.events import UsageSample
from vibecell.sandbox.backend import Process

EVENTS_AT_A_PACE = 256
MAX_EVENTS = 1024


class UsageTelling:
    """Tells what the stages of one execution use, one after the other.

    Args:
        interval_ms: how often; ``None``: never.
        tell: takes the events.
    """

    def __init__(self, interval_ms: int | None, tell: Callable[[UsageSample], object]) -> None:
        self._interval_ms = interval_ms
        self._tell = tell
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, stage: str, process: Process) -> None:
        """Tell of this one, until ``end``."""
        if self._interval_ms is not None and self._told < MAX_EVENTS:
            delay_s = self._interval_ms / 1000 * 2 ** (self._told // EVENTS_AT_A_PACE)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay_s, self._look, stage, process)

    def end(self) -> None:
        """Tell no more of it; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, stage: str, process: Process) -> None:
        self._told += 1
        self._tell(UsageSample(stage, process.usage_now()))
        self.begin(stage, process)
