"""Memory for what is kept long and in numbers, to be forgotten in any order.

Owns pages of memory of the kernel's, away from the heap: what is kept for minutes
among what lives for milliseconds would pin the heap in pieces, and little of it could ever
be given back. Refuses to know what the bytes are, and whose.

All owners share pages. A page for each would hold a thousand times what one small result needs,
for every owner who has just one. So pieces lie side by side as they come, and what is given back is
not the page but the frames of it, of 4 KiB, on which nothing is left: of one owner's oldest among
the others' just as of whatever ends its time. One piece pins the two frames at most on which it
begins and ends, wherever its neighbours are; where all go in their order, no more is pinned than
there is. At worst, where every neighbour of each small piece went before it, what is resident is
six to seven times what the budget counts, until their time is over. A large piece has a page
alone, which its readers may hold; a small one must be copied by who reads it, since its frames
are empty as soon as it is forgotten.
"""

import errno
import mmap
from array import array

PAGE_BYTES = 1024 * 1024
#: What is larger has a page alone.
MAX_SHARED_BYTES = 256 * 1024
_FRAME_BYTES = mmap.PAGESIZE
_OFFSET_BITS = 32


class _Page:
    """One mapping, and how much on it is still wanted."""

    __slots__ = ("memory", "pieces", "pieces_on")

    def __init__(self, size_bytes: int) -> None:
        # private: a shared one would be a file, and be taken by who is forked
        self.memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.pieces = 0
        self.pieces_on = array("H")  # of each frame

    def share(self) -> None:
        """Many pieces are to lie here.

        Raises:
            OSError: the kernel will not have it so.
        """
        try:
            # a frame of a huge page would be given back when memory is short, not before
            self.memory.madvise(mmap.MADV_NOHUGEPAGE)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a kernel that has no huge pages at all
                raise
        self.pieces_on = array("H", bytes(2 * (PAGE_BYTES // _FRAME_BYTES)))

    def add(self, offset: int, size_bytes: int) -> None:
        """A piece lies here now."""
        self.pieces += 1
        for frame in _edges(offset, size_bytes):
            self.pieces_on[frame] += 1

    def remove(self, offset: int, size_bytes: int) -> None:
        """A piece is not wanted any more; its frames are given back, where no other needs them."""
        self.pieces -= 1
        first, last = offset // _FRAME_BYTES, (offset + size_bytes - 1) // _FRAME_BYTES
        for frame in _edges(offset, size_bytes):
            self.pieces_on[frame] -= 1
        begin = first + (self.pieces_on[first] > 0)
        end = last + (self.pieces_on[last] == 0)
        if begin < end:
            # source: madvise(2), MADV_DONTNEED: at once, and the frames read as zeros
            self.memory.madvise(
                mmap.MADV_DONTNEED, begin * _FRAME_BYTES, (end - begin) * _FRAME_BYTES
            )


class Pages:
    """Pieces of bytes, each to be read where it lies."""

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}
        self._made = 0
        self._newest = 0  # that is shared
        self._left_bytes = 0  # on that

    def put(self, data: bytes) -> int:
        """Keep a piece, of one byte at least; returns its place.

        Raises:
            OSError: the kernel has no memory.
        """
        if len(data) > MAX_SHARED_BYTES:
            alone = _Page(len(data))
            alone.memory[:] = data
            alone.pieces = 1
            return self._enter(alone) << _OFFSET_BITS
        if len(data) > self._left_bytes:
            page = _Page(PAGE_BYTES)
            page.share()
            self._newest, self._left_bytes = self._enter(page), PAGE_BYTES
        page = self._pages[self._newest]
        offset = PAGE_BYTES - self._left_bytes
        page.memory[offset : offset + len(data)] = data
        page.add(offset, len(data))
        self._left_bytes -= len(data)
        return self._newest << _OFFSET_BITS | offset

    def find(self, place: int) -> tuple[mmap.mmap, int]:
        """The page of a piece that is there, and its offset.

        A reader may hold the page of a piece that is larger than ``MAX_SHARED_BYTES``.
        """
        return self._pages[place >> _OFFSET_BITS].memory, place & ((1 << _OFFSET_BITS) - 1)

    def forget(self, place: int, size_bytes: int) -> None:
        """Keep a piece no longer, which has so many bytes."""
        number, offset = place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)
        page = self._pages[number]
        if page.pieces > 1:
            page.remove(offset, size_bytes)
            return
        # not closed: its last reader does that, by going
        del self._pages[number]
        if number == self._newest:
            self._left_bytes = 0

    def _enter(self, page: _Page) -> int:
        self._made += 1
        self._pages[self._made] = page
        return self._made


def _edges(offset: int, size_bytes: int) -> set[int]:
    """The frames on which a piece begins and ends: what lies between is its own."""
    return {offset // _FRAME_BYTES, (offset + size_bytes - 1) // _FRAME_BYTES}
