"""The moments of one execution, noted while somebody traces it.

Owns their names, in the order in which they come, and the place they are noted
in; refuses to know who reads them. Where nobody traces, ``SILENT`` is handed
around in place of a sheet, and forgets.

Source: time(3) of Python: ``monotonic_ns`` is ``CLOCK_MONOTONIC``, which all
processes of a host have in common, so moments of several can be compared.
"""

from time import monotonic_ns
from typing import Literal

#: In the order of the path. Those before ``sent`` and after ``received`` lie off
#: it: a cell is made before anybody asks for it, and destroyed behind the answer.
Moment = Literal[
    "fork_asked",  # engine: a zygote was asked for a cell
    "hello",  # engine: that cell is warm
    "sent",  # client: the request is about to be written
    "request",  # gateway: its first byte is there
    "body",  # gateway: all of it is read and parsed
    "checked",  # gateway: it is valid, allowed and within the quota
    "call",  # engine: its line is read
    "admitted",  # engine: decoded, planned, given a place
    "running",  # engine: its turn has come
    "cell",  # engine: it has a cell
    "start",  # engine: START is written to the cell
    "started",  # engine: STARTED is heard
    "output",  # engine: the first output is heard
    "exit",  # engine: EXIT is heard
    "collected",  # engine: the files it left are here
    "result",  # engine: the result is in the event log
    "told",  # engine: the line of the result is about to be written
    "heard",  # gateway: the result is decoded
    "encoded",  # gateway: the answer is ready to be written
    "received",  # client: all of it is there
    "destroying",  # engine: the cell's end begins
    "destroyed",  # engine: nothing is left of the cell
]


class Marks:
    """Where the moments of one execution are noted."""

    __slots__ = ("taken_ns",)

    def __init__(self) -> None:
        self.taken_ns: dict[Moment, int] = {}

    def note(self, moment: Moment, at_ns: int | None = None) -> None:
        """This is the moment, or ``at_ns`` was; the last one of a name counts."""
        self.taken_ns[moment] = monotonic_ns() if at_ns is None else at_ns

    def note_first(self, moment: Moment) -> None:
        """This is the moment, unless it came before."""
        if moment not in self.taken_ns:
            self.taken_ns[moment] = monotonic_ns()


class _Silent(Marks):
    __slots__ = ()

    def note(self, moment: Moment, at_ns: int | None = None) -> None:
        return

    def note_first(self, moment: Moment) -> None:
        return


SILENT: Marks = _Silent()
