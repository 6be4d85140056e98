"""Every answer passes one chain, once, whichever part of the gateway makes it.

A whole gateway on a socket, over an executor that answers from memory.
"""

import base64
import os
from collections import Counter
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from vibecell.gateway.answer_steps import answer_chain
from vibecell.gateway.app import create_app
from vibecell.gateway.http.answer_chain import Answer, AnswerChain
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.parts import Gateway
from vibecell.gateway.policy import Policy
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Finished, NumberedEvent
from vibecell.model.execution import Result
from vibecell.model.language import Language, Offer
from vibecell.model.status import ExecutionState, Health, Standing
from vibecell.model.verdicts import Verdict

RESULT = Result("known", Verdict.ACCEPTED)
LIMITS = ServerLimits(header_s=0.2, body_s=0.2, idle_s=2.0, header_bytes=4096, stop_s=0.2)
HOST = b"Host: localhost\r\n"
HANDSHAKE = (
    HOST
    + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    + b"Sec-WebSocket-Key: %b\r\n" % base64.b64encode(os.urandom(16))
)
DEFAULT = b"content-security-policy: default-src 'none'; frame-ancestors 'none'"


class _Followed:
    id = "known"
    standing = Standing("known", "running", 1, "utf-8", "cancel")

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self._events = [NumberedEvent(1, Finished(RESULT)), None]

    def __enter__(self) -> "_Followed":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        return

    def result(self, timeout_s: float | None = None) -> Result:
        return RESULT

    def receive(self, timeout_s: float | None = None) -> NumberedEvent | None:
        if self._failure is not None:
            raise self._failure
        return self._events.pop(0)


class _Executor:
    """Knows ``known``; ``broken`` breaks while it is followed, ``worse`` before."""

    def offer(self) -> Offer:
        return Offer((Language("python", "Python", "3", (), "main.py", "execute"),))

    def health(self) -> Health:
        return Health(True, Capabilities("fake", "shared", ()), {})

    def submit_and_wait(self, *asked: object) -> _Followed:
        return _Followed()

    def inspect(self, execution_id: str, owner: str) -> ExecutionState:
        if execution_id == "worse":
            raise RuntimeError("an error that nobody foresaw")
        if execution_id != "known":
            raise UnknownExecution("no such execution")
        return ExecutionState(_Followed.standing, RESULT)

    def attach(self, execution_id: str, owner: str, after: int = 0) -> _Followed:
        return _Followed(RuntimeError("broken") if execution_id == "broken" else None)


class Served:
    """A gateway that serves; what its clients were told, and what it counted."""

    def __init__(self, connections_per_peer: int = 20) -> None:
        policy = Policy(connections_per_peer=connections_per_peer, server=LIMITS, body_bytes=1000)
        self.gateway = Gateway(_Executor(), policy)  # type: ignore[arg-type]
        steps = answer_chain(self.gateway.metrics).steps
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.address = listener.getsockname()
        chain = AnswerChain((*steps, _made_up))
        application = create_app(self.gateway)
        self.server = GatewayServer(listener, application, policy.server, policy, chain)
        self.server.start()

    def open(self) -> socket.socket:
        return socket.create_connection(self.address, 5)

    def told(self, data: bytes) -> bytes:
        """All that is said to these bytes, until nothing more can come."""
        with self.open() as client:
            client.sendall(data)
            if b"Upgrade" not in data:
                client.shutdown(socket.SHUT_WR)
            received: bytes = client.recv(65536)
            while b"\r\n\r\n" not in received and (piece := client.recv(65536)):
                received += piece
        return received

    def counted(self) -> Counter[tuple[str, str, str]]:
        """How many requests of each method, route and status."""
        found: Counter[tuple[str, str, str]] = Counter()
        for line in self.gateway.metrics.text(None, 0).decode().splitlines():
            if line.startswith("vibecell_http_requests_total{"):
                labels, _, count = line.partition("{")[2].rpartition("} ")
                parts = dict(label.split("=") for label in labels.split(","))
                key = (parts["method"], parts["route"], parts["status"])
                found[tuple(x.strip('"') for x in key)] += int(float(count))  # type: ignore[index]
        return found


def _made_up(answer: Answer) -> None:
    answer.fields.append(("X-Made-Up", str(answer.status)))


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.server.stop(timeout=0.2)


