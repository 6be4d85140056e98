"""What is kept of a program's output for its result.

Owns the bounded copy and the cutting of output at whole characters; refuses
to decode: output is bytes until the wire.
"""

from vibecell.model.events import StreamName

MAX_RESULT_OUTPUT_BYTES = 2 * 1024 * 1024


class OutputKeeper:
    """Keeps stdout, stderr and both in order of arrival, up to a bound.

    The events carry everything up to the output limit; the result keeps at
    most ``MAX_RESULT_OUTPUT_BYTES`` of it, so that it fits one
    message of the link, and one line of JSON when all of it is escaped.
    """

    def __init__(self, bound_bytes: int = MAX_RESULT_OUTPUT_BYTES) -> None:
        self._left_bytes = bound_bytes
        self._pieces: list[tuple[StreamName, bytes]] = []
        self.truncated = False

    def add(self, name: StreamName, data: bytes) -> None:
        """Keep a piece of whole characters, or as many of them as fit; nothing after a gap."""
        kept = data[: self._left_bytes]
        self._left_bytes -= len(kept)
        if len(kept) < len(data):
            kept = CharacterCutter().feed(kept)
            self._left_bytes, self.truncated = 0, True
        if kept:
            self._pieces.append((name, kept))

    @property
    def stdout(self) -> bytes:
        """What was kept of standard output."""
        return b"".join(data for name, data in self._pieces if name == "stdout")

    @property
    def stderr(self) -> bytes:
        """What was kept of standard error."""
        return b"".join(data for name, data in self._pieces if name == "stderr")

    @property
    def output(self) -> bytes:
        """Both, in order of arrival."""
        return b"".join(data for _, data in self._pieces)


class CharacterCutter:
    """Cuts one stream of bytes between characters, never within one.

    Bytes that are not UTF-8 pass unchanged: only the beginning of a character
    that may yet be completed is held back, so at most three bytes.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return those that can go on now."""
        data = self._held + data
        cut = len(data) - _incomplete_tail(data)
        self._held = data[cut:]
        return data[:cut]

    def flush(self) -> bytes:
        """What is still held, at the end of the stream."""
        held, self._held = self._held, b""
        return held


def _incomplete_tail(data: bytes) -> int:
    """Length of a valid but unfinished UTF-8 sequence at the end.

    Source: RFC 3629 section 4, whose table bounds the second byte.
    """
    for length in range(1, min(3, len(data)) + 1):
        lead = data[-length]
        if lead < 0x80:
            return 0
        if lead < 0xC0:
            continue
        return length if _may_be_completed(data[-length:]) else 0
    return 0


def _may_be_completed(tail: bytes) -> bool:
    lead = tail[0]
    if not 0xC2 <= lead <= 0xF4:
        return False
    needed = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if len(tail) >= needed:
        return False
    if len(tail) == 1:
        return True
    lowest = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80)
    highest = {0xED: 0x9F, 0xF4: 0x8F}.get(lead, 0xBF)
    return lowest <= tail[1] <= highest
