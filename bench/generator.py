"""The load generator: many kept-alive HTTP connections over one selector.

Owns sending, parsing answers, deadlines, checking every answer, and the
measure of its own cost; refuses to know who answers. It is a program: a JSON
object on standard input says what to do, one on standard output what came of
it. Standard library only, and started without ``site``, so that the two
processors of a small machine are the contenders'.

In every body and every expectation ``TOKEN`` stands for the number of the
request: no answer can be another request's, and none can come from a cache.
"""

import contextlib
import json
import random
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

TOKEN = "@@TOKEN@@"
TOKEN_BYTES = TOKEN.encode()
MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_QUOTED_ERRORS = 5
QUOTED_CHARACTERS = 400


class BadAnswer(Exception):
    """What came back is no HTTP response that this client reads."""


class Response:
    """One response, fed piece by piece; framed by Content-Length and nothing else."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body_at = 0
        self._length = 0
        self.status = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; the body, once it is whole.

        Source: RFC 9112 sections 4 and 6.3.

        Raises:
            BadAnswer: it is malformed, too large, or longer than it says.
        """
        self._buffer += data
        if not self._body_at:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEADER_BYTES:
                    raise BadAnswer("the header does not end")
                return None
            self._read_header(bytes(self._buffer[:end]))
            self._body_at = end + 4
        have = len(self._buffer) - self._body_at
        if have > self._length:
            raise BadAnswer("more bytes than Content-Length says")
        return bytes(self._buffer[self._body_at :]) if have == self._length else None

    def _read_header(self, header: bytes) -> None:
        first, *lines = header.split(b"\r\n")
        words = first.split(b" ", 2)
        if len(words) < 2 or words[0] != b"HTTP/1.1" or not words[1].isdigit():
            raise BadAnswer(f"no status line: {first[:80]!r}")
        self.status = int(words[1])
        lengths = [
            value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
            if name.lower() == b"content-length"
        ]
        if len(lengths) != 1 or not lengths[0].isdigit():
            raise BadAnswer("not exactly one Content-Length")
        self._length = int(lengths[0])
        if self._length > MAX_BODY_BYTES:
            raise BadAnswer("the body is too large")


@dataclass(frozen=True)
class Ask:
    """One kind of request: its bytes, ready to be sent, and what must come back.

    Attributes:
        wires: the bytes, once for each owner.
    """

    name: str
    wires: tuple[bytes, ...]
    expect: dict[str, object]

    @classmethod
    def from_spec(cls, spec: dict[str, object], host: str, owners: list[dict[str, str]]) -> "Ask":
        """From the JSON form: ``name``, ``path``, ``body``, ``expect``.

        Args:
            owners: header fields of each.
        """
        body = json.dumps(spec["body"]).encode().replace(TOKEN_BYTES, b"0" * len(_digits(0)))
        wires = []
        for headers in owners:
            fields = {"Host": host, "Content-Type": "application/json", **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            start = f"POST {spec['path']} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            wires.append(start.encode() + json.dumps(spec["body"]).encode())
        expect = spec["expect"]
        assert isinstance(expect, dict)
        return cls(str(spec["name"]), tuple(wires), expect)

    def numbered(self, number: int, client: int) -> bytes:
        """The bytes of request ``number``, by a client of whoever's turn it is."""
        wire = self.wires[client % len(self.wires)]
        return wire.replace(TOKEN_BYTES, _digits(number).encode())


def _digits(number: int) -> str:
    return f"{number:08d}"


def difference(expect: dict[str, object], answer: object, number: int) -> str | None:
    """How an answer differs from what was expected; ``None``: it does not.

    An expected object ``{"contains": text}`` asks for a part, anything else
    for equality.
    """
    if not isinstance(answer, dict):
        return "the body is no JSON object"
    for name, wanted in expect.items():
        got, wanted = answer.get(name), _numbered(wanted, number)
        if isinstance(wanted, dict):
            if not isinstance(got, str) or str(wanted["contains"]) not in got:
                return f"{name} does not contain {wanted['contains']!r}"
        elif got != wanted:
            return f"{name} is not {wanted!r}"
    return None


def _numbered(value: object, number: int) -> object:
    """An expected value for one request, at whatever depth its token stands."""
    if isinstance(value, str):
        return value.replace(TOKEN, _digits(number))
    if isinstance(value, list):
        return [_numbered(item, number) for item in value]
    if isinstance(value, dict):
        return {name: _numbered(item, number) for name, item in value.items()}
    return value


@dataclass
class Outcome:
    """What came of a run."""

    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    errors: list[dict[str, object]] = field(default_factory=list)
    error_count: int = 0

    def wrong(self, ask: Ask, number: int, reason: str, status: int, body: bytes) -> None:
        """Count a failure; quote the first few."""
        self.error_count += 1
        if len(self.errors) < MAX_QUOTED_ERRORS:
            quoted = body.decode("utf-8", "replace")[:QUOTED_CHARACTERS]
            self.errors.append(
                {"ask": ask.name, "number": number, "why": reason, "status": status, "body": quoted}
            )


class Client:
    """One connection, with at most one request under way."""

    def __init__(self, address: tuple[str, int], index: int) -> None:
        self._address = address
        self._index = index
        self.socket = self._connect()
        self.ask: Ask | None = None
        self.number = 0
        self.sent_at_s = 0.0
        self.response = Response()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=10.0)
        # a request is one write, but nobody should have to know that
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def reconnect(self) -> None:
        """Begin anew after a failure."""
        self.socket.close()
        self.socket = self._connect()

    def send(self, ask: Ask, number: int) -> None:
        """Send one request; its time runs from here."""
        wire = ask.numbered(number, self._index)
        self.ask, self.number, self.response = ask, number, Response()
        self.sent_at_s = time.perf_counter()
        self.socket.sendall(wire)


