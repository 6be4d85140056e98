"""How often keys are told of that have died and are shown all the same.

Owns the pace: the first time at once, then once a minute with how often it was meanwhile. So a
client that goes on asking with an old key, as one does whom nobody has told, writes two records a
minute at most. Refuses to know of keys that never were: whoever guesses writes none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from vibecell.sharing.audit import US_PER_S, AuditRecord

TOLD_EVERY_US = 60 * US_PER_S
#: Of more, what was told first is not waited with any longer.
MAX_KEYS = 1024


@dataclass(slots=True)
class _Told:
    at_us: int
    last: AuditRecord
    untold: int = 0


class DeadKeys:
    """Records on their way, each of a key that had died."""

    def __init__(self) -> None:
        self._told: dict[tuple[str | None, str | None], _Told] = {}

    def shown(self, record: AuditRecord) -> Iterator[AuditRecord]:
        """One was shown; what is to be written now."""
        name = record.key, record.reason
        if (told := self._told.get(name)) is not None:
            told.last = record
            told.untold += 1
            return
        if len(self._told) >= MAX_KEYS:
            yield from self._forget(next(iter(self._told)))
        self._told[name] = _Told(record.at_us, record)
        yield record

    def owed(self, now_us: int | None = None) -> Iterator[AuditRecord]:
        """What is to be written of those that were told a minute ago; ``None``: of all."""
        for name, told in tuple(self._told.items()):
            # a clock that was put back must not keep them for longer
            if now_us is None or not 0 <= now_us - told.at_us < TOLD_EVERY_US:
                yield from self._forget(name)

    def _forget(self, name: tuple[str | None, str | None]) -> Iterator[AuditRecord]:
        told = self._told.pop(name)
        if told.untold:
            yield msgspec.structs.replace(told.last, count=told.untold)
