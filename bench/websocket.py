"""A WebSocket client that costs little: one socket, no thread, no extension.

Owns the handshake, frames, pings and their answers; refuses what Vibecell
never sends (binary messages, fragments without a beginning). Blocking, for
one user at a time.
"""

import base64
import hashlib
import json
import os
import select
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from bench.case import BenchFailed

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_FIN = 0x80
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class HandshakeRefused(BenchFailed):
    """The service would not have the WebSocket.

    Attributes:
        head: its answer's first line and header fields.
    """

    def __init__(self, head: bytes, rest: bytes) -> None:
        super().__init__(f"no WebSocket: {head[:200]!r} {rest[:200]!r}")
        self.head = head


class WebSocket:
    """An open connection; use as a context.

    Args:
        address: of the service.
        path: with its query, if any.
        headers: beside those of the handshake.
        source: the loopback address to come from.
        timeout_s: of each wait.

    Raises:
        HandshakeRefused: as it says; quotes the answer.
        BenchFailed: the service closed the connection.
    """

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        headers: Mapping[str, str] | None = None,
        source: str = "",
        timeout_s: float = 60.0,
    ) -> None:
        self._socket = socket.create_connection(address, timeout_s, (source, 0) if source else None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        try:
            self._shake_hands(address, path, headers or {})
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "WebSocket":
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def _shake_hands(self, address: tuple[str, int], path: str, headers: Mapping[str, str]) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Host": f"{address[0]}:{address[1]}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        answer, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        proof = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest())
        if not answer.startswith(b"HTTP/1.1 101 ") or proof not in answer:
            raise HandshakeRefused(answer, rest)

    def send(self, message: Mapping[str, object]) -> None:
        """Send one JSON object as a text message."""
        self._send_frame(_TEXT, json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        """The next message; pings that come before it are answered.

        Raises:
            BenchFailed: the connection was closed, or the message is no JSON object.
            TimeoutError: none came in time.
        """
        whole = bytearray()
        while True:
            first, payload = self._frame()
            kind = first & 0x0F
            if kind == _PING:
                self._send_frame(_PONG, bytes(payload))
            elif kind == _CLOSE:
                raise BenchFailed(f"the service closed the WebSocket: {bytes(payload)!r}")
            elif kind in (_TEXT, _CONTINUATION):
                whole += payload
                if first & _FIN:
                    message = json.loads(whole)
                    if not isinstance(message, dict):
                        raise BenchFailed("a message that is no object")
                    return message

    def answer_pings(self) -> None:
        """Answer what pings have come; for a connection that is only held open.

        Raises:
            BenchFailed: something else came.
        """
        waiting = select.poll()  # select(2) takes no descriptor above 1,023
        waiting.register(self._socket, select.POLLIN)
        while self._buffer or waiting.poll(0):
            first, payload = self._frame()
            if first & 0x0F != _PING:
                raise BenchFailed(f"an idle WebSocket heard {bytes(payload[:200])!r}")
            self._send_frame(_PONG, bytes(payload))

    def _frame(self) -> tuple[int, bytearray]:
        """One frame. Source: RFC 6455 section 5.2."""
        self._need(2)
        length, at = self._buffer[1] & 0x7F, 2
        if length >= 126:
            form, at = ("!H", 4) if length == 126 else ("!Q", 10)
            self._need(at)
            (length,) = struct.unpack_from(form, self._buffer, 2)
        if length > MAX_MESSAGE_BYTES:
            raise BenchFailed("a message that is too large")
        self._need(at + length)
        first, payload = self._buffer[0], self._buffer[at : at + length]
        del self._buffer[: at + length]
        return first, payload

    def _need(self, size_bytes: int) -> None:
        while len(self._buffer) < size_bytes:
            self._fill()

    def _fill(self) -> None:
        data = self._socket.recv(1024 * 1024)
        if not data:
            raise BenchFailed("the service closed the connection without a word")
        self._buffer += data

    def _send_frame(self, kind: int, payload: bytes) -> None:
        # a client masks; a mask of zeros is one, and leaves the bytes as they are
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", _FIN | kind, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", _FIN | kind, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", _FIN | kind, 0x80 | 127, size)
        self._socket.sendall(head + bytes(4) + payload)


def events_of(websocket: WebSocket, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """Begin an execution and yield its events up to ``finished``.

    Raises:
        BenchFailed: it was refused.
    """
    websocket.send({"type": "execute", **request})
    while True:
        message = websocket.receive()
        if message["type"] == "error":
            raise BenchFailed(f"the execution was refused: {message}")
        yield message
        if message["type"] == "finished":
            return
