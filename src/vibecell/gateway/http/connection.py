"""One accepted TCP connection, with a deadline on every wait and a turn for every step.

Owns reading and writing of a client's socket under gevent: an absolute
deadline while a request is received, a stall deadline while a response is
sent, its peer's turn (``turns.py``) after each step, and why it ended. Refuses
to know HTTP or WebSocket.

Nothing here uses ``socket.settimeout``: one greenlet may read while another
writes, and the two have different deadlines.
"""

import io
import logging
import secrets
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from gevent import monkey
from gevent.socket import wait_read, wait_write

from vibecell.gateway.http.forwarded import UNIX, Forwarding, plain_address
from vibecell.gateway.http.turns import SLICE_BYTES, Share, Turn
from vibecell.model.caller import Owner
from vibecell.model.loopback import is_loopback
from vibecell.model.marks import SILENT, Marks
from vibecell.model.provenance import REQUEST_ID

_log = logging.getLogger(__name__)
REQUEST_ID_BYTES = 12
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
# gevent's own would wait in its loop, if only for a turn of it
_poll = monkey.get_original("select", "poll")


@lru_cache(256)
def network_of(peer: str) -> str:
    """Whom all bounds by address hold to be one: an address, or a network of IPv6.

    There a single subscriber has 2**64 addresses at least. Source: RFC 4291 section
    2.5.4, RFC 6177.
    """
    peer = plain_address(peer)
    if ":" not in peer:
        return peer
    address = IPv6Address(peer)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


class Ending(StrEnum):
    """How a connection ended otherwise than by a request's or a client's wish."""

    RESET = "reset"
    STALLED = "stalled"
    IDLE = "idle"
    ROOM = "room"


@dataclass(slots=True)
class Traffic:
    """What a server's connections have moved, and how many are open."""

    connections: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


