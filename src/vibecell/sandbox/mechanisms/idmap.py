"""Host uids that belong to nobody, handed out to walls and cells.

Owns the range above a base, cut into one block per zygote, and the maps
written into a user namespace from outside; refuses to hand out a uid that
has not been given back, so what is quarantined simply never returns, and its
block does not either.

Source: user_namespaces(7), "User and group ID mappings"
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

BLOCK_SIZE = 1024
MAX_BLOCKS = 1024
LOWEST_BASE = 65536  # below are users and services, and "nobody"
HIGHEST_ID = 2**32 - 2  # the last number means "no id"


@dataclass
class UidBlock:
    """The uids of one zygote: inner 0 is its own, the rest its cells'.

    Attributes:
        first: host uid that inner 0 stands for; the group ids are the same.
        size: how many there are.
    """

    first: int
    size: int = BLOCK_SIZE
    _free: list[int] = field(default_factory=list, repr=False)
    _taken: set[int] = field(default_factory=set, repr=False)
    _next: int = 1
    _when_whole: Callable[[], None] | None = field(default=None, repr=False)

    def take(self) -> int:
        """The lowest free uid, in the namespace's terms.

        Raises:
            OSError: every uid of the block is taken.
        """
        if self._free:
            uid = heapq.heappop(self._free)
        elif self._next < self.size:
            uid = self._next
            self._next += 1
        else:
            raise OSError("no uid is free in this block")
        self._taken.add(uid)
        return uid

    def give_back(self, uid: int) -> None:
        """Make a uid available again; only after the last process under it ended.

        Raises:
            KeyError: it is not taken; two cells must never share one.
        """
        self._taken.remove(uid)
        heapq.heappush(self._free, uid)
        self._settle()

    def retire(self, when_whole: Callable[[], None]) -> None:
        """Have ``when_whole`` called, once, as soon as none of its uids is taken."""
        self._when_whole = when_whole
        self._settle()

    def _settle(self) -> None:
        if self._when_whole is not None and not self._taken:
            call, self._when_whole = self._when_whole, None
            call()


class UidRange:
    """Blocks of uids from a base upwards.

    Raises:
        ValueError: the range would hold ids of the system, or pass the last.
    """

    def __init__(self, base: int) -> None:
        if not LOWEST_BASE <= base <= HIGHEST_ID - MAX_BLOCKS * BLOCK_SIZE:
            raise ValueError(f"no room for uids above {base}")
        self._base = base
        self._free: list[int] = []
        self._taken: dict[int, UidBlock] = {}
        self._next = 0

    @property
    def free_blocks(self) -> int:
        """How many can be taken."""
        return MAX_BLOCKS - len(self._taken)

    def take_block(self) -> UidBlock:
        """The lowest free block, all its uids free.

        Raises:
            OSError: the range is used up.
        """
        if self._free:
            number = heapq.heappop(self._free)
        elif self._next < MAX_BLOCKS:
            number = self._next
            self._next += 1
        else:
            raise OSError("no block of uids is free")
        block = self._taken[number] = UidBlock(self._base + number * BLOCK_SIZE)
        return block

    def give_back_block(self, block: UidBlock) -> None:
        """Make a block available again once its cells have given their uids back.

        Only after its wall is gone. A second time does nothing, even if another
        wall has the number by then.
        """
        number = (block.first - self._base) // BLOCK_SIZE

        def free() -> None:
            del self._taken[number]
            heapq.heappush(self._free, number)

        if self._taken.get(number) is block:
            block.retire(free)


def write_id_maps(pid: int, block: UidBlock, proc: Path = Path("/proc")) -> None:
    """Map inner ids 0.. of a process's user namespace to a block; needs root.

    Raises:
        OSError: the process is gone or its namespace is mapped already.
    """
    line = f"0 {block.first} {block.size}"
    (proc / str(pid) / "gid_map").write_text(line)
    (proc / str(pid) / "uid_map").write_text(line)
