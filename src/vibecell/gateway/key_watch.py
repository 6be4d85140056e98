"""Has a gateway know of keys what the store says.

Owns the pace: several looks a second, what a ring owes now and then. Refuses to hold up requests:
the store is asked in a thread of its own, and while it does not answer the ring grows old, and
refuses by itself.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool

from vibecell.model.errors import PlatformError
from vibecell.model.stopping import KEYS_STOP_S
from vibecell.sharing.key_ring import KeyRing, Owed
from vibecell.sharing.key_source import KeySource

LOOK_S = 0.25
#: Uses are told about, not counted: a store need not be written for each.
SETTLE_S = 60.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class KeyWatch:
    """Keeps a ring like its source, from ``start`` to ``stop``.

    Args:
        ring: is told what has changed.
        source: is asked.
        settle_s: between two times that is written what the ring owes.
    """

    def __init__(self, ring: KeyRing, source: KeySource, settle_s: float = SETTLE_S) -> None:
        self._ring, self._source = ring, source
        self._pool = ThreadPool(1)
        self._settle_every_looks = max(1, round(settle_s / LOOK_S))
        self._pending = Owed()
        self._complained = ""
        self._watching: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to look."""
        self._watching = gevent.spawn(self._watch)

    def stop(self, patience_s: float = KEYS_STOP_S) -> None:
        """Look no more, and write what is owed if that is soon done."""
        if self._watching is not None:
            self._watching.kill()
        with gevent.Timeout(patience_s, False):
            self._settle()
            self._pool.apply(self._source.close)

    def look(self) -> None:
        """Look once; a store that cannot be read is told once, and the ring grows old."""
        try:
            view = self._asked(self._source.look)
        except PlatformError as error:
            self._complain(str(error))
            return
        if view is None:
            self._ring.confirm()
        else:
            self._ring.take(view)
        self._complained = ""

    def _watch(self) -> None:
        looks = 0
        while True:
            looks += 1
            try:
                self.look()
                if looks % self._settle_every_looks == 0:
                    self._settle()
            except Exception as error:
                # a fault of ours, or a store that answers what none should: nobody is let in
                # while the ring grows old, and it is looked at again
                self._complain(f"keys cannot be looked at: {error!r}", error)
            gevent.sleep(LOOK_S)

    def _settle(self) -> None:
        owed = self._ring.owed()
        self._pending.used_at |= owed.used_at
        self._pending.rehashed |= owed.rehashed
        if not self._pending:
            return
        try:
            self._asked(partial(self._source.settle, self._pending))
        except PlatformError as error:
            self._complain(str(error))  # and try again with what is owed by then
        else:
            self._pending = Owed()

    def _asked(self, call: Callable[[], _T]) -> _T:
        """What a call answers in the thread, where gevent prints each error that leaves it."""
        answer: _T | Exception = self._pool.apply(_caught, (call,))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _complain(self, text: str, fault: Exception | None = None) -> None:
        if text != self._complained:
            _log.error("%s", text, exc_info=fault)
            self._complained = text


def _caught(call: Callable[[], _T]) -> _T | Exception:
    try:
        return call()
    except Exception as error:
        return error
