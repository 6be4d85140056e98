"""Lines for a person, from processes that have something else to do.

Owns that saying something neither ends nor holds up who says it: a terminal or a
log may be gone, full or stopped, and the service goes on. What finds no room at this
moment is lost. Refuses to buffer: nothing is left that a later flush could fail on; and to
pass on what a terminal obeys: some of what is said was written by others.
"""

import contextlib
import logging
import os

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
        while data and _has_room(descriptor, patience_s):
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


def _has_room(descriptor: int, patience_s: float) -> bool:
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


class Complaints(logging.Handler):
    """What is logged, said."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; one that cannot be put into words is said to be so."""
        try:
            line = self.format(record)
        except Exception as error:
            line = f"{record.name}: a message could not be made: {error!r}"
        say(line)
