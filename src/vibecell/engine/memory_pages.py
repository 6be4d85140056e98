"""Memory for what is kept long and in numbers, in the order it came.

Owns pages of memory of the kernel's, away from the heap: what is kept for minutes
among what lives for milliseconds would pin the heap in pieces, and little of it could ever
be given back. Who came first is forgotten first, so a page is given back as soon as the
last of it is forgotten, to the kernel, and at once. Refuses to know what the bytes are.
"""

import mmap
from collections import deque

PAGE_BYTES = 1024 * 1024
_OFFSET_BITS = 32


class Pages:
    """A queue of pieces of bytes, each to be read where it lies."""

    def __init__(self) -> None:
        self._pages: deque[mmap.mmap] = deque()
        self._pieces: deque[int] = deque()  # on each page
        self._first = 0  # number of the oldest page
        self._left_bytes = 0  # on the newest page

    def put(self, data: bytes) -> int:
        """Keep a piece behind all others; returns its place.

        Raises:
            OSError: the kernel has no memory.
        """
        if len(data) > self._left_bytes or not self._pages:
            self._add_page(max(PAGE_BYTES, len(data)))
        page = self._pages[-1]
        offset = len(page) - self._left_bytes
        page[offset : offset + len(data)] = data
        self._left_bytes -= len(data)
        self._pieces[-1] += 1
        return (self._first + len(self._pages) - 1) << _OFFSET_BITS | offset

    def find(self, place: int) -> tuple[mmap.mmap, int]:
        """The page of a piece that is there, and its offset; a reader may hold the page."""
        number, offset = place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)
        return self._pages[number - self._first], offset

    def forget_oldest(self) -> None:
        """Keep the piece no longer that has been there longest."""
        self._pieces[0] -= 1
        if not self._pieces[0]:
            self._pieces.popleft()
            # not closed: its last reader does that, by going
            self._pages.popleft()
            self._first += 1
            if not self._pages:
                self._left_bytes = 0

    def _add_page(self, size_bytes: int) -> None:
        # private: a shared one would be a file, and be taken by who is forked
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._pages.append(mmap.mmap(-1, size_bytes, flags=flags))
        self._pieces.append(0)
        self._left_bytes = size_bytes