class Connection:
    """A client's socket in non-blocking mode; gevent does the waiting.

    Attributes:
        peer: the address of the TCP peer, as text; never a forwarded one.
        client: for whom the request under way is asked: the peer, or the address for which a
            trusted proxy asks. All bounds by address count it.
        is_proxied: the peer is a trusted proxy; nobody behind it is local.
        scheme, host: by which the client asked such a proxy; ``None``: not told.
        origin: of the page that asks, as its browser says it; ``None``: said by none.
        caller_origins: that may read what is answered to who asks, by the credential that was
            shown; ``None``: it is not known who asks.
        stall_s: seconds a send may go without progress.
        marks: of the request under way, where requests are traced.
        owner: who asks the request under way, once that is known.
        problem: the type of what was told of a refusal; execution_id: of what it has begun;
            close_code: with which its WebSocket ended. Each for the log, ``None`` where there is
            none.
        sent_bytes: in answer to it so far.
        notes: what those above note of it for their part of its answer, of a type of theirs
            (``quota.Notes``); ``None``: nothing yet.
        share: what all connections of the peer take together.

    Args:
        share: of its peer; of its own, where none is given.
        endings: counts how connections ended, each once.
        traffic: counts what is moved.
        is_proxied: as said.
    """

    def __init__(
        self,
        sock: Any,
        peer: str,
        stall_s: float,
        trace: bool = False,
        share: Share | None = None,
        endings: Counter[Ending] | None = None,
        is_proxied: bool = False,
        traffic: Traffic | None = None,
    ) -> None:
        sock.settimeout(0)
        self.socket = sock
        self.peer = self.client = peer
        self.is_proxied = is_proxied
        self.scheme: str | None = None
        self.host: str | None = None
        self.origin: str | None = None
        self.caller_origins: tuple[str, ...] | None = None
        self.stall_s = stall_s
        self.marks = SILENT
        self.owner: Owner | None = None
        self.problem: str | None = None
        self.execution_id: str | None = None
        self.close_code: int | None = None
        self.sent_bytes = 0
        self._request_id: str | None = None
        self.notes: Any = None
        self._owner_before = False
        self._trace = trace
        self.share = Share() if share is None else share
        self._turn = Turn(self.share)
        self._endings = endings
        self._traffic = traffic or Traffic()
        self._ended = self._holds_input = False

    @property
    def known(self) -> bool:
        """Whether an owner has asked on this connection, now or before."""
        return self._owner_before or self.owner is not None

    @property
    def is_local(self) -> bool:
        """Whether the request comes from this machine, by no proxy."""
        return not self.is_proxied and (self.peer == UNIX or is_loopback(self.peer))

    @property
    def request_id(self) -> str:
        """The name of the request under way: its client's, or one that we make."""
        if self._request_id is None:
            self._request_id = secrets.token_urlsafe(REQUEST_ID_BYTES)
        return self._request_id

    def name_request(self, given: Sequence[str]) -> None:
        """Take the client's name for the request, where that can stand in a line."""
        if len(given) == 1 and REQUEST_ID.match(given[0]):
            self._request_id = given[0]

    def asks_for(self, forwarding: Forwarding) -> None:
        """The request under way is somebody's behind a proxy, as that proxy says."""
        self.client = forwarding.client
        self.scheme, self.host = forwarding.scheme, forwarding.host

    def work_for(self, share: Share) -> None:
        """What is done on this connection from now on is charged to another share."""
        self.share, self._turn = share, Turn(share)

    def request_begins(self) -> None:
        """The first byte of a request is there."""
        # behind a proxy the next one may be anybody's
        self._owner_before, self.owner = self.known and not self.is_proxied, None
        self.problem = self.execution_id = self.close_code = None
        self.sent_bytes = 0
        self._request_id = None
        self.notes = None
        self.client = self.peer
        self.scheme = self.host = self.origin = self.caller_origins = None
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
                data = bytes(self.socket.recv(size))
            except BlockingIOError:
                self._wait(wait_read, timeout_s)
            except OSError as error:
                self._note(Ending.RESET, error)
                raise
            else:
                self._traffic.received_bytes += len(data)
                self._holds_input = True  # while others have their turn
                self.take_turn(len(data))
                self._holds_input = False
                return data

    def take_turn(self, size_bytes: int = 0) -> None:
        """After a step of work: whoever is ready comes first, where this peer has had its slice.

        Reading and sending do so themselves. Whoever works on what is in a buffer
        calls this for each request, chunk or frame found there.

        Args:
            size_bytes: moved by the step.
        """
        self._turn.take(size_bytes, self.known)

    def send_all(self, data: bytes | bytearray) -> None:
        """Send everything; a peer that takes nothing for ``stall_s`` is given up.

        Raises:
            TimeoutError: no byte could be sent for ``stall_s`` seconds.
            OSError: the connection broke.
        """
        view = memoryview(data)
        while view:
            try:
                sent_bytes = self.socket.send(view[:SLICE_BYTES])
            except BlockingIOError:
                self._wait_to_send()
            except OSError as error:
                self._note(Ending.RESET, error)
                raise
            else:
                self.sent_bytes += sent_bytes
                view = view[sent_bytes:]
                self._traffic.sent_bytes += sent_bytes
                self.take_turn(sent_bytes)

    def _wait_to_send(self) -> None:
        try:
            self._wait(wait_write, self.stall_s)
        except TimeoutError as error:
            self._note(Ending.STALLED, error)
            raise

    def _note(self, ending: Ending, error: OSError | None = None) -> None:
        """An end that is to be expected of networks: counted, and told to who debugs."""
        if self._ended:
            return
        self._ended = True
        _log.debug("connection of %s ended (%s): %s", self.peer, ending, error)
        if self._endings is not None:
            self._endings[ending] += 1

    def _wait(self, wait: Any, timeout_s: float | None) -> None:
        descriptor = self.socket.fileno()
        if descriptor < 0:
            raise OSError("connection is closed")
        wait(descriptor, timeout=timeout_s, timeout_exc=TimeoutError("deadline of the connection"))

    def peer_has_left(self) -> bool:
        """Whether the peer has closed its end; does not wait and takes no byte.

        Bytes that it sent before, and nobody has read, hide nothing.
        Source: poll(2), POLLRDHUP.
        """
        descriptor = self.socket.fileno()
        if descriptor < 0:
            return True
        poll = _poll()
        poll.register(descriptor, select.POLLRDHUP)
        return bool(poll.poll(0))

    def has_input(self) -> bool:
        """Whether bytes of the peer are there to be used; does not wait and takes none."""
        try:
            return self._holds_input or bool(self.socket.recv(1, _PEEK))
        except OSError:
            return False

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

    def end(self, ending: Ending) -> None:
        """``abort``, for a reason that is counted."""
        self._note(ending)
        self.abort()


class RequestReader(io.RawIOBase):
    """The raw stream under a handler's buffered ``rfile``.

    Attributes:
        deadline: monotonic seconds after which reading raises.
        reads: how often bytes were asked of the connection.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._detached = False
        self.deadline = time.monotonic()
        self.reads = 0

    def readable(self) -> bool:
        """True: this is an input stream."""
        return True

    def allow(self, seconds: float) -> None:
        """Start a new phase: its deadline from now."""
        self.deadline = time.monotonic() + seconds

    def detach_rest(self) -> None:
        """Answer end of file from now on, so that a buffer above can be emptied."""
        self._detached = True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, waiting until the deadline for the first byte.

        Raises:
            TimeoutError: the deadline passed.
        """
        view = memoryview(buffer)
        if self._detached:
            return 0
        remaining_s = self.deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError("deadline of the request")
        self.reads += 1
        data = self._connection.receive(len(view), remaining_s)
        view[: len(data)] = data
        return len(data)
