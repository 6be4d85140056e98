"""Messages over a connection to the engine, for a blocking caller.

Owns the client's socket: bounded messages, in time; refuses to know what they say.
"""

import contextlib
import socket
import threading
import time

from vibecell.model.errors import MalformedRequest, ProtocolViolation
from vibecell.model.events import Control
from vibecell.wire.link import (
    LENGTH_BYTES,
    MAX_CONTROL_BYTES,
    MAX_REPLY_BYTES,
    Call,
    encode_message,
    message_bytes,
)

REPLY_TIMEOUT_S = 30.0
# Between two pieces of one message, which an engine writes in one go.
SILENCE_TIMEOUT_S = 30.0
_FOR_EVER_S = 7 * 86_400.0
_FIRST_CHUNK_BYTES = 16 * 1024
_MAX_CHUNK_BYTES = 512 * 1024


class Link:
    """Messages of a socket for one caller at a time."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._link.settimeout(REPLY_TIMEOUT_S)
        self._buffer = bytearray()
        self._chunk_bytes = _FIRST_CHUNK_BYTES
        self._silent_until_s: float | None = None

    def ask(self, call: Call) -> None:
        """Send a call, while nobody else sends.

        Raises:
            MalformedRequest: a text in it is none in UTF-8.
            TimeoutError: the engine takes nothing.
            OSError: the connection broke.
        """
        data = encode_message(call)
        self._link.settimeout(REPLY_TIMEOUT_S)
        self._link.sendall(data)

    def receive(self, timeout_s: float | None) -> bytes:
        """One message, or nothing at the end of the stream.

        Raises:
            TimeoutError: it did not come in time; nothing is lost.
            OSError: the connection broke.
            ProtocolViolation: the message is too long, or empty, or its rest does not come.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (message := self._cut()) is None:
            left_s = _FOR_EVER_S if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            data = self._more(left_s)
            if not data:
                return b""
            if len(data) == self._chunk_bytes:
                # it has more to say than fits: fewer, larger reads from now on
                self._chunk_bytes = min(2 * self._chunk_bytes, _MAX_CHUNK_BYTES)
            self._buffer += data
        return message

    def _more(self, left_s: float) -> bytes:
        """What comes within ``left_s``, and sooner where a message has begun."""
        if not self._buffer:
            self._link.settimeout(left_s)
            return self._link.recv(self._chunk_bytes)
        now_s = time.monotonic()
        if self._silent_until_s is None:
            self._silent_until_s = now_s + SILENCE_TIMEOUT_S
        silent_s = self._silent_until_s - now_s
        try:
            # what has arrived is read, however late its reader comes
            self._link.settimeout(max(0.0, min(left_s, silent_s)))
            data = self._link.recv(self._chunk_bytes)
        except (TimeoutError, BlockingIOError):
            if left_s < silent_s:
                raise TimeoutError from None
            raise ProtocolViolation(
                "read a message of the engine", "its rest did not come"
            ) from None
        self._silent_until_s = None
        return data

    def _cut(self) -> bytes | None:
        """The first message that has arrived, if all of it has."""
        if len(self._buffer) < LENGTH_BYTES:
            return None
        size_bytes = message_bytes(self._buffer)
        if not 0 < size_bytes <= MAX_REPLY_BYTES:
            raise ProtocolViolation("read a message of the engine")
        end = LENGTH_BYTES + size_bytes
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[LENGTH_BYTES:end])
        del self._buffer[:end]
        return message

    def is_idle(self) -> bool:
        """Whether the engine still holds its end and has said nothing unasked."""
        if self._buffer:
            return False
        try:
            self._link.settimeout(0.0)
            self._link.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Leave; idempotent; may be called by another thread."""
        # shutdown, so that a reader in another thread wakes up
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._link.close()


class SharedLink(Link):
    """The same for one reader and any number of senders.

    Reader and senders have a socket object each, because a timeout is the
    object's. Neither is ever without one, because "none" would change the
    blocking mode, which both objects share. The senders' is made for the first
    one: most conversations have none.

    Source: socket(7), dup(2): O_NONBLOCK belongs to the open file description.
    """

    def __init__(self, link: socket.socket) -> None:
        super().__init__(link)
        self._sender: socket.socket | None = None
        self._sending = threading.Lock()

    def send(self, control: Control) -> None:
        """Send one control; waits as long as the engine takes nothing.

        Raises:
            MalformedRequest: it is longer than a control may be.
            OSError: the connection broke.
        """
        data = encode_message(control)
        if len(data) > LENGTH_BYTES + MAX_CONTROL_BYTES:
            raise MalformedRequest("the control is too long")
        with self._sending:
            if self._sender is None:
                self._sender = self._link.dup()
                self._sender.settimeout(_FOR_EVER_S)
            self._sender.sendall(data)

    def end_sending(self) -> None:
        """Nothing more will be sent; what the engine still says can be read."""
        # not under the lock: a sender that waits for ever is to be woken
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See ``Link.close``."""
        super().close()
        with self._sending:  # which no sender holds for long now: sending fails at once
            if self._sender is not None:
                self._sender.close()
