"""What is kept of executions, and for how long: their whole life, told once.

An execution is *begun* by ``executions.py``: it gets a log and a record here, and is
found by its id, or by the idempotency key it came with, from that moment on. While it is
*live* the record leads to the ``Execution`` that does the work, and is never dropped: how
many live is bounded by admission, and their size by their output limit. When the work has
*ended* and nothing is left of its cell, the record lets go of all that but the log, and its
time to live begins. It is *forgotten* when that is over, or earlier where all logs
together, in memory and put aside, are larger than their budget: then the one that ended
first goes first.

Owns records, their time and their bytes; refuses to show anybody what is another
owner's, or that it exists.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.model.errors import Conflict, UnknownExecution
from vibecell.model.events import Control, Stdin
from vibecell.model.execution import Encoding, OnDisconnect, State
from vibecell.model.marks import SILENT, Marks
from vibecell.model.status import ExecutionState, Standing

# what an execution costs besides its events: objects, tables, the task
FIXED_BYTES = 4096


@dataclass(slots=True, eq=False)
class Kept:
    """The record of one execution.

    Attributes:
        encoding, on_disconnect: what its request said; for whoever takes hold of it.
        key: owner and idempotency key that name it, if it came with one.
        live: does the work, until nothing of that is left.
    """

    id: str
    owner: str
    encoding: Encoding
    on_disconnect: OnDisconnect
    log: EventLog
    live: Execution | None
    key: tuple[str, str] | None = None
    marks: Marks = SILENT

    @property
    def state(self) -> State:
        """Where it is."""
        return "finished" if self.live is None else self.live.state

    def standing(self, *, replayed: bool = False) -> Standing:
        """Where it is, for whoever takes hold of it now."""
        return Standing(
            self.id, self.state, self.log.last_seq, self.encoding, self.on_disconnect, replayed
        )

    def inspected(self) -> ExecutionState:
        """Where it is, and its result once there is one."""
        return ExecutionState(self.standing(), self.log.result())

    async def control(self, control: Control) -> None:
        """Do what a client says; what comes after the end is ignored, but for input.

        Raises:
            Conflict: input that nobody can read any more.
        """
        if self.live is not None:
            await self.live.control(control)
        elif isinstance(control, Stdin):
            raise Conflict("the program takes no more input")


class Keeping:
    """The records of one engine.

    Args:
        ttl_s: how long after its end one is kept.
        budget_bytes: of all logs together.
        clock: seconds, monotonic.
    """

    def __init__(
        self, ttl_s: float, budget_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._keys: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._ended: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def grown(self, size_bytes: int) -> None:
        """Some log keeps so many bytes more."""
        self.used_bytes += size_bytes
        if self.used_bytes > self._budget_bytes:
            self.sweep()

    def begun(self, kept: Kept, fingerprint: bytes) -> None:
        """An execution is kept from now on; its key stands for this request."""
        self._kept[kept.id] = kept
        if kept.key is not None:
            self._keys[kept.key] = (fingerprint, kept.id)
        self.grown(FIXED_BYTES)

    def ended(self, kept: Kept) -> None:
        """Nothing but its log is left of it; its time to live begins."""
        kept.live = None
        self._ended[kept.id] = (self._clock(), kept.log.size_bytes + FIXED_BYTES)
        self.sweep()

    def find(self, execution_id: str, owner: str) -> Kept:
        """The record of this id.

        Raises:
            UnknownExecution: none, or not this owner's.
        """
        kept = self._kept.get(execution_id)
        if kept is None or kept.owner != owner or self._is_over(execution_id):
            raise UnknownExecution("no such execution")
        return kept

    def _is_over(self, execution_id: str) -> bool:
        """Whether its time is over, though nobody has forgotten it yet."""
        ended_at, _ = self._ended.get(execution_id, (math.inf, 0))
        return self._clock() - ended_at >= self._ttl_s

    def named(self, key: tuple[str, str], fingerprint: bytes) -> Kept | None:
        """The record that this owner's idempotency key names, if any.

        Raises:
            Conflict: it came with another request.
        """
        known = self._keys.get(key)
        if known is None:
            return None
        if known[0] != fingerprint:
            raise Conflict("the idempotency key was used with another request")
        return self._kept[known[1]]

    def live(self) -> list[Execution]:
        """Those that have not ended."""
        return [kept.live for kept in self._kept.values() if kept.live is not None]

    def sweep(self) -> None:
        """Forget what is too old, then what is too much."""
        now = self._clock()
        while self._ended:
            execution_id, (ended_at, size_bytes) = next(iter(self._ended.items()))
            expired = now - ended_at >= self._ttl_s
            if not expired and self.used_bytes <= self._budget_bytes:
                return
            del self._ended[execution_id]
            self.used_bytes -= size_bytes
            self._forget(self._kept.pop(execution_id))

    def _forget(self, kept: Kept) -> None:
        kept.log.forget()
        if kept.key is not None:
            del self._keys[kept.key]
