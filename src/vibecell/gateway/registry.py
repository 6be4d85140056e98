"""What the gateway remembers of the executions it began, and who is watching.

Owns, per execution: how its client wants bytes, the files of a page, and the
number of live WebSockets. Decides that a client has left: when the last
WebSocket of an execution closes and none comes back within the grace, it is
cancelled, unless its request said otherwise. Refuses to be more than a
memory: bounded in time and bytes, lost with the process without harm.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import gevent

from vibecell.executor import Executor
from vibecell.gateway.policy import Policy
from vibecell.model.errors import VibecellError
from vibecell.model.events import Cancel
from vibecell.model.execution import Encoding, ExecutionRequest

_log = logging.getLogger(__name__)
MAX_RECORDS = 50_000


@dataclass(slots=True)
class Record:
    """One remembered execution.

    Attributes:
        entry: path of the page to show first; empty where it is no page.
        files: path to content, of a page only.
        watchers: live WebSockets.
        leaving: the timer that will cancel it.
    """

    id: str
    owner: str
    encoding: Encoding
    cancels: bool
    entry: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    until: float = 0.0
    watchers: int = 0
    leaving: gevent.Greenlet | None = None

    @property
    def bytes(self) -> int:
        """Bytes of its files."""
        return sum(len(x) for x in self.files.values())


class Registry:
    """Remembers executions; used by greenlets of one thread."""

    def __init__(self, executor: Executor, policy: Policy) -> None:
        self._executor = executor
        self._policy = policy
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._bytes = 0

    def remember(
        self, execution_id: str, owner: str, request: ExecutionRequest, page_entry: str = ""
    ) -> Record:
        """Note an execution that was just begun, or named again by an idempotency key."""
        known = self.owned(execution_id, owner)
        if known is not None:
            return known  # somebody may be watching it
        self._forget(execution_id)
        files = {f.path: f.content for f in request.files} if page_entry else {}
        record = Record(
            execution_id,
            owner,
            request.encoding,
            request.on_disconnect == "cancel",
            page_entry,
            files,
            time.monotonic() + self._policy.record_ttl_s,
        )
        self._records[execution_id] = record
        self._bytes += record.bytes
        self._sweep()
        return record

    def find(self, execution_id: str) -> Record | None:
        """What is remembered of an execution, whoever asks."""
        record = self._records.get(execution_id)
        if record is not None and record.until < time.monotonic():
            self._forget(execution_id)
            return None
        return record

    def owned(self, execution_id: str, owner: str) -> Record | None:
        """The same, for its owner only."""
        record = self.find(execution_id)
        return record if record is not None and record.owner == owner else None

    def arrive(self, record: Record | None) -> None:
        """A WebSocket follows this execution now."""
        if record is None:
            return
        record.watchers += 1
        if record.leaving is not None:
            record.leaving.kill(block=False)
            record.leaving = None

    def leave(self, record: Record | None, finished: bool) -> None:
        """A WebSocket of this execution has closed."""
        if record is None:
            return
        record.watchers -= 1
        if record.watchers <= 0 and record.cancels and not finished:
            record.leaving = gevent.spawn_later(
                self._policy.disconnect_grace_s, self._cancel, record
            )

    def _cancel(self, record: Record) -> None:
        record.leaving = None
        try:
            self._executor.control(record.id, record.owner, Cancel())
        except VibecellError as error:
            _log.info("cannot cancel %s, whose client has left: %s", record.id, error)

    def _sweep(self) -> None:
        now = time.monotonic()
        while self._records:
            first = next(iter(self._records.values()))
            crowded = len(self._records) > MAX_RECORDS or self._bytes > self._policy.record_bytes
            if first.until >= now and not crowded:
                return
            self._forget(first.id)

    def _forget(self, execution_id: str) -> None:
        record = self._records.pop(execution_id, None)
        if record is not None:
            self._bytes -= record.bytes
