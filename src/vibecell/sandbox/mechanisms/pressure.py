"""Whether this host has memory to spare.

Owns the kernel's signs of it: stalls (PSI), available memory, and the bounds of
the cgroups this process is in, beneath which its cells are; and the decision,
a pure function with hysteresis. Refuses to act. A file that is missing or makes
no sense tells nothing, and where nothing is told the decision stays as it was.

Source: Documentation/accounting/psi.rst (Linux 4.20); proc_meminfo(5),
MemAvailable (Linux 3.14); Documentation/admin-guide/cgroup-v2.rst, memory.max;
Documentation/admin-guide/cgroup-v1/memory.rst
"""

import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MAX_FILE_BYTES = 64 * 1024
_UNLIMITED_BYTES = 1 << 60  # version 1 writes a number near 2**63 for "no limit"
_MAX_DEPTH = 32

log = logging.getLogger(__name__)


class Memory(enum.IntEnum):
    """How much of it there is for cells that nobody has asked for yet."""

    PLENTY = 0
    TIGHT = 1
    SHORT = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """The signs at one moment; ``None`` is not known.

    Attributes:
        stalled_percent: share of the last ten seconds in which some process
            waited for memory.
        available_bytes, total_bytes: of the host.
        room_bytes, bound_bytes: of the cgroup with the least room.
    """

    stalled_percent: float | None = None
    available_bytes: int | None = None
    total_bytes: int | None = None
    room_bytes: int | None = None
    bound_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Threshold:
    """From where on memory counts as this scarce; both ``left`` must be fallen below."""

    stalled_percent: float
    left_percent: float
    left_bytes: int


_THRESHOLDS = {
    Memory.SHORT: _Threshold(stalled_percent=30.0, left_percent=5.0, left_bytes=512 * MIB),
    Memory.TIGHT: _Threshold(stalled_percent=10.0, left_percent=10.0, left_bytes=1024 * MIB),
}
# A state is left when half of the stalls, or half as much memory again, would do.
_CALM_STALLS, _CALM_LEFT = 0.5, 1.5
_ROOMY = 0.25


def judge(before: Memory, reading: Reading) -> Memory:
    """How memory is now: the worst that any sign says.

    Memory is ``SHORT`` (``TIGHT``) where processes were stalled for 30 % (10 %)
    of the time, or where less than 5 % (10 %) of the host's or of a cgroup's
    memory is left and less than 512 MiB (1 GiB). Each is left only when stalls
    fall below half of its threshold and what is left is above one and a half times.

    Stalls tell nothing while a quarter of everything is known to be free: then it
    is a program that thrashes within its own bound, and that must not cost others
    their warm cells.
    """
    if reading.stalled_percent is None and not _left(reading):
        return before
    for level in (Memory.SHORT, Memory.TIGHT):
        if _is_met(_THRESHOLDS[level], reading, staying=before >= level):
            return level
    return Memory.PLENTY


def _is_met(threshold: _Threshold, reading: Reading, staying: bool) -> bool:
    stalls = threshold.stalled_percent * (_CALM_STALLS if staying else 1.0)
    stalled = reading.stalled_percent is not None and reading.stalled_percent >= stalls
    left = _left(reading)
    if stalled and not (left and all(free >= whole * _ROOMY for free, whole in left)):
        return True
    for free, whole in left:
        least = min(whole * threshold.left_percent / 100, float(threshold.left_bytes))
        if free < least * (_CALM_LEFT if staying else 1.0):
            return True
    return False


def _left(reading: Reading) -> list[tuple[int, int]]:
    """What is free of what, as far as it is known."""
    pairs = (
        (reading.available_bytes, reading.total_bytes),
        (reading.room_bytes, reading.bound_bytes),
    )
    return [(free, whole) for free, whole in pairs if free is not None and whole is not None]


class MemoryWatch:
    """Reads the signs and remembers the decision; says a change once.

    Args:
        proc: where procfs is mounted.
        cgroups: where the cgroup hierarchies are mounted.
    """

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc = proc
        self._bounded = tuple(_bounded_directories(proc, cgroups))
        self.state = Memory.PLENTY

    def look(self) -> Memory:
        """Read and decide; never raises."""
        reading = self.read()
        now = judge(self.state, reading)
        if now is not self.state:
            level = logging.WARNING if now > self.state else logging.INFO
            log.log(level, "memory is %s: %s", now.name.lower(), reading)
            self.state = now
        return now

    def read(self) -> Reading:
        """The signs of this moment."""
        host = _keyed(_text(self._proc / "meminfo"))
        room, bound = self._least_room()
        return Reading(
            stalled_percent=_stalled(_text(self._proc / "pressure" / "memory")),
            available_bytes=_kib(host.get("MemAvailable:")),
            total_bytes=_kib(host.get("MemTotal:")),
            room_bytes=room,
            bound_bytes=bound,
        )

    def _least_room(self) -> tuple[int | None, int | None]:
        least: tuple[int | None, int | None] = (None, None)
        for directory in self._bounded:
            bound = _bound_bytes(directory)
            if bound is None:
                continue
            used = _used_bytes(directory)
            if used is None:
                continue
            room = max(0, bound - used)
            if least[0] is None or room < least[0]:
                least = room, bound
        return least


def _bound_bytes(directory: Path) -> int | None:
    """The memory bound of a cgroup, on either version; ``None`` where there is none."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _text(directory / name)
        if text is not None:
            bound = _number(text)
            return bound if bound is not None and bound < _UNLIMITED_BYTES else None
    return None


def _used_bytes(directory: Path) -> int | None:
    """What a cgroup uses, without pages of files the kernel can drop at once."""
    used = _number(_text(directory / "memory.current"))
    if used is not None:
        cached = _keyed(_text(directory / "memory.stat")).get("inactive_file")
    else:
        used = _number(_text(directory / "memory.usage_in_bytes"))
        cached = _keyed(_text(directory / "memory.stat")).get("total_inactive_file")
    return None if used is None else max(0, used - (_number(cached) or 0))


def _bounded_directories(proc: Path, cgroups: Path) -> Iterator[Path]:
    """The memory cgroups this process is in, up to the mount; bounds of each count."""
    for line in (_text(proc / "self" / "cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mounts = [cgroups, cgroups / "unified"]
        elif "memory" in controllers.split(","):
            mounts = [cgroups / "memory"]
        else:
            continue
        parts = [part for part in path.split("/") if part]
        if ".." in parts or len(parts) > _MAX_DEPTH:
            parts = []
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                directory = mount.joinpath(*parts[:depth])
                if any((directory / f).is_file() for f in ("memory.max", "memory.limit_in_bytes")):
                    yield directory


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("ascii", "replace")
    except OSError:
        return None  # not known, which is what the caller is told


def _stalled(text: str | None) -> float | None:
    for line in (text or "").splitlines():
        words = line.split()
        if words and words[0] == "some":
            for word in words[1:]:
                name, _, value = word.partition("=")
                if name == "avg10":
                    return _percent(value)
    return None


def _percent(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value <= 100.0 else None


def _keyed(text: str | None) -> dict[str, str]:
    pairs = (line.split() for line in (text or "").splitlines())
    return {words[0]: words[1] for words in pairs if len(words) >= 2}


def _kib(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else number * 1024


def _number(text: str | None) -> int | None:
    """A whole number that is not negative; ``None`` for ``max`` or anything else."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 32 else None
