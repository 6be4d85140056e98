"""What came of a phase, counted by all of its clients at once.

Owns the counts; refuses an opinion on them: ``phases.py`` and ``fairness.py`` have the goals.
"""

import threading
from collections import Counter

MAX_QUOTED = 5


class Tally:
    """Counts of one phase; every method may be called by many threads at once.

    Attributes:
        right: answers that were as they must be.
        wrong: answers that were not.
        broken: failures of the platform, and breaches of its protocol.
        refused: refusals that a client obeyed, by status.
        untold: refusals without a time to come again.
        cancelled: of the right ones, those that were stopped as asked.
        vanished: runs that were left without a word, of which nothing is known.
        short_s: what short programs took that were let run, their refusals included, in seconds.
        quoted: the first few of what was wrong, broken or untold.
        by_owner: right answers of each that came within the phase.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.right = self.wrong = self.broken = self.untold = self.cancelled = self.vanished = 0
        self.refused: Counter[int] = Counter()
        self.by_owner: Counter[str] = Counter()
        self.short_s: list[float] = []
        self.quoted: list[str] = []

    def was_right(self, owner: str | None, cancelled: bool, short_s: float | None) -> None:
        """An answer as it must be.

        Args:
            owner: to whose share it counts.
            short_s: where it is to be counted how long it took.
        """
        with self._lock:
            self.right += 1
            self.cancelled += cancelled
            if owner is not None:
                self.by_owner[owner] += 1
            if short_s is not None:
                self.short_s.append(short_s)

    def was_wrong(self, how: str) -> None:
        """An answer that is not as it must be."""
        with self._lock:
            self.wrong += 1
            self._quote(how)

    def was_broken(self, how: str) -> None:
        """The platform failed."""
        with self._lock:
            self.broken += 1
            self._quote(how)

    def was_refused(self, status: int, told: bool, how: str) -> None:
        """A refusal; ``told`` says whether it said when to come again."""
        with self._lock:
            self.refused[status] += 1
            if not told:
                self.untold += 1
                self._quote(f"not told when to come again: {how}")

    def has_vanished(self) -> None:
        """A client has left without a word."""
        with self._lock:
            self.vanished += 1

    def _quote(self, how: str) -> None:
        if len(self.quoted) < MAX_QUOTED:
            self.quoted.append(how)

    @property
    def executions(self) -> int:
        """Runs whose end is known, or that were left."""
        return self.right + self.wrong + self.vanished
