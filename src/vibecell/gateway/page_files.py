"""The files of the pages that this gateway began.

Owns a memory of them, bounded in time and bytes, lost with the process without
harm: the entry of a page is in its events, too.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

MAX_PAGES = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """One remembered page.

    Attributes:
        entry: path of the file to show first.
        files: path to content.
        origins: of pages that may frame it, beside the deployment's.
        until_s: monotonic seconds at which it is forgotten.
    """

    entry: str
    files: Mapping[str, bytes]
    until_s: float
    origins: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(len(x) for x in self.files.values())


class PageFiles:
    """Remembers pages by the id of their execution.

    Args:
        ttl_s: how long each.
        bytes_in_all: of all their files; beyond it the oldest goes.
    """

    def __init__(self, ttl_s: float, bytes_in_all: int) -> None:
        self._ttl_s = ttl_s
        self._bytes_in_all = bytes_in_all
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._bytes = 0

    def remember(
        self,
        execution_id: str,
        entry: str,
        files: Mapping[str, bytes],
        origins: tuple[str, ...] = (),
    ) -> None:
        """Note a page that was just begun; one that is known stays as it is."""
        if self.find(execution_id) is not None:
            return
        if execution_id in self._pages:  # too old, and not yet dropped
            self._forget(execution_id)
        page = Page(entry, files, time.monotonic() + self._ttl_s, origins)
        self._pages[execution_id] = page
        self._bytes += page.size_bytes
        self._sweep()

    def find(self, execution_id: str) -> Page | None:
        """The page of this execution, whoever asks: the id is the capability."""
        page = self._pages.get(execution_id)
        return page if page is not None and page.until_s >= time.monotonic() else None

    def _sweep(self) -> None:
        now = time.monotonic()
        while self._pages:
            oldest, page = next(iter(self._pages.items()))
            crowded = len(self._pages) > MAX_PAGES or self._bytes > self._bytes_in_all
            if page.until_s >= now and not crowded:
                return
            self._forget(oldest)

    def _forget(self, execution_id: str) -> None:
        self._bytes -= self._pages.pop(execution_id).size_bytes
