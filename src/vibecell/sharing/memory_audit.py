"""An audit for as long as the process lives.

Owns an adapter of ``AuditStore`` without a file, for tests and for who embeds an engine. Refuses to
outlive its process.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from vibecell.sharing.audit import AuditQuery, AuditRecord, encoded


class MemoryAudit:
    """Records in a list; see ``AuditStore``."""

    def __init__(self) -> None:
        self._records: list[AuditRecord] = []

    def open(self) -> None:
        """There is nothing to open."""

    def append(self, records: Sequence[AuditRecord]) -> None:
        """See ``AuditStore.append``."""
        self._records += records

    def read(self, query: AuditQuery) -> Iterator[AuditRecord]:
        """See ``AuditStore.read``."""
        found = sorted(filter(query.takes, self._records), key=lambda record: record.at_us)
        first = 0 if query.newest is None else max(0, len(found) - query.newest)
        return iter(found[first:])

    def size_bytes(self) -> int:
        """See ``AuditStore.size_bytes``."""
        return sum(len(encoded(record)) for record in self._records)

    def prune_before(self, moment_us: int) -> int:
        """See ``AuditStore.prune_before``."""
        old = sum(1 for _ in takewhile(lambda record: record.at_us < moment_us, self._records))
        del self._records[:old]
        return old

    def prune_to(self, most_bytes: int) -> int:
        """See ``AuditStore.prune_to``."""
        left, old = self.size_bytes(), 0
        while left > most_bytes and old < len(self._records):
            left -= len(encoded(self._records[old]))
            old += 1
        del self._records[:old]
        return old

    def close(self) -> None:
        """There is nothing open."""
