"""The port through which anything is executed.

Owns the interfaces a gateway is written against; refuses to know who is behind them: the
engine on this machine, or workers elsewhere. Calls block their caller (a thread, or a
greenlet). Whoever is behind them keeps these laws, which ``tests/unit/test_engine_daemon.py``
holds:

1. What was accepted ends, with the events of ``model/events.py`` and by its laws: numbered
   from 1 without a gap, one ``Finished``, last, even when the executor dies.
2. Reading can begin after any event, any number of times, and then yields the same.
3. What belongs to another owner does not exist: no call tells it from what never was.
4. An owner's idempotency key names one execution for as long as that is kept.
5. Leaving never cancels. A control that has no effect any more is no error, but for input.
6. Nothing that was accepted is refused later, for want of room or otherwise.

Errors are those of ``model/errors.py``. Any call may raise ``EngineUnavailable`` (nobody
answers), ``ShuttingDown`` where something new is asked for, and ``ProtocolViolation`` (what
was answered is none); the others are named where they may come.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from vibecell.model.caller import Account, Owner
from vibecell.model.events import Control, NumberedEvent
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.language import Offer
from vibecell.model.measures import Measured
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.status import ExecutionState, Health, Listing, Selection, Standing


class Followed(Protocol):
    """A hold on one execution; letting go does not cancel."""

    @property
    def id(self) -> str:
        """The execution's id."""
        ...

    @property
    def standing(self) -> Standing:
        """Where it was at the moment of the call."""
        ...

    def close(self) -> None:
        """Leave; idempotent; may be called by another thread."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Conversation(Followed, Protocol):
    """A live connection to one execution; closing it does not cancel.

    One reader and one sender may use it at the same time.
    """

    def receive(self, timeout_s: float | None = None) -> NumberedEvent | None:
        """The next event; ``None`` after ``Finished``.

        Keeps the laws of the stream even when the executor dies: the last
        event is then a ``Finished`` with ``internal_error``. Nothing is made up
        where this end has left, by ``end_controls`` or ``close``, which wake whoever
        waits here: then ``None`` comes without a ``Finished``.

        Raises:
            TimeoutError: nothing came in time; call again.
        """
        ...

    def events(self) -> Iterator[NumberedEvent]:
        """All remaining events, ending with ``Finished``."""
        ...

    def send(self, control: Control) -> None:
        """Pass a control on; ignored once the execution has ended.

        Raises:
            Conflict: a control that goes beside input cannot be delivered.
        """
        ...

    def end_controls(self) -> None:
        """Leave once what was sent has been taken: no control follows.

        Returns at once; may be called by another thread than the reader's. The
        stream ends soon afterwards, unless a program does not take its input.
        """
        ...


class PendingResult(Followed, Protocol):
    """An execution of which only the result is wanted; leaving does not cancel."""

    def result(self, timeout_s: float | None = None) -> Result:
        """The result with what was displayed, once there is one.

        When the executor dies, it is one with ``internal_error``.

        Raises:
            TimeoutError: it did not come in time; call again.
        """
        ...


class Executor(Protocol):
    """Takes requests, gives events.

    ``account`` says for whom, ``owner`` who is asking: what its users have, a key has, too.
    ``provenance`` changes nothing of what comes of it.
    """

    def submit_and_follow(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> Conversation:
        """Submit and follow from the first event.

        Raises:
            InvalidRequest: a limit is above the ceiling, or there is no such class.
            UnsupportedLanguage: no such language or version in it.
            Conflict: the key was used with another request.
            CapacityError: no room; try later.
        """
        ...

    def submit_and_wait(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> PendingResult:
        """Submit and wait for the result alone; raises as ``submit_and_follow``.

        Cheaper than that on both ends.
        """
        ...

    def submit(
        self,
        request: ExecutionRequest,
        account: Account,
        idempotency_key: str | None = None,
        provenance: Provenance = NO_REQUEST,
    ) -> Standing:
        """Submit without following; raises as ``submit_and_follow``."""
        ...

    def attach(self, execution_id: str, owner: Owner, after: int = 0) -> Conversation:
        """Follow an execution from the event after ``after``.

        Raises:
            UnknownExecution: no such execution for this owner.
            InvalidRequest: ``after`` is beyond its last event.
        """
        ...

    def inspect(self, execution_id: str, owner: Owner) -> ExecutionState:
        """State, and the result with what was displayed once finished.

        Raises:
            UnknownExecution: no such execution for this owner.
        """
        ...

    def executions(self, owner: Owner, selection: Selection) -> Listing:
        """A page of what is this owner's and still kept, the newest first.

        Raises:
            InvalidRequest: there is no such page.
        """
        ...

    def control(self, execution_id: str, owner: Owner, control: Control) -> None:
        """Pass one control on; cancelling what has ended is no error.

        Raises:
            UnknownExecution: no such execution for this owner.
            Conflict: input for an execution that has ended, or that its program does not
                read; a signal before there is a program; what cannot be delivered.
        """
        ...

    def offer(self) -> Offer:
        """What can be run, for requests of every class."""
        ...

    def health(self) -> Health:
        """How the executor is."""
        ...

    def measures(self) -> tuple[Measured, ...]:
        """What is measured of it, in families of ``model/families.py``, each once."""
        ...
