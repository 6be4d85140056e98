"""From what a process says to events worth keeping.

Owns coalescing, the cutting at whole characters, the bounds on displays, and the
copy kept for the result; refuses malformed displays, and to count output: a process
brings no more than its limit. A first piece of output goes out at once; what follows
within a few milliseconds goes together, so that a program printing byte by byte does
not cost an event each.
"""

import asyncio
import re
from collections.abc import Mapping
from types import MappingProxyType

from vibecell.engine.event_log import EventLog
from vibecell.engine.output import CharacterCutter, OutputKeeper
from vibecell.engine.verdict import HINT_TAIL_BYTES
from vibecell.model.errors import MalformedRequest
from vibecell.model.events import Display, Event, Stream, StreamName
from vibecell.model.execution import KeptDisplay
from vibecell.sandbox import bounds
from vibecell.wire.json_text import strict_json_loads

WINDOW_S = 0.02
SLOW_WINDOW_S = 0.25
MAX_PIECE_BYTES = 64 * 1024
MAX_PIECES = 64
BRISK_EVENTS = 2000
MAX_DISPLAYS = 256
MAX_DISPLAYS_BYTES = 8 * 1024 * 1024
# six times as much when every character is escaped, as JSON for a client may be
MAX_ONE_DISPLAY_BYTES = bounds.MAX_DISPLAY_BYTES // 2
_MIME = re.compile(r"[a-z]+/[A-Za-z0-9.+\-]{1,100}\Z")
_FLAT_OBJECT = re.compile(
    rb'\s*\{(?:\s*"(?:[^"\\]++|\\.)*+"\s*:\s*"(?:[^"\\]++|\\.)*+"\s*[,}]){1,16}\s*\Z', re.DOTALL
)


class Recorder:
    """Writes one execution's output into its log.

    Args:
        log: where events go.
        keep_stdout: keep all of stdout, to compare it.
    """

    def __init__(self, log: EventLog, *, keep_stdout: bool = False) -> None:
        self._log = log
        self._keeper = OutputKeeper()
        self._all_stdout = bytearray() if keep_stdout else None
        self._stage = ""
        self._cutters: dict[StreamName, CharacterCutter] = {}
        self._tails: dict[StreamName, bytes] = {}
        self._pending: list[tuple[StreamName, bytearray]] = []
        self._pending_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._displays_left = MAX_DISPLAYS
        self._display_bytes_left = MAX_DISPLAYS_BYTES
        self._cut = False
        self._displays: list[KeptDisplay] = []
        self._displays_left_out = 0

    @property
    def truncated(self) -> bool:
        """Something the program said is not in the result."""
        return self._cut or self._keeper.truncated

    @property
    def displays(self) -> tuple[KeptDisplay, ...]:
        """What is among the events of displays, described."""
        return tuple(self._displays)

    @property
    def displays_left_out(self) -> int:
        """How many displays are not among the events."""
        return self._displays_left_out

    @property
    def kept(self) -> OutputKeeper:
        """Output for the result."""
        return self._keeper

    @property
    def whole_stdout(self) -> bytes:
        """All of stdout, where that was asked for."""
        return bytes(self._all_stdout or b"")

    @property
    def tail(self) -> bytes:
        """The last words on stderr, or on stdout where it has none (a terminal)."""
        return self._tails.get("stderr") or self._tails.get("stdout", b"")

    def begin_stage(self, name: str) -> None:
        """What follows belongs to this stage."""
        self.flush()
        self._stage = name
        self._cutters = {"stdout": CharacterCutter(), "stderr": CharacterCutter()}
        self._tails = {}

    def output(self, name: StreamName, data: bytes) -> None:
        """A piece of output, of any size, cut anywhere."""
        if not data:
            return
        if name == "stdout" and self._all_stdout is not None:
            self._all_stdout += data
        self._tails[name] = (self._tails.get(name, b"") + data)[-HINT_TAIL_BYTES:]
        self._add(name, self._cutters[name].feed(data))
        if self._timer is None:
            self._send_pending()
            self._set_timer()
        elif self._pending_bytes >= MAX_PIECE_BYTES:
            self._send_pending()

    def display(self, data: bytes) -> None:
        """A display as the program wrote it: one JSON object of texts."""
        most_bytes = min(MAX_ONE_DISPLAY_BYTES, self._display_bytes_left)
        if not self._displays_left or len(data) > most_bytes:
            self.display_left_out()
            return
        self._displays_left -= 1
        self._display_bytes_left -= len(data)
        content = _display_content(data)
        if content is None:
            self.display_left_out()
            return
        self.show(MappingProxyType(content))

    def show(self, content: Mapping[str, str]) -> None:
        """A display that is well formed, MIME type to content."""
        seq = self.event(Display(content))
        size_bytes = sum(len(text.encode()) for text in content.values())
        self._displays.append(KeptDisplay(seq, tuple(content), size_bytes))

    def display_left_out(self) -> None:
        """A display that cannot be shown, which the result tells."""
        self._cut = True
        self._displays_left_out += 1

    def event(self, event: Event) -> int:
        """Any other event, after all output that came before it; returns its number."""
        self._send_pending()
        return self._log.append(event)

    def flush(self, *, cut: bool = False) -> None:
        """Send everything held back: the streams of this stage have ended.

        Args:
            cut: they went on beyond the limit on output. What a character lacks was cut off
                then, so the rest of it is left out, too: nobody printed that alone.
        """
        self._cut = self._cut or cut
        for name, cutter in self._cutters.items():
            held = cutter.flush()
            self._add(name, b"" if cut else held)
        self._send_pending()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _add(self, name: StreamName, data: bytes) -> None:
        if not data:
            return
        self._keeper.add(name, data)
        self._pending_bytes += len(data)
        if self._pending and self._pending[-1][0] == name:
            self._pending[-1][1].extend(data)
            return
        most = MAX_PIECES if self._log.last_seq < BRISK_EVENTS else 2
        if len(self._pending) < most:
            self._pending.append((name, bytearray(data)))
            return
        # Two streams written in turn, byte by byte: their interleaving is worth
        # less than the memory of an event for each byte.
        for other, piece in reversed(self._pending):
            if other == name:
                piece.extend(data)
                return

    def _send_pending(self) -> None:
        if not self._pending:
            return
        for name, data in self._pending:
            for piece in _pieces(bytes(data)):
                self._log.append(Stream(self._stage, name, piece))
        self._pending = []
        self._pending_bytes = 0

    def _set_timer(self) -> None:
        brisk = self._log.last_seq < BRISK_EVENTS
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(WINDOW_S if brisk else SLOW_WINDOW_S, self._window_over)

    def _window_over(self) -> None:
        self._timer = None
        if self._pending:
            self._send_pending()
            self._set_timer()


def _pieces(data: bytes) -> list[bytes]:
    """``data`` in parts of a bounded size, cut between characters."""
    if len(data) <= MAX_PIECE_BYTES:
        return [data]
    cutter = CharacterCutter()
    parts = [
        cutter.feed(data[at : at + MAX_PIECE_BYTES]) for at in range(0, len(data), MAX_PIECE_BYTES)
    ]
    return [part for part in (*parts, cutter.flush()) if part]


def _display_content(data: bytes) -> dict[str, str] | None:
    # looked at before it is parsed: nested JSON would hold up everybody for seconds
    if not _FLAT_OBJECT.match(data):
        return None
    try:
        value = strict_json_loads(data)
    except MalformedRequest:
        return None
    if not isinstance(value, dict) or not 0 < len(value) <= 16:
        return None
    if not all(_MIME.match(k) and isinstance(v, str) for k, v in value.items()):
        return None
    return value
