"""The moments of the executions begun last, while tracing is on.

Owns the bounded memory of them; refuses to keep anything of one that has ended where the
settings do not ask for it, and to know whose executions they were.
"""

from collections import deque

from vibecell.model.marks import Marks
from vibecell.wire.link import Trace

MAX_TRACES = 1024


class Traces:
    """What was noted of the last ``MAX_TRACES`` executions.

    Args:
        on: whether anything is noted at all.
    """

    def __init__(self, on: bool) -> None:
        self.on = on
        self._kept: deque[tuple[str, Marks]] = deque(maxlen=MAX_TRACES)

    def sheet_of(self, execution_id: str) -> Marks:
        """Where to note the moments of one more execution."""
        marks = Marks()
        if self.on:
            self._kept.append((execution_id, marks))
        return marks

    def shown(self) -> list[Trace]:
        """All of them, as the link carries them, the oldest first."""
        return [Trace(name, dict(marks.taken_ns)) for name, marks in self._kept]
