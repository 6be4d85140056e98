"""Who is watching which execution, over WebSockets.

Decides that a client has left: when the last WebSocket of an execution closes and
none comes back within the grace, it is cancelled, unless its request said otherwise.
A run that is to be cancelled is, even where the executor cannot be asked at first.
What the request said is the executor's to know: it comes with every hold on it.
Owns counts of what is open, and lives no longer than that.
"""

import logging

import gevent

from vibecell.executor import Executor
from vibecell.model.caller import Owner
from vibecell.model.errors import RequestError, VibecellError
from vibecell.model.events import Cancel
from vibecell.model.status import Standing

_log = logging.getLogger(__name__)
_TRY_AGAIN_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class Watchers:
    """Counts WebSockets by execution; used by greenlets of one thread.

    Args:
        executor: who is asked to cancel.
        grace_s: in which a client may come back.
    """

    def __init__(self, executor: Executor, grace_s: float) -> None:
        self._executor = executor
        self._grace_s = grace_s
        self._counts: dict[str, int] = {}
        self._leaving: dict[str, gevent.Greenlet] = {}

    def arrive(self, standing: Standing) -> None:
        """A WebSocket follows this execution now."""
        self._counts[standing.id] = self._counts.get(standing.id, 0) + 1
        leaving = self._leaving.pop(standing.id, None)
        if leaving is not None:
            leaving.kill(block=False)

    def leave(self, standing: Standing, owner: Owner, finished: bool) -> None:
        """A WebSocket of this execution has closed."""
        self._counts[standing.id] -= 1
        if self._counts[standing.id]:
            return
        del self._counts[standing.id]
        if standing.on_disconnect == "cancel" and not finished:
            self._leaving[standing.id] = gevent.spawn_later(
                self._grace_s, self._cancel, standing.id, owner
            )

    def cancel(self, execution_id: str, owner: Owner) -> None:
        """Cancel what a client has left for good; returns at once, never raises."""
        gevent.spawn(self._ask_to_cancel, execution_id, owner)

    def _cancel(self, execution_id: str, owner: Owner) -> None:
        del self._leaving[execution_id]
        self._ask_to_cancel(execution_id, owner)

    def _ask_to_cancel(self, execution_id: str, owner: Owner) -> None:
        for wait_s in (*_TRY_AGAIN_S, None):
            try:
                self._executor.control(execution_id, owner, Cancel())
                return
            except VibecellError as error:
                _log.info("cannot cancel %s, whose client has left: %s", execution_id, error)
                if wait_s is None or isinstance(error, RequestError):
                    return  # it has ended with its executor, or long ago
            gevent.sleep(wait_s)
