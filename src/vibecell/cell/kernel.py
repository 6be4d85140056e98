"""System calls, made at once or recorded to be made again and again.

Owns the one way by which cell programs enter the kernel past the standard
library; refuses to know what a call is for. Confining a process takes about two
hundred calls, the same for every cell. Written as plain functions they cost
far more in the interpreter, and in pages copied after the fork because their
reference counts change, than in the kernel. So a zygote records them once
and every cell replays the recording: a loop over tuples of numbers.

A recorded call must not depend on the result of another, but for being passed
it: ``call`` returns a ``Result`` then, which later calls take as an argument.

Source: syscall(2)
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator

_MACHINE = os.uname().machine
# these differ: number on x86-64, on AArch64; the newer are the same everywhere
_OLDER = {
    "write": (1, 64), "close": (3, 57), "rt_sigaction": (13, 134), "ioctl": (16, 29),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "umask": (95, 166), "setgroups": (116, 159),
    "setresuid": (117, 147), "setresgid": (119, 149), "capget": (125, 90),
    "capset": (126, 91), "prctl": (157, 167),
    "chdir": (80, 49), "mount": (165, 40),
    "sethostname": (170, 161), "openat": (257, 56), "mknodat": (259, 33),
    "fchmodat": (268, 53), "unshare": (272, 97), "dup3": (292, 24),
    "prlimit64": (302, 261), "setns": (308, 268),
}  # fmt: skip
_NEWER = {
    "close_range": 436,
    "openat2": 437,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
NUMBERS = {name: pair[_MACHINE == "aarch64"] for name, pair in _OLDER.items()} | _NEWER
_MOST_ARGUMENTS = 6

# without the release of the interpreter's lock: there is no other thread
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] * (_MOST_ARGUMENTS + 1)


class Result:
    """What a recorded call will have returned, by its place in the recording."""

    def __init__(self, place: int) -> None:
        self.place = place


class Given:
    """A number that is known at the replay only."""

    def __init__(self) -> None:
        self.value = 0


class Text:
    """Bytes with an end of their own that are filled in before each replay."""

    def __init__(self, most_bytes: int) -> None:
        self.buffer = ctypes.create_string_buffer(most_bytes + 1)

    def fill(self, content: bytes) -> None:
        """Set the content. Raises ``ValueError`` when it is too long."""
        self.buffer.value = content


Argument = int | bytes | Text | Result | Given


class Recording:
    """Calls in their order, ready to be made."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, tuple[int, ...], tuple[tuple[int, Result | Given], ...]]] = []
        self._held: list[object] = []

    def add(self, step: str, number: int, arguments: tuple[Argument, ...]) -> Result:
        """Add a call; buffers among its arguments stay alive with the recording."""
        self._held.extend(arguments)
        later = tuple(
            (at, x) for at, x in enumerate(arguments, start=1) if isinstance(x, Result | Given)
        )
        self._calls.append((step, _numbers(number, arguments), later))
        return Result(len(self._calls) - 1)

    def hold(self, content: bytes) -> None:
        """Keep bytes that no call has as an argument of its own."""
        self._held.append(content)

    def replay(self) -> None:
        """Make all calls.

        Raises:
            OSError: a call failed, and none after it was made; ``filename`` is its step.
        """
        results: list[int] = []
        for step, numbers, later in self._calls:
            if later:
                numbers = _filled(numbers, later, results)
            result = _syscall(*numbers)
            if result < 0:
                raise failure(step)
            results.append(result)


_recording: Recording | None = None


@contextlib.contextmanager
def recording() -> Iterator[Recording]:
    """Record the calls of the block instead of making them."""
    global _recording
    _recording = made = Recording()
    try:
        yield made
    finally:
        _recording = None


def hold(content: bytes) -> int:
    """Where these bytes are, which a call names by an address in another buffer.

    They stay as long as the recording that is being made; outside of one, as
    long as the caller refers to them.
    """
    if _recording is not None:
        _recording.hold(content)
    return address_of(content)


def is_recording() -> bool:
    """Whether calls are being recorded: nothing can be asked of the kernel then."""
    return _recording is not None


def call(step: str, name: str, *arguments: Argument) -> int | Result:
    """Make or record a call.

    Raises:
        OSError: it failed; ``filename`` is ``step``.
    """
    if _recording is not None:
        return _recording.add(step, NUMBERS[name], arguments)
    return call_now(step, name, *arguments)


def call_now(step: str, name: str, *arguments: Argument) -> int:
    """Make a call whose result is needed here.

    Raises:
        OSError: it failed; ``filename`` is ``step``.
    """
    result: int = _syscall(*_numbers(NUMBERS[name], arguments))
    if result < 0:
        raise failure(step)
    return result


def failure(step: str) -> OSError:
    """The error of the last call, named after its step."""
    number = ctypes.get_errno() or errno.EIO
    return OSError(number, os.strerror(number), step)


def _numbers(number: int, arguments: tuple[Argument, ...]) -> tuple[int, ...]:
    padding = (0,) * (_MOST_ARGUMENTS - len(arguments))
    return (number, *map(_as_number, arguments), *padding)


def _as_number(argument: Argument) -> int:
    if isinstance(argument, int):
        return argument
    if isinstance(argument, bytes):
        return address_of(argument)
    if isinstance(argument, Text):
        return ctypes.addressof(argument.buffer)
    return 0


def address_of(content: bytes) -> int:
    """Where these bytes are in memory, as long as they are referred to."""
    return ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0


def _filled(
    numbers: tuple[int, ...], later: tuple[tuple[int, Result | Given], ...], results: list[int]
) -> tuple[int, ...]:
    filled = list(numbers)
    for at, source in later:
        filled[at] = source.value if isinstance(source, Given) else results[source.place]
    return tuple(filled)
