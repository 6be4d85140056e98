"""What a program displays, cut into frames.

Owns the place in the stream of lengths and contents that is written to the FIFO;
refuses a content that is too large: exactly that is passed over, piece by piece, and each
piece is told, so that it is paid for like one that is shown. Holds no more than one display.
"""

import struct

import frames

_LENGTH = struct.Struct("!I")


class Displays:
    """One program's displays, from the first byte on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._to_skip_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Take what was written; return the frames that tell of it, as one piece."""
        told = []
        buffer = self._buffer
        buffer += data
        at = 0
        while at < len(buffer):
            if self._to_skip_bytes:
                skipped = min(self._to_skip_bytes, len(buffer) - at)
                self._to_skip_bytes -= skipped
                at += skipped
                told.append(_omitted(0, skipped))
                continue
            if len(buffer) - at < _LENGTH.size:
                break
            (length,) = _LENGTH.unpack_from(buffer, at)
            begin = at + _LENGTH.size
            if length > frames.MAX_DISPLAY_BYTES:
                self._to_skip_bytes = length
                at = begin
                told.append(_omitted(1, 0))
                continue
            if len(buffer) < begin + length:
                break
            at = begin + length
            told.append(frames.encode(frames.DISPLAY, bytes(buffer[begin:at])))
        del buffer[:at]
        return b"".join(told)

    def reset(self) -> None:
        """The program has ended: what it left unfinished is nobody's."""
        self._buffer.clear()
        self._to_skip_bytes = 0


def _omitted(displays: int, size_bytes: int) -> bytes:
    return frames.encode_control(frames.OMITTED, {"displays": displays, "bytes": size_bytes})
