"""What is kept of executions, and for how long: their whole life, told once.

An execution is *begun* by ``executions.py``: it gets a log and a record here, and is
found by its id, or by the idempotency key it came with, from that moment on. While it is
*live* the record leads to the ``Execution`` that does the work, and is never dropped: how
many live is bounded by admission, and their size by their output limit. When the work has
*ended* and nothing is left of its cell, the record lets go of all that but the log, and its
time to live begins. Record and log become one piece of bytes then (``finished_log.py``),
which lies away from the heap (``memory_pages.py``); only where the log is so large that it
has a file, both stay as they are. It is *forgotten* when that is over, or earlier where all
logs together, in memory and put aside, are larger than their budget: then whoever keeps most
gives what ended first of his (``holdings.py``).

Owns records, their time and their bytes; refuses to show anybody what is another
owner's, or that it exists.
"""

import logging
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.finished_log import FinishedLog, Label, ended_at, label_at, packed
from vibecell.engine.holdings import Holdings
from vibecell.engine.memory_pages import Pages
from vibecell.engine.rolls import Rolls
from vibecell.engine.whole_result import whole_result
from vibecell.model.caller import Owner
from vibecell.model.errors import Conflict, FieldProblem, InvalidRequest, UnknownExecution
from vibecell.model.events import Control, Stdin
from vibecell.model.execution import Encoding, OnDisconnect, State
from vibecell.model.marks import SILENT, Marks
from vibecell.model.status import ExecutionState, ExecutionSummary, Listing, Selection, Standing

