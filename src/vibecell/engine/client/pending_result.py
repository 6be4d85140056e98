"""Waiting for a result alone, over connections that are used again.

Owns the client's end of ``follow: "result"``: one message, the last event, after
the reply. Refuses to retry: a connection that breaks ends its execution here
with ``internal_error``, as the laws of the event stream say.
"""

import contextlib
import threading
import time
from collections import deque

from vibecell.engine.client.followed import LOST_MESSAGE, FollowedExecution
from vibecell.engine.client.link_socket import Link
from vibecell.model.errors import ProtocolViolation
from vibecell.model.execution import Result
from vibecell.model.status import Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire.link import decode_result

# Well below the time after which the engine closes: both ends never decide at once.
MAX_IDLE_S = 0.15
MAX_IDLE_LINKS = 256


class IdleLinks:
    """Connections to the engine between two calls, the one used last first."""

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Link]] = deque()
        self._swept = False

    def take(self) -> Link | None:
        """One that the engine still holds; ``None`` if there is none."""
        while self._idle:
            try:
                since_s, link = self._idle.pop()
            except IndexError:
                return None  # another thread was faster
            if time.monotonic() - since_s <= MAX_IDLE_S and link.is_idle():
                return link
            link.close()
        return None

    def give(self, link: Link) -> None:
        """Keep a connection whose call has been answered in full."""
        self._idle.append((time.monotonic(), link))
        if len(self._idle) > MAX_IDLE_LINKS:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._idle.popleft()[1].close()
        if not self._swept:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._swept = True
        timer = threading.Timer(MAX_IDLE_S, self._sweep)
        timer.daemon = True
        timer.start()

    def _sweep(self) -> None:
        oldest_s = time.monotonic() - MAX_IDLE_S
        with contextlib.suppress(IndexError):  # another thread was faster
            while self._idle and self._idle[0][0] <= oldest_s:
                self._idle.popleft()[1].close()
        self._swept = False
        if self._idle:
            self._sweep_later()

    def close(self) -> None:
        """Close all of them."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._idle.pop()[1].close()


class EnginePendingResult(FollowedExecution):
    """A ``PendingResult`` over one connection to the engine."""

    def __init__(self, link: Link, idle: IdleLinks, standing: Standing) -> None:
        self._link = link
        self._idle = idle
        super().__init__(standing)
        self._result: Result | None = None

    def result(self, timeout_s: float | None = None) -> Result:
        """See ``PendingResult.result``."""
        if self._result is not None:
            return self._result
        try:
            message = self._link.receive(timeout_s)
            self._result = decode_result(message) if message else None
        except TimeoutError:
            raise
        except (OSError, ProtocolViolation):
            self._result = None
        if self._result is not None:
            self._idle.give(self._link)
            return self._result
        self._link.close()
        self._result = Result(self.id, Verdict.INTERNAL_ERROR, message=LOST_MESSAGE)
        return self._result

    def close(self) -> None:
        """See ``PendingResult.close``."""
        if self._result is None:
            self._link.close()
