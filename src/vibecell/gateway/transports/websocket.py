"""WebSocket over gevent, on the Sans-I/O core of ``websockets``.

Owns the handshake, assembling messages, the bounded inbox,
ping and its deadline, and closing with the right code. Refuses to know what
the messages say.

Theory of operation: ``websockets.ServerProtocol`` holds the state machine and
touches no socket. One greenlet (the reader) feeds it bytes and puts whole
messages into a bounded inbox; any greenlet may send, under a lock; a timer
pings. When the inbox is full, or its owner holds as much as he may, the reader stops
reading, so the peer's own TCP window holds it back; if that lasts for a while,
the connection is closed. A peer that does not read blocks only its own
sender, and only for the stall deadline. A thousand may be open and silent, so no
greenlet waits where a timer or a later start does.

What a peer sent before it left is received, however it left: the end comes after
it. Only what arrives once this end has said its own close is discarded.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.lock import RLock
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from vibecell.gateway.http.connection import Connection
from vibecell.gateway.http.turns import Pieces
from vibecell.gateway.identity.presented import chosen_protocol, without_credentials
from vibecell.gateway.transports.inbox import Arriving, Hold, Inbox, Room
from vibecell.model.stopping import CLOSING_HANDSHAKE_S

_log = logging.getLogger(__name__)
_protocol_log = logging.getLogger(__name__ + ".protocol")
_protocol_log.setLevel(logging.CRITICAL)
_HANDSHAKE = ("HOST", "UPGRADE", "CONNECTION", "SEC_WEBSOCKET_KEY", "SEC_WEBSOCKET_VERSION")
_SUBPROTOCOL = "SEC_WEBSOCKET_PROTOCOL"
_CHUNK_BYTES = 32 * 1024
#: All frames of one such piece are parsed in one go, some 20 µs each, of six bytes at least.
_PARSED_BYTES = 1024

GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Bounds of one WebSocket.

    Attributes:
        message_bytes: of one received message, all fragments together.
        inbox_bytes: received and not yet taken; a further message is received
            while there are fewer.
        inbox_wait_s: a full inbox, or its owner's, may stay full for this long.
        free_bytes: held for this one, beside what its owner may hold.
        ping_every_s: between two pings; as long again may pass in silence.
        idle_frames_per_interval: received from the peer in ``ping_every_s``: pings, pongs,
            and fragments that carry nothing.
        close_s: waiting for the peer's half of the closing handshake.
    """

    message_bytes: int = 1024 * 1024
    inbox_bytes: int = 64 * 1024
    inbox_wait_s: float = 30.0
    free_bytes: int = 64 * 1024
    ping_every_s: float = 20.0
    idle_frames_per_interval: int = 200
    close_s: float = CLOSING_HANDSHAKE_S


class WebSocketClosed(ConnectionError):
    """The connection is closed or closing; nothing can be sent or received."""


