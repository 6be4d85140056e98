"""The port through which anything is executed.

Owns the two interfaces a gateway is written against; refuses to know who is
behind them: the engine on this machine, or workers elsewhere. Calls block
their caller (a thread, or a greenlet).
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from vibecell.model.events import Control, NumberedEvent
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.model.language import Offer
from vibecell.model.status import ExecutionState, Health, Standing


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
        event is then a ``Finished`` with ``internal_error``.

        Raises:
            TimeoutError: nothing came in time; call again.
        """
        ...

    def events(self) -> Iterator[NumberedEvent]:
        """All remaining events, ending with ``Finished``."""
        ...

    def send(self, control: Control) -> None:
        """Pass a control on; ignored once the execution has ended."""
        ...


class PendingResult(Followed, Protocol):
    """An execution of which only the result is wanted; leaving does not cancel."""

    def result(self, timeout_s: float | None = None) -> Result:
        """The result, once there is one.

        When the executor dies, it is one with ``internal_error``.

        Raises:
            TimeoutError: it did not come in time; call again.
        """
        ...

    def cancel(self) -> None:
        """Stop the execution; no error where it has ended."""
        ...


class Executor(Protocol):
    """Takes requests, gives events.

    ``owner`` names who is asking; what belongs to another owner does not
    exist for this one. Every method may raise ``EngineUnavailable``.
    """

    def submit_and_follow(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> Conversation:
        """Submit and follow from the first event.

        Raises:
            RequestError: the request is refused.
            Conflict: the key was used with another request.
            CapacityError: no room; try later.
        """
        ...

    def submit_and_wait(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> PendingResult:
        """Submit and wait for the result alone; raises as ``submit_and_follow``.

        Cheaper than that on both ends.
        """
        ...

    def submit(
        self, request: ExecutionRequest, owner: str, idempotency_key: str | None = None
    ) -> Standing:
        """Submit without following; raises as ``submit_and_follow``."""
        ...

    def attach(self, execution_id: str, owner: str, after: int = 0) -> Conversation:
        """Follow an execution from the event after ``after``.

        Raises:
            UnknownExecution: no such execution for this owner.
        """
        ...

    def inspect(self, execution_id: str, owner: str) -> ExecutionState:
        """State, and the result once finished.

        Raises:
            UnknownExecution: no such execution for this owner.
        """
        ...

    def control(self, execution_id: str, owner: str, control: Control) -> None:
        """Pass one control on; cancelling what has ended is no error.

        Raises:
            UnknownExecution: no such execution for this owner.
            Conflict: input for an execution that has ended.
        """
        ...

    def offer(self) -> Offer:
        """What can be run, for requests of every class."""
        ...

    def health(self) -> Health:
        """How the executor is."""
        ...
