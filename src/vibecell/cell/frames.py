"""The cell protocol: one byte stream of length-prefixed frames.

Owns the frame layout, the message types and the bounded parser, for both
ends; refuses to interpret a payload. Runs behind the walls, so it imports
the standard library only. ``docs/reference/protocol.md`` explains every
message.

Layout, network byte order: ``u32 length | u8 type | u16 stream | payload``,
where ``length`` counts the payload alone. A control payload is one JSON
object in UTF-8, a data payload is raw bytes.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

# the C functions beneath json.loads and json.dumps, without the Python around
# them, whose every page would be copied in every cell
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]
_encode = json.JSONEncoder(separators=(",", ":")).encode

PROTOCOL_VERSION = 3
HEADER = struct.Struct("!IBH")
STARTED_AT = struct.Struct("!Q")  # nanoseconds
MAX_DATA_BYTES = 256 * 1024
MAX_CONTROL_BYTES = 256 * 1024  # and a datagram between engine and zygote
MAX_DISPLAY_BYTES = 4 * 1024 * 1024

# Of the input that an agent holds because its program does not read. It fits a socket's
# buffer with room to spare, so a control always has a way (unix(7): 208 KiB by default).
INPUT_WINDOW_BYTES = 128 * 1024
INPUT_CHUNK_BYTES = 64 * 1024  # of one STDIN frame
# What an agent may keep to itself of what its program took: the rest of the window fits a frame.
INPUT_UNTOLD_BYTES = INPUT_WINDOW_BYTES - INPUT_CHUNK_BYTES

# engine -> agent
START = 0x01  # control: run a program
STDIN = 0x02  # data, within INPUT_WINDOW_BYTES
EOF = 0x03  # empty: no more stdin
RESIZE = 0x04  # control {columns, rows}
SIGNAL = 0x05  # control {number}
WRITE = 0x06  # control {path, size_bytes}; DATA frames of the same stream follow
DATA = 0x07  # data: a piece of the file being written
COLLECT = 0x08  # control {max_files, max_bytes, max_folders, max_path_bytes, max_named}
KILL = 0x09  # empty: end every process of the cell now

# agent -> engine
HELLO = 0x41  # control {protocol}: the cell is warm
STARTED = 0x42  # STARTED_AT: when, by CLOCK_MONOTONIC, which is the same in every namespace here
STDOUT = 0x43  # data
STDERR = 0x44  # data
DISPLAY = 0x45  # data: one JSON object, MIME type to content, written by the program
EXIT = 0x46  # control: facts of the end of the process
FILE = 0x47  # control {path, size_bytes}; FILE_DATA frames follow
FILE_DATA = 0x48  # data
COLLECTED = 0x49  # control {omitted}
FAILURE = 0x4A  # control {step, detail}: the cell is unusable
TAKEN = 0x4B  # control {bytes}: so much more input has left the agent
OMITTED = 0x4C  # control {displays, bytes}: of displays that are too large, so much was passed over
NOT_SENT = 0x4D  # control {path, size_bytes, reason}: a file that is not sent, and why

DATA_TYPES = frozenset({STDIN, DATA, STDOUT, STDERR, DISPLAY, FILE_DATA})
TO_AGENT = frozenset({START, STDIN, EOF, RESIZE, SIGNAL, WRITE, DATA, COLLECT, KILL})
TO_ENGINE = frozenset(
    {HELLO, STARTED, STDOUT, STDERR, DISPLAY, EXIT, FILE, FILE_DATA, COLLECTED, FAILURE}
    | {TAKEN, OMITTED, NOT_SENT}
)


class FrameError(Exception):
    """The peer sent what the protocol does not allow; the link is dead."""


def encode(kind: int, payload: bytes = b"", stream: int = 0) -> bytes:
    """One frame as bytes."""
    return HEADER.pack(len(payload), kind, stream) + payload


def encode_control(kind: int, message: dict[str, object], stream: int = 0) -> bytes:
    """One control frame as bytes; the message as compact JSON."""
    return encode(kind, _encode(message).encode(), stream)


def decode_control(payload: bytes) -> dict[str, object]:
    """The JSON object of a control payload.

    Raises:
        FrameError: not UTF-8, not JSON, or not an object.
    """
    try:
        text = payload.decode()
        message, end = _scan(text, 0)
    except (ValueError, StopIteration, RecursionError) as error:
        raise FrameError("control payload is not JSON") from error
    if end != len(text):
        raise FrameError("control payload is not JSON")
    if not isinstance(message, dict):
        raise FrameError("control payload is not an object")
    return message


def _max_length(kind: int) -> int:
    if kind == DISPLAY:
        return MAX_DISPLAY_BYTES
    return MAX_DATA_BYTES if kind in DATA_TYPES else MAX_CONTROL_BYTES


class FrameParser:
    """Cuts a byte stream into frames without trusting a length it reads.

    Args:
        accepted: the frame types this end takes; any other is an error.
    """

    def __init__(self, accepted: frozenset[int]) -> None:
        self._accepted = accepted
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Take received bytes; return the frames now complete.

        Returns:
            ``(type, stream, payload)`` in order of arrival.

        Raises:
            FrameError: unknown type or too large a length; the parser must
                not be used again.
        """
        buffer = self._buffer
        buffer += data
        frames = []
        at = 0
        while len(buffer) - at >= HEADER.size:
            length, kind, stream = HEADER.unpack_from(buffer, at)
            if kind not in self._accepted:
                raise FrameError(f"unexpected frame type {kind:#x}")
            if length > _max_length(kind):
                raise FrameError(f"frame of {length} bytes is too large")
            end = at + HEADER.size + length
            if len(buffer) < end:
                break
            frames.append((kind, stream, bytes(buffer[at + HEADER.size : end])))
            at = end
        del buffer[:at]
        return frames
