"""Acts on their way to where they are kept.

Owns what waits in memory, the writing of it in batches, pruning by age and size, and what becomes
of a store that fails: it is opened anew, after pauses that grow to half a minute, and told of once.
Refuses loops and threads: whoever has a loop notes in it, and has ``write`` called about once a
second in a thread, one at a time. Refuses to wait in ``note``, and to hold without bound: what
finds no room is lost, which is counted and, once there is a store again, told there as well. The
oldest is kept: who floods an audit that cannot be written hides nothing that he did before.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vibecell.model import families
from vibecell.model.caller import DAY_S
from vibecell.model.errors import StoreUnavailable, forget_frames
from vibecell.model.measures import Measured, gauge, gauges
from vibecell.sharing.audit import US_PER_S, AuditRecord, AuditStore

WRITE_INTERVAL_S = 1.0
MAX_WAITING = 20_000
#: How long it may not be possible to write before a required audit refuses new work.
OVERDUE_S = 10.0
MAX_PAUSE_S = 30.0
PRUNE_INTERVAL_S = 60.0
_BATCH = 1_000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditBounds:
    """What is kept, and what holds where it cannot be.

    Attributes:
        days: for which an act is kept.
        size_bytes: of one store.
        required: whether nothing new may be done that could not be audited.
    """

    days: int
    size_bytes: int
    required: bool = False


class AuditTrail:
    """What one process audits.

    Args:
        store: where to; not yet open.
        bounds: of it.
        clock: seconds since 1970-01-01, in UTC.
        steady_clock: seconds, monotonic.
    """

    def __init__(
        self,
        store: AuditStore,
        bounds: AuditBounds,
        clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._bounds = store, bounds
        self._clock, self._steady_clock = clock, steady_clock
        self._noted: deque[AuditRecord] = deque()  # appended to in the loop, taken from in a thread
        self._taken: list[AuditRecord] = []  # the thread's alone: not written yet
        self._lost = self._lost_told = self._written = 0
        self._is_open = False
        self._failing_since_s: float | None = None
        self._writing_since_s: float | None = None
        self._next_try_s = self._next_prune_s = 0.0
        self._pause_s = WRITE_INTERVAL_S

    @property
    def bounds(self) -> AuditBounds:
        """As they were given."""
        return self._bounds

    def now_us(self) -> int:
        """What an act is dated by that is done now."""
        return int(self._clock() * US_PER_S)

    def note(self, record: AuditRecord) -> None:
        """Have an act audited, soon. Returns at once."""
        if self._waiting >= MAX_WAITING:
            self._lost += 1
        else:
            self._noted.append(record)

    def require_possible(self) -> None:
        """Let nothing begin that an audit must have and for too long could not.

        Raises:
            StoreUnavailable: it is required and was not written for too long, or what waits for
                that has half of its room.
        """
        if not self._bounds.required:
            return
        # a disk that is frozen fails nothing, and writes nothing either
        since_s = min(
            (x for x in (self._failing_since_s, self._writing_since_s) if x is not None),
            default=None,
        )
        overdue = since_s is not None and self._steady_clock() - since_s >= OVERDUE_S
        # what is under way has to find room as well
        if overdue or self._waiting >= MAX_WAITING // 2:
            raise StoreUnavailable("write the audit", "it could not be for too long")

    def counts(self) -> dict[str, int]:
        """What became of acts, by name."""
        return {
            "audit_written": self._written,
            "audit_waiting": self._waiting,
            "audit_lost": self._lost,
        }

    def measured(self, process: Literal["engine", "gateway"]) -> tuple[Measured, ...]:
        """The same, for who operates the service."""
        outcomes = (("written", self._written), ("lost", self._lost))
        return (
            gauges(families.AUDIT_ACTS, (((process, name), count) for name, count in outcomes)),
            gauge(families.AUDIT_WAITING, self._waiting, process),
        )

    def open(self) -> None:
        """Open the store, in a thread.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        self._store.open()
        self._is_open = True

    def write(self) -> None:
        """Write what has come, in a thread; where that fails, it is kept for a later time."""
        if self._steady_clock() >= self._next_try_s:
            self._try()

    def close(self) -> None:
        """Write the rest, and let go of the store, in a thread; what cannot be written is lost."""
        self._try()
        if self._waiting:
            _LOG.error("%d acts are in no audit: it could not be written", self._waiting)
        self._store.close()

    @property
    def _waiting(self) -> int:
        return len(self._noted) + len(self._taken)

    def _try(self) -> None:
        try:
            self._writing_since_s = self._steady_clock()
            if not self._is_open:
                self.open()
            self._write_all()
            self._writing_since_s = None
            self._prune()
        except StoreUnavailable as error:
            self._failed(error)
        except Exception:
            # a record of ours that no store takes: it may not hold up the others for ever
            self._lost += len(self._taken)
            self._taken = []
            _LOG.exception("acts could not be put into words")
        else:
            self._recovered()
        finally:
            self._writing_since_s = None

    def _write_all(self) -> None:
        while self._taken or self._noted:
            while self._noted and len(self._taken) < _BATCH:
                self._taken.append(self._noted.popleft())
            self._store.append(self._taken)
            self._written += len(self._taken)
            self._taken = []
        lost = self._lost
        if lost > self._lost_told:
            count = lost - self._lost_told
            self._store.append([AuditRecord(at_us=self.now_us(), act="records_lost", count=count)])
            self._lost_told = lost

    def _prune(self) -> None:
        now_s = self._steady_clock()
        if now_s < self._next_prune_s:
            return
        oldest_us = self.now_us() - self._bounds.days * DAY_S * US_PER_S
        self._store.prune_before(oldest_us)
        self._store.prune_to(self._bounds.size_bytes)
        self._next_prune_s = now_s + PRUNE_INTERVAL_S

    def _failed(self, error: StoreUnavailable) -> None:
        self._store.close()  # it is found out anew what is there
        self._is_open = False
        now_s = self._steady_clock()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
            _LOG.error(
                "acts are kept in memory, up to %d, and audited later: %s", MAX_WAITING, error
            )
        self._next_try_s = now_s + self._pause_s
        self._pause_s = min(MAX_PAUSE_S, 2 * self._pause_s)
        forget_frames(error)

    def _recovered(self) -> None:
        if self._failing_since_s is not None:
            _LOG.warning("the audit is written again; %d acts were lost", self._lost)
        self._failing_since_s, self._pause_s, self._next_try_s = None, WRITE_INTERVAL_S, 0.0


def require_writable(store: AuditStore) -> None:
    """Make sure that a process can start on this store, which is closed again.

    Raises:
        StoreUnavailable: it cannot.
    """
    try:
        store.open()
    finally:
        store.close()