def posted(path: str, body: bytes, kind: str = "application/json", fields: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{fields}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def got(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n"


CODE = b'{"language":"python","code":"1"}'
ANSWERS: dict[str, tuple[bytes, tuple[str, str, str]]] = {
    "flask": (got("/healthz"), ("GET", "/healthz", "200")),
    "flask, no body": (got("/healthz", "HEAD"), ("HEAD", "/healthz", "200")),
    "flask, not found": (got("/nowhere"), ("GET", "none", "404")),
    "flask, other method": (got("/execute", "BREW"), ("other", "none", "405")),
    "flask, problem": (
        got("/v1/executions/unknown"),
        ("GET", "/v1/executions/<execution_id>", "404"),
    ),
    "flask, failure": (
        got("/v1/executions/worse"),
        ("GET", "/v1/executions/<execution_id>", "500"),
    ),
    "flask, stream": (
        got("/v1/executions/known/events"),
        ("GET", "/v1/executions/<execution_id>/events", "200"),
    ),
    "stream that breaks before its head": (
        got("/v1/executions/broken/events"),
        ("GET", "/v1/executions/<execution_id>/events", "500"),
    ),
    "flask, execute": (posted("/execute/", CODE), ("POST", "/execute", "200")),
    "quick": (posted("/execute", CODE), ("POST", "/execute", "200")),
    "quick, chunked": (
        b"POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(CODE), CODE),
        ("POST", "/execute", "200"),
    ),
    "quick, problem": (posted("/execute", b"{"), ("POST", "/execute", "400")),
    "quick, other type": (posted("/execute", CODE, "text/plain"), ("POST", "/execute", "415")),
    "quick, too large": (posted("/execute", b" " * 1001), ("POST", "/execute", "413")),
    "quick, body breaks off": (posted("/execute", CODE)[:-1], ("POST", "/execute", "400")),
    "quick, wrong host": (
        posted("/execute", CODE).replace(b"localhost", b"example.org"),
        ("POST", "/execute", "421"),
    ),
    "request line": (b"nonsense\r\n\r\n", ("other", "unread", "400")),
    "version": (b"GET / HTTP/3.0\r\n\r\n", ("other", "unread", "505")),
    "two lengths": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ("GET", "unread", "400"),
    ),
    "no field": (b"GET / HTTP/1.1\r\nno field\r\n\r\n", ("GET", "unread", "400")),
    "large header": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 40_000 + b"\r\n\r\n",
        ("GET", "unread", "431"),
    ),
    "websocket": (
        b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n",
        ("GET", "/v1/executions/stream", "101"),
    ),
    "websocket, refused": (
        b"GET /v1/executions/stream HTTP/1.1\r\n"
        + HANDSHAKE
        + b"Origin: http://example.org\r\n\r\n",
        ("GET", "/v1/executions/stream", "403"),
    ),
    "websocket, no handshake": (
        got("/v1/executions/stream"),
        ("GET", "/v1/executions/stream", "426"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_passes_once(served: Served, name: str) -> None:
    data, counted = ANSWERS[name]
    told = served.told(data)
    lines = told.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert lines[0].split()[1].decode() == counted[2]
    assert lines.count(f"x-made-up: {counted[2]}".encode()) == 1
    assert lines.count(DEFAULT) == (counted[2] != "101")
    assert served.counted() == {counted: 1}


def test_an_endpoint_may_set_its_own(served: Served) -> None:
    told = served.told(got("/docs"))
    assert b"\r\nX-Made-Up: 200\r\n" in told
    assert told.lower().count(b"\r\ncontent-security-policy: ") == 1
    assert DEFAULT not in told.lower()


def test_a_request_that_never_comes_to_its_end(served: Served) -> None:
    with served.open() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost")
        told = client.recv(65536)
    assert b" 408 " in told and b"\r\nX-Made-Up: 408\r\n" in told
    assert served.counted() == {("GET", "unread", "408"): 1}


def test_a_body_that_never_comes(served: Served) -> None:
    with served.open() as client:
        client.sendall(posted("/execute", CODE)[:-1])
        told = client.recv(65536)
    assert b" 408 " in told and b"\r\nX-Made-Up: 408\r\n" in told
    assert served.counted() == {("POST", "/execute", "408"): 1}


def test_a_refusal_is_not_counted_as_the_request_before_it(served: Served) -> None:
    told = served.told(got("/healthz") + b"nonsense\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200 OK\r\n")
    gevent.sleep(0.05)
    assert served.counted() == {("GET", "/healthz", "200"): 1, ("other", "unread", "400"): 1}


def test_one_connection_too_many() -> None:
    served = Served(connections_per_peer=1)
    try:
        with served.open():
            gevent.sleep(0.05)
            told = served.told(b"")
        assert told.startswith(b"HTTP/1.1 429 ") and b"\r\nX-Made-Up: 429\r\n" in told
        assert served.counted() == {("other", "unread", "429"): 1}
    finally:
        served.server.stop(timeout=0.2)


def test_a_long_request_line_is_told_as_a_problem(served: Served) -> None:
    limit_of_pywsgi = 8192
    served.server.limits = ServerLimits(header_bytes=64 * 1024)
    told = served.told(got("/" + "x" * limit_of_pywsgi))
    assert told.startswith(b"HTTP/1.1 414 ") and b"\r\nX-Made-Up: 414\r\n" in told
    assert b"\r\nContent-Type: application/problem+json\r\n" in told
    assert served.counted() == {("other", "unread", "414"): 1}
