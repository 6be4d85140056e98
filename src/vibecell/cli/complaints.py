"""Lines for a person, from processes that have something else to do.

Owns that saying something neither ends nor holds up who says it: a terminal or a
log may be gone, full or stopped, and the service goes on. What finds no room at this
moment is lost. Refuses to buffer: nothing is left that a later flush could fail on; and to
pass on what a terminal obeys: some of what is said was written by others. Whole lines of a log,
and which of them were lost, are ``log_lines.py``'s.
"""

import contextlib
import os
import stat

# Taken before gevent, in the gateway, puts a poll in its place that waits for the loop.
from select import PIPE_BUF, POLLOUT, poll

STDOUT, STDERR = 1, 2
#: Controls of ISO 6429 but the line's end and the tabulator. Source: ECMA-48 section 5
_OBEYED = {x: f"\\x{x:02x}" for x in (*range(32), *range(127, 160)) if chr(x) not in "\n\t"}


def say(line: str, descriptor: int = STDERR, patience_s: float = 0.0) -> None:
    """Write a line, as far as there is room for it; never raises.

    Args:
        line: any text.
        descriptor: where to.
        patience_s: how long to wait for a reader who is slow.

    Source: pipe(7), PIPE_BUF: a pipe that polls writable takes so many bytes at once.
    """
    data = f"{harmless(line)}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError):  # whoever read it has left, or the disk is full
        while data and has_room(descriptor, patience_s):
            data = data[os.write(descriptor, data[:PIPE_BUF]) :]


def harmless(text: str) -> str:
    """A text of several lines in which everything else that a terminal obeys is written out."""
    return text.translate(_OBEYED)


def in_a_line(text: str) -> str:
    """A text in which whatever is no character to be read is written out.

    Line ends of Unicode are none, nor is what turns the direction of what comes after it.
    Source: Unicode Standard Annex #9, section 2
    """
    named = text.replace("\n", "\\n").replace("\t", "\\t").translate(_OBEYED)
    if named.isprintable():
        return named
    return "".join(x if x.isprintable() else f"\\u{{{ord(x):x}}}" for x in named)


def complain(line: str, patience_s: float = 0.0) -> None:
    """Say something that is wrong, as the command."""
    say(f"vibecell: {line}", patience_s=patience_s)


def has_room(descriptor: int, patience_s: float = 0.0) -> bool:
    """Whether ``PIPE_BUF`` bytes can be written at once, or a failure be heard of."""
    poller = poll()
    poller.register(descriptor, POLLOUT)
    return any(events & POLLOUT for _, events in poller.poll(patience_s * 1000))


def hold_standard_streams() -> None:
    """Put nothing in the place of a standard stream that was closed when we were started.

    Else a socket would get its number, and be written to.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # the lowest number that is free; children need it as we do
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def own_end(descriptor: int) -> int:
    """A descriptor of what is behind another one, which never waits, where that can be had.

    Several processes may write to one pipe: between one's look for room and its writing another
    may take that. As we do not set flags that whoever started us would have as well, only a
    pipe is opened once more.

    Source: proc(5), /proc/pid/fd; pipe(7), PIPE_BUF with O_NONBLOCK
    """
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        return descriptor  # nobody reads it, or it was closed: what is written is lost
    return descriptor
