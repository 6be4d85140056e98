"""The chain that every answer passes just before its head is sent.

Owns what an answer is at that moment, and the order of the steps; refuses to
know what they do: whoever makes a server says them, and a step is in force for
whatever the server says, an application's answer like a refusal of its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from vibecell.gateway.http.connection import Connection

Field = tuple[str, str]
#: In place of a route, for requests that no application has seen.
UNREAD = "unread"


@dataclass(slots=True)
class Answer:
    """The head of one answer, and what it answers.

    Attributes:
        method: of the request; empty where it was not read that far.
        route: the rule that the request goes by; ``None`` where there is none, ``UNREAD``
            where no application has seen it.
        status: to be sent.
        fields: of the header. A step may add some; those that frame the body or
            end the connection are the server's.
        began_s: when the request's header was read, or its first byte, if it
            never was; by ``time.perf_counter``.
        connection: on which it came.
    """

    method: str
    route: str | None
    status: int
    fields: list[Field]
    began_s: float
    connection: Connection

    def add_missing(self, fields: tuple[Field, ...]) -> None:
        """Add those fields whose names are not there; ``fields`` names each once."""
        present = {name.lower() for name, _ in self.fields}
        self.fields += [field for field in fields if field[0].lower() not in present]


Step = Callable[[Answer], None]


def _never(answer: Answer) -> int:
    return 0


def _unheard(answer: Answer) -> None:
    """Nobody wants to hear of an end."""


@dataclass(frozen=True, slots=True)
class AnswerChain:
    """Steps in the order in which answers pass them; each answer passes once.

    Attributes:
        steps: as said.
        held_back_s: asked before an answer of WSGI or a refusal passes: seconds the
            client is told to wait instead, by 429 and the end of the connection;
            0 lets it pass.
        too_many: the body of a 429 of the server's own, beside when to come again.
        is_over: told once of each request when nothing more will be sent in answer; one that got
            none, because its client had left, has the status 0.
    """

    steps: tuple[Step, ...]
    held_back_s: Callable[[Answer], int] = _never
    too_many: Mapping[str, object] = field(default_factory=dict)
    is_over: Step = _unheard

    def passed(self, answer: Answer) -> list[Field]:
        """The fields to be sent."""
        for step in self.steps:
            step(answer)
        return answer.fields

    def refusal(self, answer: Answer) -> bytes:
        """A whole answer, problem+json, on a connection that ends with it."""
        status = HTTPStatus(answer.status)
        told: dict[str, object] = {"type": "about:blank", "title": status.phrase}
        told["status"] = answer.status
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            after_s = dict(answer.fields).get("Retry-After", "1")
            answer.add_missing((("Retry-After", after_s),))
            told |= {**self.too_many, "retry_after_s": int(after_s)}
        answer.connection.problem = str(told["type"])
        body = json.dumps(told).encode()
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            answer.add_missing((("Retry-After", "1"),))
        answer.fields += [
            ("Connection", "close"),
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
        ]
        whole = head(status, self.passed(answer))
        return whole if answer.method == "HEAD" else whole + body


def head(status: HTTPStatus, fields: list[Field]) -> bytes:
    """Status line and header as they are sent."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    return f"HTTP/1.1 {int(status)} {status.phrase}\r\n{''.join(lines)}\r\n".encode("latin-1")