class Generator:
    """All connections of one run."""

    def __init__(
        self, address: tuple[str, int], clients: int, asks: list[Ask], deadline_s: float
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._clients = [Client(address, index) for index in range(clients)]
        for client in self._clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)
        self._asks = deque(enumerate(asks))
        self._deadline_s = deadline_s
        self._under_way = 0
        self.outcome = Outcome()

    def run(self) -> None:
        """Send every request and take every answer."""
        for client in self._clients:
            self._next(client)
        while self._under_way:
            ready = self._selector.select(1.0)
            for key, _ in ready:
                self._receive(key.data)
            if not ready:
                self._give_up_late_ones()

    def close(self) -> None:
        """Close every connection."""
        self._selector.close()
        for client in self._clients:
            client.socket.close()

    def _next(self, client: Client) -> None:
        if self._asks:
            number, ask = self._asks.popleft()
            self._under_way += 1
            try:
                client.send(ask, number)
            except OSError as error:
                self._failed(client, str(error), b"")

    def _receive(self, client: Client) -> None:
        try:
            data = client.socket.recv(256 * 1024)
            if not data:
                raise BadAnswer("the connection was closed")
            if client.ask is None:
                raise BadAnswer("an answer to no request")
            body = client.response.feed(data)
        except (OSError, BadAnswer) as error:
            self._failed(client, str(error), b"")
            return
        if body is not None:
            self._answered(client, body, 1000 * (time.perf_counter() - client.sent_at_s))

    def _answered(self, client: Client, body: bytes, took_ms: float) -> None:
        ask, number, status = client.ask, client.number, client.response.status
        assert ask is not None
        client.ask = None
        self._under_way -= 1
        # first the next request, then the judging: the contender need not wait for it
        self._next(client)
        reason: str | None
        try:
            reason = difference(ask.expect, json.loads(body), number)
        except ValueError:
            reason = "the body is no JSON"
        if status != 200:
            reason = f"status {status}"
        if reason is None:
            self.outcome.latencies_ms.setdefault(ask.name, []).append(took_ms)
        else:
            self.outcome.wrong(ask, number, reason, status, body)

    def _failed(self, client: Client, reason: str, body: bytes) -> None:
        self._selector.unregister(client.socket)
        if client.ask is not None:
            self._under_way -= 1
            self.outcome.wrong(client.ask, client.number, reason, client.response.status, body)
            client.ask = None
        client.reconnect()
        self._selector.register(client.socket, selectors.EVENT_READ, client)
        self._next(client)

    def _give_up_late_ones(self) -> None:
        late_s = time.perf_counter() - self._deadline_s
        for client in self._clients:
            if client.ask is not None and client.sent_at_s < late_s:
                self._failed(client, f"no answer within {self._deadline_s:.0f} s", b"")


def spread_out(specs: list[dict[str, object]], requests: int) -> list[dict[str, object]]:
    """So many requests by their weights, in an order that is mixed and always the same."""
    weighted = [spec for spec in specs for _ in range(int(str(spec.get("weight", 1))))]
    order = [weighted[i % len(weighted)] for i in range(requests)]
    random.Random(1).shuffle(order)
    return order


def run(spec: dict[str, object]) -> dict[str, object]:
    """Do what a specification says; the result in its JSON form."""
    host, port = str(spec["host"]), int(str(spec["port"]))
    owners, specs = spec.get("owners", [{}]), spec["asks"]
    assert isinstance(owners, list) and isinstance(specs, list)
    kinds = {id(s): Ask.from_spec(s, f"{host}:{port}", owners) for s in specs}
    asks = [kinds[id(s)] for s in spread_out(specs, int(str(spec["requests"])))]
    generator = Generator(
        (host, port), int(str(spec["clients"])), asks, float(str(spec["deadline_s"]))
    )
    with contextlib.closing(generator):
        cpu_s, began_s = time.process_time(), time.perf_counter()
        generator.run()
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return {
        "seconds": took_s,
        "cpu_s": used_s,
        "latencies_ms": generator.outcome.latencies_ms,
        "error_count": generator.outcome.error_count,
        "errors": generator.outcome.errors,
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
