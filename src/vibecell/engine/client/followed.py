"""Following an execution, from the client's side.

Owns what every hold on one execution has, and the stream of its events; refuses to
reconnect: what a lost engine means is decided here, by ending the stream as its laws
demand.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from vibecell.engine.client.link_socket import SharedLink
from vibecell.engine.output import OutputKeeper
from vibecell.model.errors import ProtocolViolation, UnknownExecution
from vibecell.model.events import ASIDE, Control, Finished, NumberedEvent, Stream
from vibecell.model.execution import Result
from vibecell.model.status import Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import decode_event

LOST_MESSAGE = "the platform failed while the program was running"


class FollowedExecution(ABC):
    """Most of an ``executor.Followed``: all but ``close``."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    @property
    def id(self) -> str:
        """See ``Followed.id``."""
        return self._standing.id

    @property
    def standing(self) -> Standing:
        """See ``Followed.standing``."""
        return self._standing

    @abstractmethod
    def close(self) -> None:
        """See ``Followed.close``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class EngineConversation(FollowedExecution):
    """A ``Conversation`` over one connection to the engine.

    Input goes down this connection, where a program that does not read holds
    it up. What must not be held up behind it goes ``aside``, where it is answered.
    """

    def __init__(
        self, link: SharedLink, standing: Standing, after: int, aside: Callable[[Control], None]
    ) -> None:
        super().__init__(standing)
        self._link = link
        self._aside = aside
        self._seq = after
        self._kept = OutputKeeper()
        self._ended = False
        self._left = False

    def receive(self, timeout_s: float | None = None) -> NumberedEvent | None:
        """See ``Conversation.receive``."""
        if self._ended:
            return None
        event: NumberedEvent | None = None
        try:
            if message := self._link.receive(timeout_s):
                event = decode_event(message)
        except TimeoutError:
            raise
        except (OSError, ProtocolViolation):
            event = None
        if event is None or event.seq != self._seq + 1:
            if self._left:
                return None  # the stream was ended here: how the execution ends is not known
            event = self._lost()
        self._seq = event.seq
        if isinstance(event.event, Stream):
            self._kept.add(event.event.name, event.event.data)
        if isinstance(event.event, Finished):
            self._ended = True
            self._link.close()
        return event

    def events(self) -> Iterator[NumberedEvent]:
        """See ``Conversation.events``."""
        while (event := self.receive()) is not None:
            yield event

    def send(self, control: Control) -> None:
        """See ``Conversation.send``."""
        if self._ended:
            return
        if isinstance(control, ASIDE):
            with contextlib.suppress(UnknownExecution):  # it ended, and is kept no more
                self._aside(control)
            return
        # a broken link is told once, to the reader, as the end of the stream
        with contextlib.suppress(OSError):
            self._link.send(control)

    def end_controls(self) -> None:
        """See ``Conversation.end_controls``."""
        self._left = True
        self._link.end_sending()

    def close(self) -> None:
        """See ``Conversation.close``."""
        self._left = True
        self._link.close()

    def _lost(self) -> NumberedEvent:
        """The end of a stream whose engine is gone, with what arrived of it."""
        result = Result(
            id=self.id,
            verdict=Verdict.INTERNAL_ERROR,
            stdout=self._kept.stdout,
            stderr=self._kept.stderr,
            output=self._kept.output,
            truncated=self._kept.truncated,
            message=LOST_MESSAGE,
        )
        return NumberedEvent(self._seq + 1, Finished(result))
