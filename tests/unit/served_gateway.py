"""A whole gateway on a socket, over an executor that answers from memory."""

import base64
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gevent import socket

from vibecell.gateway.answer_steps import answer_chain
from vibecell.gateway.app import create_app
from vibecell.gateway.credential_audit import CredentialAudit
from vibecell.gateway.http.answer_chain import Answer
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.parts import Gateway
from vibecell.gateway.policy import Policy
from vibecell.model import families
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Finished, NumberedEvent
from vibecell.model.execution import Result
from vibecell.model.language import Language, Offer
from vibecell.model.measures import Measured, gauge
from vibecell.model.status import ExecutionState, Health, Standing
from vibecell.model.verdicts import Verdict
from vibecell.sharing.key_ring import KeyRing

RESULT = Result("known", Verdict.ACCEPTED)
LIMITS = ServerLimits(header_s=0.2, body_s=0.2, idle_s=2.0, header_bytes=4096, stop_s=0.2)
HOST = b"Host: localhost\r\n"
HANDSHAKE = (
    HOST
    + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    + b"Sec-WebSocket-Key: %b\r\n" % base64.b64encode(os.urandom(16))
)


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

    def events(self) -> Iterator[NumberedEvent]:
        while (event := self.receive()) is not None:
            yield event


class _Executor:
    """Knows ``known``; ``broken`` breaks while it is followed, ``worse`` before."""

    def offer(self) -> Offer:
        return Offer((Language("python", "Python", "3", (), "main.py", "execute"),))

    def health(self) -> Health:
        return Health(True, Capabilities("fake", "shared", ()), {})

    def measures(self) -> tuple[Measured, ...]:
        return (gauge(families.READY, 1),)

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

    def __init__(
        self,
        limits: ServerLimits = LIMITS,
        keys: KeyRing | None = None,
        path: str | None = None,
        audit: CredentialAudit | None = None,
        **granted: Any,
    ) -> None:
        given = {"connections_per_peer": 20, "body_bytes": 1000, **granted}
        policy = Policy(**given, server=limits)
        self._clients: list[socket.socket] = []
        self.gateway = Gateway(_Executor(), policy, keys, audit)  # type: ignore[arg-type]
        made = answer_chain(self.gateway)
        self._family = socket.AF_INET if path is None else socket.AF_UNIX
        listener = socket.socket(self._family)
        listener.bind(("127.0.0.1", 0) if path is None else path)
        listener.listen()
        self.address = listener.getsockname()
        chain = replace(made, steps=(*made.steps, _made_up))
        application = create_app(self.gateway)
        self.server = GatewayServer(listener, application, policy.server, policy, chain)
        self.gateway.metrics.watch(self.server.endings, self.server.traffic)
        self.server.start()

    def open(self) -> socket.socket:
        """A client's connection; ``end`` closes it, if nobody has."""
        client = socket.socket(self._family)
        client.settimeout(5)
        client.connect(self.address)
        self._clients.append(client)
        return client

    def end(self) -> None:
        for client in self._clients:
            client.close()
        self.server.stop(timeout=0.2)

    def told(self, data: bytes) -> bytes:
        """All that is said to these bytes, until nothing more can come."""
        with self.open() as client:
            client.sendall(data)
            if b"Upgrade" not in data:
                client.shutdown(socket.SHUT_WR)
            received: bytes = client.recv(65536)
            while not _is_whole(received) and (piece := client.recv(65536)):
                received += piece
        return received

    def endings(self) -> dict[str, int]:
        """How many connections ended for each reason for which one did."""
        found = {}
        for line in self.gateway.metrics.text(self.gateway.executor, 0).decode().splitlines():
            if line.startswith("vibecell_connections_ended_total{"):
                labels, _, count = line.partition("{")[2].rpartition("} ")
                found[labels.partition("=")[2].strip('"')] = int(float(count))
        return {reason: count for reason, count in found.items() if count}

    def counted(self) -> Counter[tuple[str, str, str]]:
        """How many requests of each method, route and status."""
        found: Counter[tuple[str, str, str]] = Counter()
        for line in self.gateway.metrics.text(self.gateway.executor, 0).decode().splitlines():
            if line.startswith("vibecell_http_requests_total{"):
                labels, _, count = line.partition("{")[2].rpartition("} ")
                parts = dict(label.split("=") for label in labels.split(","))
                key = (parts["method"], parts["route"], parts["status"])
                found[tuple(x.strip('"') for x in key)] += int(float(count))  # type: ignore[index]
        return found


def _is_whole(received: bytes) -> bool:
    """Whether all of a first answer is there."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: ([0-9]+)", head, re.IGNORECASE)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def _made_up(answer: Answer) -> None:
    answer.fields.append(("X-Made-Up", str(answer.status)))


def posted(path: str, body: bytes, kind: str = "application/json", fields: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{fields}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def got(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n"
