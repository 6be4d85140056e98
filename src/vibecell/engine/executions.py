"""All executions of this engine: begun, found again, forgotten.

Owns ids, idempotency keys, ownership and the engine's counts; refuses to show
anybody what is another owner's, or that it exists.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass

from vibecell.config import Settings
from vibecell.engine.admission import Admission
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.plan import make_plan
from vibecell.engine.retention import Retention
from vibecell.engine.traces import Traces
from vibecell.model.errors import Conflict, QueueFull, ShuttingDown, UnknownExecution
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.sandbox.backend import Backend
from vibecell.wire.json_text import compact_json
from vibecell.wire.link import encode_internal_request

ID_BYTES = 18
SWEEP_INTERVAL_S = 5.0
# A log that has a file is larger than its share of the memory: no more of them fit the budget.
MAX_FILES_OF_LOGS = 256
STOP_MESSAGE = "the service is stopping"
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class _Kept:
    execution: Execution
    idempotency_key: tuple[str, str] | None


class Executions:
    """Begins executions and knows those that are kept.

    Args:
        settings: bounds and times.
        backend: an open backend.
        offer: what can be run.
    """

    def __init__(self, settings: Settings, backend: Backend, offer: Offer) -> None:
        self._backend = backend
        self._offer = offer
        self._ceiling = settings.ceiling
        self._admission = Admission(settings.max_concurrent, settings.queue_size)
        self._max_per_owner = settings.max_per_owner
        self._live: Counter[str] = Counter()
        self._retention = Retention(settings.result_ttl_s, settings.event_log_bytes, self._forget)
        self._log_memory_bytes = settings.event_log_bytes // MAX_FILES_OF_LOGS
        self._run_dir = settings.run_dir
        self._kept: dict[str, _Kept] = {}
        self._keys: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._begun = 0
        self.traces = Traces(settings.trace)

    @property
    def stopping(self) -> bool:
        """Whether nothing new is taken."""
        return self._stopping

    def counts(self) -> dict[str, int]:
        """What there is at this moment, by name."""
        return {
            "running": self._admission.running,
            "queued": self._admission.waiting,
            "kept": len(self._kept),
            "begun": self._begun,
            "event_log_bytes": self._retention.used_bytes,
            **self._backend.counts(),
        }

    def begin(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None
    ) -> tuple[Execution, bool]:
        """Admit a request.

        Returns:
            the execution, and whether the key named one already there.

        Raises:
            InvalidRequest: limits above the ceiling, or no such class.
            UnsupportedLanguage: as it says.
            Conflict: the key came with another request before.
            CapacityError: the queue is full, or the engine is stopping.
        """
        key = None if idempotency_key is None else (owner, idempotency_key)
        mark = b"" if key is None else _fingerprint(request)
        if key is not None and key in self._keys:
            return self._replay(self._keys[key], mark), True
        if self._stopping:
            raise ShuttingDown(STOP_MESSAGE)
        request.limits.require_within(self._ceiling)
        execution = self._admit(request, owner, key)
        if key is not None:
            self._keys[key] = (mark, execution.id)
        return execution, False

    def find(self, execution_id: str, owner: str) -> Execution:
        """The execution of this id.

        Raises:
            UnknownExecution: none, or not this owner's.
        """
        self._retention.sweep()
        kept = self._kept.get(execution_id)
        if kept is None or kept.execution.owner != owner:
            raise UnknownExecution("no such execution")
        return kept.execution

    async def sweep_for_ever(self) -> None:
        """Forget what is too old, even when nobody asks."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self._retention.sweep()

    async def stop(self) -> None:
        """Finish everything, as cancelled, and take nothing more; idempotent."""
        self._stopping = True
        for kept in tuple(self._kept.values()):
            kept.execution.cancel(STOP_MESSAGE)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _admit(
        self, request: ExecutionRequest, owner: str, key: tuple[str, str] | None
    ) -> Execution:
        if self._live[owner] >= self._max_per_owner:
            raise QueueFull(
                f"at most {self._max_per_owner} executions at once are yours",
                self._admission.retry_after_s(),
            )
        plan = make_plan(request, self._offer)
        log = EventLog(self._retention.grown, self._log_memory_bytes, self._run_dir)
        name = secrets.token_urlsafe(ID_BYTES)
        execution = Execution(name, owner, request, plan, log, self.traces.begin(name))
        ticket = self._admission.admit(execution.queued) if plan.profile is not None else None
        self._begun += 1
        self._live[owner] += 1
        self._kept[execution.id] = _Kept(execution, key)
        self._retention.begun()
        task = asyncio.create_task(execution.run(ticket, self._backend))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._left(owner))
        task.add_done_callback(lambda _: self._retention.ended(execution.id, log))
        return execution

    def _left(self, owner: str) -> None:
        self._live[owner] -= 1
        if not self._live[owner]:
            del self._live[owner]

    def _replay(self, known: tuple[bytes, str], mark: bytes) -> Execution:
        known_mark, execution_id = known
        if known_mark != mark:
            raise Conflict("the idempotency key was used with another request")
        return self._kept[execution_id].execution

    def _forget(self, execution_id: str) -> None:
        kept = self._kept.pop(execution_id)
        kept.execution.log.forget()
        if kept.idempotency_key is not None:
            del self._keys[kept.idempotency_key]


def _fingerprint(request: ExecutionRequest) -> bytes:
    return hashlib.sha256(compact_json(encode_internal_request(request))).digest()