class HandshakeRefused(Exception):
    """The request is no acceptable opening handshake; carries an HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class WebSocket:
    """A server's end of an open WebSocket; end with ``leave``.

    Attributes:
        connection: on which it is; what is noted there is for the log.
        hold: of all that was received and is not used yet, whoever has it.
        is_going_away: it was closed because the server stops.
    """

    def __init__(
        self,
        connection: Connection,
        protocol: ServerProtocol,
        limits: WebSocketLimits,
        room: Room,
    ) -> None:
        self.connection = connection
        self._protocol = protocol
        self._limits = limits
        self._lock = RLock()
        self.hold = Hold(room, limits.free_bytes)
        self._inbox: Inbox[bytes] = Inbox(limits.inbox_bytes, self.hold)
        self._fragments: bytearray | None = None
        largest_bytes = limits.message_bytes + _CHUNK_BYTES
        self._arriving = Arriving(self.hold, limits.free_bytes, largest_bytes)
        self.is_going_away = False
        self._discards = False
        self._is_broken = False
        self._heard_at = time.monotonic()
        self._pieces = Pieces()
        self._idle_frames = 0
        self._stuck = False
        self._reader: gevent.Greenlet | None = None
        self._pinger: gevent.Greenlet | None = None

    @classmethod
    def accept(cls, environ: dict[str, Any], limits: WebSocketLimits, room: Room) -> "WebSocket":
        """Answer the opening handshake and take the connection over.

        Origin and authentication are checked by the caller, before. A peer that has
        left meanwhile has a WebSocket, too: one that is closed.

        Args:
            environ: of the request.
            limits: bounds of this one.
            room: what its owner may hold in all.

        Raises:
            HandshakeRefused: it is no valid handshake; nothing was sent.
        """
        protocol = ServerProtocol(
            max_size=limits.message_bytes,
            logger=_protocol_log,
            select_subprotocol=chosen_protocol,
        )
        fields = Headers()
        for name in (*_HANDSHAKE, _SUBPROTOCOL):
            value = environ.get(f"HTTP_{name}")
            if value is not None and name == _SUBPROTOCOL:
                value = without_credentials(value) or None  # its parser takes no long line
            if value is not None:
                fields[name.replace("_", "-")] = value
        # its parser expects the request's bytes before it takes any frame
        protocol.receive_data(Request("/", fields).serialize())
        asked = protocol.events_received()
        if not asked or not isinstance(asked[0], Request):
            raise HandshakeRefused(400, "the handshake cannot be read")
        response = protocol.accept(asked[0])
        if response.status_code != 101:
            raise HandshakeRefused(response.status_code, str(protocol.handshake_exc))
        handler = environ["vibecell.handler"]
        read_ahead = handler.take_over()
        told = list(response.headers.raw_items())
        response.headers = Headers(handler.passed(response.status_code, told))
        protocol.send_response(response)
        websocket = cls(handler.connection, protocol, limits, room)
        websocket._open(read_ahead)
        return websocket

    def _open(self, read_ahead: bytes) -> None:
        with contextlib.suppress(WebSocketClosed):
            self._flush()
        self._reader = gevent.spawn(self._read, read_ahead)
        self._pinger = gevent.spawn_later(self._limits.ping_every_s, self._keep_alive)

    def leave(self) -> None:
        """End what works for this connection; closes it if it is still open."""
        self.close(INTERNAL_ERROR)
        workers = [each for each in (self._reader, self._pinger) if each is not None]
        gevent.killall(workers, block=True, timeout=1.0)
        self._inbox.drop()
        self.hold.give(self.hold.held_bytes)

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._protocol.state is State.OPEN and not self._is_broken

    @property
    def close_code(self) -> int:
        """The code the peer closed with; 1006 if it said none."""
        received = self._protocol.close_rcvd
        return int(received.code) if received else 1006

    def send(self, text: str) -> None:
        """Send one text message; waits while the peer takes nothing.

        Raises:
            WebSocketClosed: it is closed, or the peer stalled for too long.
        """
        with self._lock:
            if not self.is_open:
                raise WebSocketClosed
            self._protocol.send_text(text.encode())
            self._flush()

    def receive(self, timeout_s: float | None = None) -> bytes:
        """The next text message, in UTF-8.

        Raises:
            WebSocketClosed: no message will come any more.
            TimeoutError: none came in ``timeout_s`` seconds.
        """
        message = self._inbox.get(timeout_s)
        if message is None:
            raise WebSocketClosed
        return message

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code and wait a moment for the peer; never raises."""
        with self._lock:
            if self.is_open:
                self._discards = True
                # a reason has at most 123 bytes. Source: RFC 6455 section 5.5
                self._protocol.send_close(code, reason.encode()[:123].decode(errors="ignore"))
                try:
                    self._flush()
                except WebSocketClosed:
                    return
        self._finish()

    def _finish(self) -> None:
        end = time.monotonic() + self._limits.close_s
        while self._protocol.state is not State.CLOSED and time.monotonic() < end:
            if gevent.getcurrent() in (self._reader, self._pinger) or self._reader_is_done():
                break
            gevent.sleep(0.01)
        self.connection.abort()

    def _reader_is_done(self) -> bool:
        return self._reader is None or bool(self._reader.dead)

    @property
    def first_code(self) -> int:
        """The code of whoever closed first; 1006 where nobody said one. Source: RFC 6455 7.4.1."""
        said, heard = self._protocol.close_sent, self._protocol.close_rcvd
        first = heard if self._protocol.close_rcvd_then_sent else said or heard
        return ABNORMAL_CLOSURE if first is None else int(first.code)

    def go_away(self) -> None:
        """Close because the server stops (code 1001)."""
        self.is_going_away = True
        self.close(GOING_AWAY, "server is stopping")

    def fail(self, code: int, reason: str) -> None:
        """Close because the peer broke a rule; discards what it still sends."""
        self._discards = True
        self._inbox.end()
        with self._lock:
            if self._protocol.state in (State.OPEN, State.CLOSING):
                self._protocol.fail(code, reason)
            try:
                self._flush()
            except WebSocketClosed as error:
                _log.debug("peer left before its close frame: %s", error)

    def _flush(self) -> None:
        with self._lock:
            try:
                for data in self._protocol.data_to_send():
                    if data:
                        self.connection.send_all(data)
                    else:  # SEND_EOF
                        self.connection.abort_writing()
            except OSError as error:
                self._protocol.data_to_send()
                self._is_broken = True
                if isinstance(error, TimeoutError):  # it is there, but is given up
                    self._discards = True
                    self._inbox.end()
                # wakes the reader, which still reads what had arrived
                self.connection.abort()
                raise WebSocketClosed(str(error)) from error

    def _read(self, data: bytes) -> None:
        try:
            while self._protocol.state is not State.CLOSED:
                if data:
                    self._take_in(data)
                data = self.connection.receive(_CHUNK_BYTES, None)
                if not data:
                    break
                self._heard_at = time.monotonic()
        except OSError as error:
            _log.debug("websocket of %s ended: %s", self.connection.peer, error)
        finally:
            # however the stream ended: without it the protocol would stay open
            self._protocol.receive_eof()
            self._inbox.end()

    def _take_in(self, data: bytes) -> None:
        arrived_bytes = self._left_bytes() + len(data)
        if not (self._discards or self._waited(self._arriving.grow, arrived_bytes)):
            return
        for at in range(0, len(data), _PARSED_BYTES):
            self._protocol.receive_data(data[at : at + _PARSED_BYTES])
            self._handle_events()
            self.connection.take_turn()
        self._arriving.change(self._left_bytes())
        if self._protocol.state is not State.OPEN:
            self._inbox.end()
        with contextlib.suppress(WebSocketClosed):  # what came before is still to be read
            self._flush()

    def _handle_events(self) -> None:
        for event in self._protocol.events_received():
            if self._discards:
                return
            if not isinstance(event, Frame):
                continue
            if event.opcode in (Opcode.PING, Opcode.PONG) or not (event.data or event.fin):
                self._count_idle_frame()
            if event.opcode is Opcode.BINARY:
                self.fail(UNSUPPORTED_DATA, "messages are text")
            elif event.opcode is Opcode.TEXT or event.opcode is Opcode.CONT:
                self._assemble(event)

    def _assemble(self, frame: Frame) -> None:
        if self._fragments is None:
            self._fragments, self._pieces = bytearray(), Pieces()
        if self._pieces.too_many(len(frame.data)):
            self.fail(POLICY_VIOLATION, "too many fragments for what they carry")
            return
        self._fragments += frame.data
        frame.data = b""  # others have the frame: a second copy would be held uncounted
        if not frame.fin:
            return
        whole, self._fragments = bytes(self._fragments), None
        try:
            whole.decode()
        except UnicodeDecodeError:
            self.fail(INVALID_DATA, "text is not UTF-8")
            return
        self._waited(self._inbox.put, whole, len(whole))
        self._arriving.became_whole(len(whole))  # not before: while it waits it is held, too

    def _left_bytes(self) -> int:
        return len(self._protocol.reader.buffer) + len(self._fragments or b"")

    def _waited(self, take: Callable[..., None], *what: object) -> bool:
        """Wait for room, if there is none; tells whether there was in time."""
        self._stuck = True
        try:
            take(*what, self._limits.inbox_wait_s)
        except TimeoutError:
            self.fail(POLICY_VIOLATION, "messages arrive faster than they can be used")
            return False
        finally:
            self._stuck = False
            self._heard_at = time.monotonic()
        return True

    def _count_idle_frame(self) -> None:
        self._idle_frames += 1
        if self._idle_frames > self._limits.idle_frames_per_interval:
            self.fail(POLICY_VIOLATION, "too many frames that carry nothing")

    def _keep_alive(self) -> None:
        """Once; the next time is another greenlet's: one that only waits keeps its stack."""
        every_s = self._limits.ping_every_s
        self._idle_frames = 0
        if not self.is_open:
            return
        silent_s = time.monotonic() - self._heard_at
        try:
            if silent_s > 2 * every_s and not self._stuck:
                self.fail(INTERNAL_ERROR, "no answer to ping")
                self.connection.abort()
                return
            with self._lock:
                if self.is_open:
                    self._protocol.send_ping(b"")
                    self._flush()
        except WebSocketClosed:
            return
        self._pinger = gevent.spawn_later(every_s, self._keep_alive)