# what an execution costs besides its events: objects, tables, the task
FIXED_BYTES = 4096
# what one that has ended costs besides its piece: its name, its place in tables, its key
ENDED_BYTES = 352
# what one call looks at for a list, found or not; a page says where the next begins
MAX_LOOKED_AT = 1000
_US_OF_MS = 1000
_PAGE = re.compile(r"[0-9]{1,18}\Z")
_LOG = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Kept:
    """The record of one execution.

    Attributes:
        encoding, on_disconnect: what its request said; for whoever takes hold of it.
        key: the idempotency key that names it to its owner, if it came with one.
        live: does the work, until nothing of that is left.
        language: canonical name.
        begun_at_us: microseconds of Unix time; set by ``Keeping``, and no two have the same.
        ended_at: seconds, of the clock of ``Keeping``; infinite before the end.
    """

    id: str
    owner: Owner
    encoding: Encoding
    on_disconnect: OnDisconnect
    log: EventLog | FinishedLog
    live: Execution | None
    key: str | None = None
    marks: Marks = SILENT
    language: str = ""
    begun_at_us: int = 0
    ended_at: float = math.inf

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
        return ExecutionState(self.standing(), whole_result(self.log))

    def label(self) -> Label:
        """What is to be known of it besides its log, after the end, too."""
        assert isinstance(self.log, EventLog)
        return Label(
            self.owner,
            self.encoding,
            self.on_disconnect,
            self.key,
            self.language,
            self.begun_at_us,
            self.log.ended_at_ms,
            self.log.verdict,
        )

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
        budget_bytes: of all logs together, shared by owners.
        clock: seconds, monotonic.
    """

    def __init__(
        self, ttl_s: float, budget_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._kept: dict[str, Kept] = {}  # what lives, and what has a file
        self._places: dict[str, int] = {}  # where the others lie
        self._pages = Pages()
        self._keys: dict[tuple[Owner, str], tuple[bytes, str]] = {}
        self._ended: deque[str] = deque()  # in the order of their ends, some forgotten already
        self._gaps = 0
        self._holdings = Holdings()
        self._rolls = Rolls()
        self._newest_us = 0

    def __len__(self) -> int:
        return len(self._kept) + len(self._places)

    @property
    def used_bytes(self) -> int:
        """Of the budget."""
        return self._holdings.size_bytes

    def grown(self, owner: Owner, size_bytes: int) -> None:
        """Some log of this owner's keeps so many bytes more."""
        self._holdings.add(owner, size_bytes)
        if self.used_bytes > self._budget_bytes:
            self.sweep()

    def begun(self, kept: Kept, fingerprint: bytes) -> None:
        """An execution is kept from now on; its key stands for this request."""
        # never twice the same, and never back, though the host's clock be set back
        self._newest_us = max(self._newest_us + 1, time.time_ns() // 1000)
        kept.begun_at_us = self._newest_us
        self._rolls.add(kept.owner, kept.begun_at_us, kept.id)
        self._kept[kept.id] = kept
        if kept.key is not None:
            self._keys[kept.owner, kept.key] = (fingerprint, kept.id)
        self.grown(kept.owner, FIXED_BYTES)

    def ended(self, kept: Kept) -> None:
        """Nothing but its log is left of it; its time to live begins."""
        kept.live = None
        kept.ended_at = self._clock()
        self._ended.append(kept.id)
        self._put_away(kept)
        self._holdings.ended(kept.owner, kept.id)
        if self.used_bytes > self._budget_bytes:
            self.sweep()

    def _put_away(self, kept: Kept) -> None:
        """Make one piece of record and log, where no part of that lies in a file."""
        assert isinstance(kept.log, EventLog)
        piece = packed(kept.label(), kept.log, kept.ended_at)
        if piece is None:
            return
        try:
            place = self._pages.put(piece)
        except OSError as error:  # then it stays as it is
            _LOG.warning("no memory for a page of finished logs: %s", error)
            return
        self._places[kept.id] = place
        del self._kept[kept.id]
        kept.log.forget()  # a file that could be opened, and not be written
        less_bytes = kept.log.size_bytes + FIXED_BYTES - len(piece) - ENDED_BYTES
        self._holdings.add(kept.owner, -less_bytes)

    def find(self, execution_id: str, owner: Owner) -> Kept:
        """The record of this id.

        Raises:
            UnknownExecution: none, or not this owner's.
        """
        kept = self._record(execution_id)
        if kept is None or not owner.owns(kept.owner) or self._is_over(kept.ended_at):
            raise UnknownExecution("no such execution")
        return kept

    def named(self, owner: Owner, key: str, fingerprint: bytes) -> Kept | None:
        """The record that this owner's idempotency key names, if any.

        Raises:
            Conflict: it came with another request.
        """
        self.sweep()  # a key is free again as soon as its result is too old
        known = self._keys.get((owner, key))
        if known is None:
            return None
        if known[0] != fingerprint:
            raise Conflict("the idempotency key was used with another request")
        return self._record(known[1])

    def live(self) -> list[Execution]:
        """Those that have not ended."""
        return [kept.live for kept in self._kept.values() if kept.live is not None]

    def listed(self, owner: Owner, selection: Selection) -> Listing:
        """A page of what is this owner's; looks at ``MAX_LOOKED_AT`` at most.

        Raises:
            InvalidRequest: there is no such page.
        """
        before_us = _page_begin(selection)
        from_us = selection.begun_from_ms * _US_OF_MS
        found: list[ExecutionSummary] = []
        latest_us = before_us
        for looked_at, (begun_at_us, name) in enumerate(
            self._selected(owner, selection, before_us)
        ):
            if begun_at_us < from_us:
                break
            if len(found) == selection.limit or looked_at == MAX_LOOKED_AT:
                return Listing(tuple(found), str(latest_us))
            latest_us = begun_at_us
            shown = None if name is None else self._summary(name)
            if shown is not None and selection.state in (None, shown.state):
                found.append(shown)
        return Listing(tuple(found))

    def _selected(
        self, owner: Owner, selection: Selection, before_us: int
    ) -> Iterator[tuple[int, str | None]]:
        """Moments and names, the newest first, of all that may be what is wanted."""
        if selection.state in (None, "finished"):
            return self._rolls.newest_first(owner, before_us)
        # few live, of however many that are kept
        live = (
            (kept.begun_at_us, kept.id)
            for kept in self._kept.values()
            if kept.live is not None and kept.begun_at_us < before_us and owner.owns(kept.owner)
        )
        return iter(sorted(live, reverse=True))

    def _summary(self, name: str) -> ExecutionSummary | None:
        """What a list shows of one that is kept; ``None`` where its time is over."""
        place = self._places.get(name)
        state: State = "finished"
        if place is not None:
            label, ended_at = label_at(*self._pages.find(place))
        else:
            kept = self._kept[name]
            label, ended_at, state = kept.label(), kept.ended_at, kept.state
        if self._is_over(ended_at):
            return None
        return ExecutionSummary(
            name,
            state,
            label.language,
            label.owner.user,
            label.begun_at_us // _US_OF_MS,
            label.ended_at_ms,
            label.verdict,
        )

    def sweep(self) -> None:
        """Forget what is too old, then what is too much."""
        while self._ended and self._is_over(self._ended_at(self._ended[0])):
            name = self._ended.popleft()
            if name in self._places or name in self._kept:
                self._forget(name)
            else:
                self._gaps -= 1
        while (too_much := self._holdings.excess(self._budget_bytes)) is not None:
            self._forget(too_much)
            self._gaps += 1
        if 2 * self._gaps > len(self._ended):
            left = (name for name in self._ended if name in self._places or name in self._kept)
            self._ended, self._gaps = deque(left), 0

    def _ended_at(self, name: str) -> float:
        """When one ended that is kept; of one that is forgotten, long ago."""
        place = self._places.get(name)
        if place is not None:
            return ended_at(*self._pages.find(place))
        kept = self._kept.get(name)
        return -math.inf if kept is None else kept.ended_at

    def _record(self, execution_id: str) -> Kept | None:
        place = self._places.get(execution_id)
        if place is None:
            return self._kept.get(execution_id)
        log = FinishedLog(*self._pages.find(place))
        said = log.label
        return Kept(
            execution_id,
            said.owner,
            said.encoding,
            said.on_disconnect,
            log,
            None,
            said.key,
            language=said.language,
            begun_at_us=said.begun_at_us,
            ended_at=log.ended_at,
        )

    def _is_over(self, ended_at: float) -> bool:
        """Whether its time is over, though it may not be forgotten yet."""
        return self._clock() - ended_at >= self._ttl_s

    def _forget(self, name: str) -> None:
        """Keep one no longer that has ended, and is its owner's oldest."""
        kept = self._record(name)
        assert kept is not None
        self._rolls.forget(kept.owner, kept.begun_at_us)
        if isinstance(kept.log, FinishedLog):
            self._pages.forget(self._places.pop(name), kept.log.piece_bytes)
            size_bytes = kept.log.piece_bytes + ENDED_BYTES
        else:
            del self._kept[name]
            kept.log.forget()
            size_bytes = kept.log.size_bytes + FIXED_BYTES
        self._holdings.forgotten(kept.owner, size_bytes)
        if kept.key is not None:
            del self._keys[kept.owner, kept.key]


def _page_begin(selection: Selection) -> int:
    """The moment before which all of a page began, in microseconds of Unix time.

    Raises:
        InvalidRequest: its name is none that ``listed`` gives.
    """
    before_us = 2**63
    if selection.begun_before_ms is not None:
        before_us = selection.begun_before_ms * _US_OF_MS
    if selection.page is None:
        return before_us
    if not _PAGE.match(selection.page):
        raise InvalidRequest(FieldProblem("page", "is none that a list has named"))
    return min(before_us, int(selection.page))
