"""The four ways to have a program run, as a client sees them.

Owns the client's half of each: asking, following, cancelling, and going without a word;
refuses to judge what a program printed. What breaks the protocol's own laws is ``Broken``:
numbers with a gap, a stream that ends early, a stream that says other than its result.
"""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.case import BenchFailed
from bench.load.plan import Step
from bench.load.programs import Answer, Body
from bench.websocket import HandshakeRefused, WebSocket

DEADLINE_S = 120.0
# between two looks: at first, the share of what it has waited, and at most
_POLL_S, _POLL_SHARE, _MOST_POLL_S = 0.05, 1 / 8, 1.0
_COME_AGAIN = (429, 503)


class Broken(Exception):
    """The platform failed, or broke a law of its own; the message says how."""


class Refused(Exception):
    """A refusal that a client can do something about.

    Attributes:
        retry_after_s: as it was told; ``None``: it was not.
    """

    def __init__(self, status: int, retry_after_s: int | None, told: str) -> None:
        super().__init__(f"{status}: {told[:200]}")
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a client goes, where it comes from, and what it shows.

    Attributes:
        source: a loopback address.
        key: the API key of its owner.
    """

    address: tuple[str, int]
    source: str
    key: str

    @property
    def fields(self) -> dict[str, str]:
        """Of the header of each request."""
        return {"Authorization": f"Bearer {self.key}"}


class _Connection:
    """One connection; use as a context."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._http = http.client.HTTPConnection(
            *visitor.address, timeout=DEADLINE_S, source_address=(visitor.source, 0)
        )

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def send(self, method: str, path: str, body: Body | None = None, **fields: str) -> None:
        """Send a request."""
        data = None if body is None else json.dumps(body).encode()
        told = {**self._visitor.fields, **fields}
        if data is not None:
            told["Content-Type"] = "application/json"
        self._http.request(method, path, data, told)

    def response(self) -> http.client.HTTPResponse:
        """The answer to it, whose body is still to be read.

        Raises:
            Refused: 429 or 503.
            Broken: it is no success.
        """
        response = self._http.getresponse()
        if response.status >= http.client.BAD_REQUEST:
            told = response.read().decode(errors="replace")
            raise refusal(response.status, response.getheader("Retry-After"), told)
        return response

    def ask(self, method: str, path: str, body: Body | None = None) -> Any:
        """Send a request; the JSON of the answer, ``None`` where it has no body."""
        self.send(method, path, body)
        said = self.response().read()
        return json.loads(said) if said else None


