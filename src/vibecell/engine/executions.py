"""The executions of this engine, as they begin.

Owns admission of requests, their ids, and the engine's counts; what is kept of them
afterwards is ``keeping.py``'s.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Sequence
from functools import partial

from vibecell.config import Settings
from vibecell.engine.admission import Admission
from vibecell.engine.allowances import Allowances, Claim
from vibecell.engine.auditing import Auditing
from vibecell.engine.bookkeeping import Bookkeeping
from vibecell.engine.event_log import EventLog
from vibecell.engine.execution import Execution
from vibecell.engine.keeping import Keeping, Kept
from vibecell.engine.parking import Parking
from vibecell.engine.plan import Plan, make_plan
from vibecell.engine.tallies import ExecutionTallies
from vibecell.engine.traces import Traces
from vibecell.engine.witnesses import Ended, Source, Witness, tell
from vibecell.model import families
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import QueueFull, ShuttingDown, VibecellError
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.model.measures import Measured, gauge
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.status import Listing, Selection
from vibecell.model.stopping import CUT_OFF_S, EXECUTIONS_STOP_S
from vibecell.sandbox.backend import Backend
from vibecell.sharing.memory_ledger import MemoryLedger
from vibecell.wire.link import same_bytes

ID_BYTES = 18
SWEEP_INTERVAL_S = 5.0
# A log that has a file is larger than its share of the memory: no more of them fit the budget.
MAX_FILES_OF_LOGS = 256
_LOG = logging.getLogger(__name__)
STOP_MESSAGE = "the service is stopping"


class Executions:
    """Begins executions, and stops them.

    Args:
        settings: bounds and times.
        backend: an open backend.
        offer: what can be run.
        books: of what was used, open already; ``None``: kept by this object alone.
        witnesses: are told of each that has ended.
        auditing: is told likewise, and may have nothing begin that it could not write.
    """

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        offer: Offer,
        books: Bookkeeping | None = None,
        witnesses: Sequence[Witness] = (),
        auditing: Auditing | None = None,
    ) -> None:
        books = books or Bookkeeping(MemoryLedger())
        self._backend = backend
        self._auditing = auditing
        self._tallies = ExecutionTallies()
        audits = () if auditing is None else (auditing,)
        self._witnesses: tuple[Witness, ...] = (self._tallies, *audits, *witnesses)
        self._offer = offer
        self._ceiling = settings.ceiling
        self._warm_memory_bytes = settings.limits.memory_bytes
        self._admission = Admission(
            settings.max_concurrent, settings.queue_size, settings.max_parked
        )
        self._max_per_owner = settings.max_per_owner
        self._allowances = Allowances(
            books.ledger, self._admission.retry_after_s, lambda: books.is_overdue
        )
        self._keeping = Keeping(settings.result_ttl_s, settings.event_log_bytes)
        self._log_memory_bytes = settings.event_log_bytes // MAX_FILES_OF_LOGS
        self._run_dir = settings.run_dir
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
            "parked": self._admission.parked,
            "kept": len(self._keeping),
            "begun": self._begun,
            "event_log_bytes": self._keeping.used_bytes,
            **self._backend.counts(),
            **({} if self._auditing is None else self._auditing.counts()),
        }

    async def measured(self) -> tuple[Measured, ...]:
        """What is counted of them and of their cells, for who operates the service."""
        return (
            gauge(families.RUNNING, self._admission.running),
            gauge(families.QUEUED, self._admission.waiting),
            gauge(families.PARKED, self._admission.parked),
            gauge(families.KEPT, len(self._keeping)),
            gauge(families.EVENT_LOG_BYTES, self._keeping.used_bytes),
            gauge(families.BEGUN, self._begun),
            *self._tallies.measured(),
            *(() if self._auditing is None else self._auditing.measured()),
            *await self._backend.measured(),
        )

    def admit(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None,
        provenance: Provenance = NO_REQUEST,
    ) -> tuple[Kept, bool]:
        """Begin what a request asks for.

        Returns:
            its record, and whether the key named one that is there already.

        Raises:
            InvalidRequest: limits above the ceiling, or no such class.
            UnsupportedLanguage: as it says.
            Conflict: the key came with another request before.
            CapacityError: the queue is full, a limit of the caller's own is used up, or the
                engine is stopping.
            StoreUnavailable: his use of a day is bounded and cannot be written down, or it
                could not be audited as it has to be.
        """
        try:
            return self._admitted(request, account, idempotency_key, provenance)
        except VibecellError as error:
            self._tallies.refused(error)
            raise

    def _admitted(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None,
        provenance: Provenance,
    ) -> tuple[Kept, bool]:
        owner, key = account.owner, idempotency_key
        fingerprint = b"" if key is None else hashlib.sha256(same_bytes(request)).digest()
        if key is not None and (known := self._keeping.named(owner, key, fingerprint)) is not None:
            return known, True
        if self._stopping:
            raise ShuttingDown(STOP_MESSAGE)
        if self._auditing is not None:
            self._auditing.require_possible()
        request.limits.require_within(self._ceiling)
        if self._allowances.live(Owner(owner.key)) >= self._max_per_owner:
            raise QueueFull(
                f"at most {self._max_per_owner} executions at once are one key's",
                self._admission.retry_after_s(),
            )
        claim = self._allowances.claim(account, request.limits)
        try:
            return self._begin(request, account, claim, key, fingerprint, provenance), False
        except BaseException:
            claim.release()
            raise

    def find(self, execution_id: str, owner: Owner) -> Kept:
        """The record of this id.

        Raises:
            UnknownExecution: none, or not this owner's.
        """
        return self._keeping.find(execution_id, owner)

    def listed(self, owner: Owner, selection: Selection) -> Listing:
        """A page of what is this owner's; raises as ``Keeping.listed``."""
        return self._keeping.listed(owner, selection)

    async def sweep_for_ever(self) -> None:
        """Forget what is too old, even when nobody asks."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self._keeping.sweep()

    async def stop(self) -> None:
        """Finish everything, as cancelled, and take nothing more; idempotent.

        Returns when every result stands, at the latest after ``EXECUTIONS_STOP_S`` and
        ``CUT_OFF_S``. A cell that is not destroyed by then ends with its wall.
        """
        self._stopping = True
        for execution in self._keeping.live():
            execution.cancel(STOP_MESSAGE)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=EXECUTIONS_STOP_S)
        if late := tuple(self._tasks):
            _LOG.error("%d executions or their cells did not end in time", len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CUT_OFF_S)

    def _begin(
        self,
        request: ExecutionRequest,
        account: Account,
        claim: Claim,
        key: str | None,
        fingerprint: bytes,
        provenance: Provenance,
    ) -> Kept:
        owner = account.owner
        plan = make_plan(request, self._offer, self._warm_memory_bytes)
        grown = partial(self._keeping.grown, owner)
        log = EventLog(grown, self._log_memory_bytes, self._run_dir)
        name = secrets.token_urlsafe(ID_BYTES)
        marks = self.traces.sheet_of(name)
        parking = Parking()
        execution = Execution(name, request, parking.of(plan), log, marks, claim)
        ticket = None
        if plan.profile is not None:
            ticket = self._admission.admit(account, execution.queued, request.priority)
            parking.ticket = ticket
        self._begun += 1
        kept = Kept(
            name,
            owner,
            request.encoding,
            request.on_disconnect,
            log,
            execution,
            key,
            marks,
            plan.language,
        )
        self._keeping.begun(kept, fingerprint)
        source = Source.of(request)
        task = asyncio.create_task(execution.run(ticket, self._backend))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, kept, claim))
        task.add_done_callback(partial(self._tell, execution, kept, plan, source, provenance))
        return kept

    def _ended(self, kept: Kept, claim: Claim, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        claim.release()
        self._keeping.ended(kept)

    def _tell(
        self,
        execution: Execution,
        kept: Kept,
        plan: Plan,
        source: Source,
        provenance: Provenance,
        _task: "asyncio.Task[None]",
    ) -> None:
        """Called behind ``_ended``; of one that was cut off there is nothing to be told."""
        if execution.result is None:
            return
        place = None if plan.profile is None else plan.profile.place
        ended = Ended(
            kept.id,
            kept.owner,
            provenance,
            source,
            plan.language,
            place,
            kept.begun_at_us,
            kept.marks.taken_ns,
            execution.result,
        )
        tell(self._witnesses, ended)
