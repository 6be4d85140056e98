"""One accepted TCP connection, with a deadline on every wait.

Owns reading and writing of a client's socket under gevent: an absolute
deadline while a request is received, a bound on the bytes of its header, and
a stall deadline while a response is sent. Refuses to know HTTP or WebSocket.

Nothing here uses ``socket.settimeout``: one greenlet may read while another
writes, and the two have different deadlines.
"""

import io
import socket
import time
from typing import Any

from gevent.socket import wait_read, wait_write

from vibecell.model.marks import SILENT, Marks

_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT


class HeaderTooLarge(ValueError):
    """The request line and header together exceed their bound."""


class Connection:
    """A client's socket in non-blocking mode; gevent does the waiting.

    Attributes:
        peer: the address of the TCP peer, as text; never a forwarded one.
        stall_s: seconds a send may go without progress.
        marks: of the request under way, where requests are traced.
    """

    def __init__(self, sock: Any, peer: str, stall_s: float, trace: bool = False) -> None:
        sock.settimeout(0)
        self.socket = sock
        self.peer = peer
        self.stall_s = stall_s
        self.marks = SILENT
        self._trace = trace

    def request_begins(self) -> None:
        """The first byte of a request is there."""
        if self._trace:
            self.marks = Marks()
            self.marks.note("request")

    def receive(self, size: int, timeout_s: float | None) -> bytes:
        """At most ``size`` bytes; empty at the end of the stream.

        Raises:
            TimeoutError: nothing came in ``timeout_s`` seconds.
            OSError: the connection broke.
        """
        while True:
            try:
                return bytes(self.socket.recv(size))
            except BlockingIOError:
                self._wait(wait_read, timeout_s)

    def send_all(self, data: bytes | bytearray) -> None:
        """Send everything; a peer that takes nothing for ``stall_s`` is given up.

        Raises:
            TimeoutError: no byte could be sent for ``stall_s`` seconds.
            OSError: the connection broke.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                self._wait(wait_write, self.stall_s)

    def _wait(self, wait: Any, timeout_s: float | None) -> None:
        descriptor = self.socket.fileno()
        if descriptor < 0:
            raise OSError("connection is closed")
        wait(descriptor, timeout=timeout_s, timeout_exc=TimeoutError("deadline of the connection"))

    def peer_has_left(self) -> bool:
        """Whether the peer has closed its end; does not wait and takes no byte."""
        try:
            return not self.socket.recv(1, _PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def abort_writing(self) -> None:
        """Tell the peer that nothing more will be sent; it may still send.

        Raises:
            OSError: the connection had ended.
        """
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """End both directions at once; wakes whoever waits on the socket."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it had ended already, which is what was wanted


class RequestReader(io.RawIOBase):
    """The raw stream under a handler's buffered ``rfile``.

    Attributes:
        deadline: monotonic seconds after which reading raises.
        budget_bytes: bytes that may still be read; ``None`` is unbounded.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._detached = False
        self.deadline = time.monotonic()
        self.budget_bytes: int | None = None

    def readable(self) -> bool:
        """True: this is an input stream."""
        return True

    def allow(self, seconds: float, budget_bytes: int | None = None) -> None:
        """Start a new phase: its deadline from now, and its bound of bytes."""
        self.deadline = time.monotonic() + seconds
        self.budget_bytes = budget_bytes

    def detach_rest(self) -> None:
        """Answer end of file from now on, so that a buffer above can be emptied."""
        self._detached = True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, waiting until the deadline for the first byte.

        Raises:
            TimeoutError: the deadline passed.
            HeaderTooLarge: the budget is used up.
        """
        view = memoryview(buffer)
        if self._detached:
            return 0
        if self.budget_bytes is not None and self.budget_bytes <= 0:
            raise HeaderTooLarge
        remaining_s = self.deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError("deadline of the request")
        data = self._connection.receive(len(view), remaining_s)
        view[: len(data)] = data
        if self.budget_bytes is not None:
            self.budget_bytes -= len(data)
        return len(data)