def refusal(status: int, retry_after: str | None, told: str) -> Refused | Broken:
    """What a status that is no success means to a client."""
    if status not in _COME_AGAIN:
        return Broken(f"status {status}: {told[:200]}")
    seconds = int(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    return Refused(status, seconds, told)


def execute(visitor: Visitor, body: Body, step: Step) -> Answer | None:
    """``POST /execute``: the answer comes when the program has ended."""
    with _Connection(visitor) as connection:
        connection.send("POST", "/execute", body)
        if step.way == "vanish":
            time.sleep(step.after_s)
            return None
        said = json.loads(connection.response().read())
    return Answer(said["id"], said["verdict"], said["output"], said["error"], said["exit_code"])


def poll(visitor: Visitor, body: Body, step: Step) -> Answer | None:
    """``POST /v1/executions``, and looking again, the less often the longer it takes."""
    with _Connection(visitor) as connection:
        path = f"/v1/executions/{connection.ask('POST', '/v1/executions', body)['id']}"
        if step.way != "stay":
            time.sleep(step.after_s)
        if step.way == "vanish":
            return None
        if step.way == "cancel":
            connection.ask("DELETE", path)
        began_s = time.monotonic()
        while (found := connection.ask("GET", path))["result"] is None:
            waited_s = time.monotonic() - began_s
            if waited_s > DEADLINE_S:
                raise Broken(f"it is {found['state']} after {DEADLINE_S:.0f} s")
            time.sleep(min(_POLL_S + _POLL_SHARE * waited_s, _MOST_POLL_S))
    return _of_result(found["id"], found["result"])


def events(visitor: Visitor, body: Body, step: Step) -> Answer | None:
    """``POST /v1/executions``, and its Server-Sent Events."""
    with _Connection(visitor) as connection:
        begun = connection.ask("POST", "/v1/executions", body)["id"]
        path = f"/v1/executions/{begun}"
        connection.send("GET", f"{path}/events", Accept="text/event-stream")
        response = connection.response()
        if step.way != "stay":
            time.sleep(step.after_s)
        if step.way == "vanish":
            return None
        if step.way == "cancel":
            with _Connection(visitor) as another:
                another.ask("DELETE", path)
        return of_events(begun, list(_sent(response)))


def websocket(visitor: Visitor, body: Body, step: Step) -> Answer | None:
    """The WebSocket, from ``execute`` to ``finished``."""
    try:
        with WebSocket(
            visitor.address, "/v1/executions/stream", visitor.fields, visitor.source, DEADLINE_S
        ) as socket:
            socket.send({"type": "execute", **body})
            begun = str(_heard(socket)["id"])
            if step.way != "stay":
                time.sleep(step.after_s)
            if step.way == "vanish":
                return None
            if step.way == "cancel":
                socket.send({"type": "cancel"})
            heard = [_heard(socket)]
            while heard[-1]["type"] != "finished":
                heard.append(_heard(socket))
    except HandshakeRefused as refused:
        raise _of_handshake(refused.head) from refused
    except BenchFailed as failed:
        raise Broken(str(failed)) from failed
    return of_events(begun, heard)


OPENED: Mapping[str, Callable[[Visitor, Body, Step], Answer | None]] = {
    "execute": execute,
    "poll": poll,
    "websocket": websocket,
    "events": events,
}


def page_of(visitor: Visitor, execution: str) -> str:
    """The page that an execution is; raises as every door."""
    with _Connection(visitor) as connection:
        connection.send("GET", f"/v1/executions/{execution}/page/")
        return connection.response().read().decode()


def _heard(socket: WebSocket) -> dict[str, Any]:
    message = socket.receive()
    if message["type"] == "error":
        problem = message["problem"]
        after_s = problem.get("retry_after_s")
        told = None if after_s is None else str(after_s)
        raise refusal(int(problem["status"]), told, str(problem.get("detail")))
    return message


def _of_handshake(head: bytes) -> Refused | Broken:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[1].isdecimal():
        return Broken(f"no WebSocket: {first[:200]}")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return refusal(int(words[1]), fields.get("retry-after"), first)


def _sent(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The events of a stream, one for each ``data`` line; comments are heartbeats."""
    for line in response:
        name, _, value = line.partition(b":")
        if name == b"data":
            yield json.loads(value)


def of_events(execution: str, heard: Sequence[Mapping[str, Any]]) -> Answer:
    """What a stream says came of a run.

    Raises:
        Broken: it keeps one of its laws not.
    """
    if [event["seq"] for event in heard] != list(range(1, len(heard) + 1)):
        raise Broken(f"events are numbered {[event['seq'] for event in heard]}")
    if [event["type"] for event in heard].count("finished") != 1:
        raise Broken("there is not exactly one end")
    if heard[-1]["type"] != "finished":
        raise Broken("something comes after the end")
    said = "".join(event["data"] for event in heard if event.get("name") == "stdout")
    answer = _of_result(execution, heard[-1]["result"])
    if said != answer.output:
        raise Broken(f"the stream has {said[-80:]!r}, the result {answer.output[-80:]!r}")
    return answer


def _of_result(execution: str, result: Mapping[str, Any]) -> Answer:
    stages = result["stages"]
    exit_code = stages[-1]["outcome"]["exit_code"] if stages else None
    error = f"{result['stderr']}\n{result['message'] or ''}"
    return Answer(execution, result["verdict"], result["stdout"], error, exit_code)
