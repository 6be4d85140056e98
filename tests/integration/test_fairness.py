"""Whatever one client does, another is served: no timing, only that it is at all.

Each hog sends without a pause and reads whatever it is told; where its connection
is ended it comes again. Meanwhile somebody else asks, and a program runs.
"""

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from websockets.frames import Frame, Opcode

from integration.live import Service

KEY = "0123456789abcdef-key"
OWNED = f"Authorization: Bearer {KEY}\r\n".encode()
HOST = b"Host: localhost\r\n"
BLOCK_BYTES = 64 * 1024
ANSWERS = 10
#: For an answer; without turns there would be none as long as the hogs go on.
ANSWER_S = 20.0


def pipelined(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def posted(fields: bytes) -> bytes:
    return b"POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST + fields


def handshake() -> bytes:
    key = base64.b64encode(os.urandom(16))
    return (
        b"GET /v1/executions/stream HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n" + HOST + OWNED
        + b"\r\n"
    )  # fmt: skip


def frame(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


EXECUTE = json.dumps(
    {"type": "execute", "code": "import time\ntime.sleep(20)", "interactive": True}
).encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"
#: What each sends first, and then again and again.
HOGS: dict[str, tuple[bytes, bytes]] = {
    "pipelined 401": (b"", pipelined(b"/v1/languages")),
    "pipelined 404": (b"", pipelined(b"/nowhere")),
    "pipelined 200": (b"", pipelined(b"/healthz")),
    "HEAD": (b"", pipelined(b"/healthz").replace(b"GET", b"HEAD")),
    "chunks of one byte": (posted(CHUNKED + OWNED + b"\r\n"), b"1\r\n \r\n"),
    "chunks of one byte, no key": (posted(CHUNKED + b"\r\n"), b"1\r\n \r\n"),
    "chunks of 64 bytes": (posted(CHUNKED + b"\r\n"), b"40\r\n" + b" " * 64 + b"\r\n"),
    "a large body": (posted(b"Content-Length: 999999999999\r\n\r\n"), b" " * 1000),
    "pongs": (handshake(), frame(Opcode.PONG)),
    "pings": (handshake(), frame(Opcode.PING)),
    "empty continuations": (
        handshake() + frame(Opcode.TEXT, b"{", fin=False),
        frame(Opcode.CONT, fin=False),
    ),
    "fragments of one byte": (
        handshake() + frame(Opcode.TEXT, b"{", fin=False),
        frame(Opcode.CONT, b" ", fin=False),
    ),
    "controls": (
        handshake() + frame(Opcode.TEXT, EXECUTE),
        frame(Opcode.TEXT, b'{"type":"resize","columns":80,"rows":24}'),
    ),
    "connections": (b"nonsense\r\n\r\n", b"x"),
}


@dataclass
class Hog:
    """A client in a thread of its own that is always sending, until it is stopped."""

    service: Service
    first: bytes
    again: bytes
    stopped: threading.Event = field(default_factory=threading.Event)
    sent_bytes: int = 0

    def work(self) -> None:
        while not self.stopped.is_set():
            with self.service.connect(2) as client:
                reader = threading.Thread(target=self._read, args=(client,))
                reader.start()
                try:
                    self._send(client)
                except OSError:
                    pass  # it was ended by the gateway, and comes again
                finally:
                    client.close()
                    reader.join()

    def _send(self, client: socket.socket) -> None:
        client.sendall(self.first)
        block = self.again * (BLOCK_BYTES // len(self.again))
        while not self.stopped.is_set():
            client.sendall(block)
            self.sent_bytes += len(block)

    def _read(self, client: socket.socket) -> None:
        try:
            while client.recv(BLOCK_BYTES) and not self.stopped.is_set():
                pass
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@pytest.fixture
def serve_hogs(
    make_service: Callable[..., Service],
) -> Iterator[Callable[[list[tuple[bytes, bytes]]], tuple[Service, list[Hog]]]]:
    started: list[tuple[Hog, threading.Thread]] = []

    def start(kinds: list[tuple[bytes, bytes]]) -> tuple[Service, list[Hog]]:
        service = make_service(policy={"api_keys": [KEY], "begun_per_minute": 60_000})
        for first, again in kinds:
            hog = Hog(service, first, again)
            thread = threading.Thread(target=hog.work, daemon=True)
            thread.start()
            started.append((hog, thread))
        return service, [hog for hog, _ in started]

    yield start
    for hog, _ in started:
        hog.stopped.set()
    for _, thread in started:
        thread.join(10)


def others_are_served(service: Service, hogs: list[Hog]) -> None:
    for _ in range(ANSWERS):
        answer = requests.get(f"{service.url}/healthz", timeout=ANSWER_S)
        assert answer.status_code == 200
    answer = requests.post(
        f"{service.url}/execute",
        data=json.dumps({"code": "print('ok')"}),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        timeout=ANSWER_S,
    )
    assert answer.status_code == 200 and answer.json()["output"] == "ok\n"
    assert all(hog.sent_bytes for hog in hogs)


Start = Callable[[list[tuple[bytes, bytes]]], tuple[Service, list[Hog]]]


@pytest.mark.parametrize("kind", HOGS)
def test_others_are_served_beside(serve_hogs: Start, kind: str) -> None:
    others_are_served(*serve_hogs([HOGS[kind]] * 2))


def test_others_are_served_beside_all_of_them(serve_hogs: Start) -> None:
    others_are_served(*serve_hogs(list(HOGS.values())))
