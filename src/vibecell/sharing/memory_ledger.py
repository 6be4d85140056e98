"""Sums in memory: a ledger that ends with its process.

Owns the ``LedgerStore`` of engines that keep nothing, and of tests; refuses nothing.
"""

from collections.abc import Sequence

from vibecell.model.caller import Owner
from vibecell.sharing.ledger import NOTHING, Entry, Spent


class MemoryLedger:
    """See ``ledger.LedgerStore``."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, Owner], Spent] = {}

    def open(self) -> None:
        """See ``LedgerStore.open``: it can."""

    def load(self, since_day: int) -> list[Entry]:
        """See ``LedgerStore.load``."""
        return [Entry(*at, spent) for at, spent in self._sums.items() if at[0] >= since_day]

    def add(self, entries: Sequence[Entry], forget_before: int) -> list[Entry]:
        """See ``LedgerStore.add``."""
        sums = []
        for entry in entries:
            at = (entry.day, entry.owner)
            self._sums[at] = self._sums.get(at, NOTHING).plus(entry.spent)
            sums.append(Entry(*at, self._sums[at]))
        self._sums = {at: spent for at, spent in self._sums.items() if at[0] >= forget_before}
        return sums

    def close(self) -> None:
        """See ``LedgerStore.close``."""
