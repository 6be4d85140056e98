"""A client leaves in the middle of a run: what becomes of the run.

One table: the ways to leave, by the transports a client may be on. A run that asked to
``continue`` goes on in every case. What was said before leaving has arrived in any case.
"""

import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import requests
from websockets.frames import Close, Frame, Opcode

from integration.live import Service

GRACE_S = 0.1
NOTICED_S = 20.0
# long enough that a run which goes on is still there when it is looked at
BODY = {
    "code": "print(input())\nprint(input())",
    "interactive": True,
    "limits": {"wall_time_ms": 30_000},
}
CANCELLED, GOES_ON = "cancelled", "goes on"
_KEYS = itertools.count()


class Client:
    """One connection, of which every byte is the test's."""

    def __init__(self, service: Service, body: dict[str, Any]) -> None:
        self.service = service
        self.body = body
        self.socket = service.connect()

    def close(self) -> None:
        self.socket.close()

    def ask(self, method: str, path: str, body: object = None, **fields: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        if body is not None:
            head.append("Content-Type: application/json")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode() + data)

    def upgrade(self, path: str) -> None:
        self.ask(
            "GET",
            path,
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
        )

    def say(self, *messages: dict[str, object], then: bytes = b"") -> None:
        """All in one segment."""
        frames = [Frame(Opcode.TEXT, json.dumps(each).encode()) for each in messages]
        self.socket.sendall(b"".join(each.serialize(mask=True) for each in frames) + then)

    def hear(self, wanted: bytes) -> bytes:
        heard = b""
        while (found := re.search(wanted, heard)) is None:
            piece = self.socket.recv(65536)
            assert piece, heard
            heard += piece
        return found[found.re.groups]


# Transports: each begins the run, is on it when it returns, and tells the run's id.


def websocket(client: Client) -> str:
    client.upgrade("/v1/executions/stream")
    client.say({"type": "execute", **client.body})
    return client.hear(rb'"type":"accepted","id":"([\w-]+)"').decode()


def attached_websocket(client: Client) -> str:
    execution = begun(client)
    client.upgrade(f"/v1/executions/{execution}/stream")
    client.hear(rb'"type":"started"')
    return execution


def waiting_post(client: Client) -> str:
    return posted(client, "/execute")


def post_that_waits_a_while(client: Client) -> str:
    return posted(client, "/v1/executions", Prefer="wait=25")


def post_that_does_not_wait(client: Client) -> str:
    return posted(client, "/v1/executions", Prefer="wait=0")


def event_source(client: Client) -> str:
    execution = begun(client)
    client.ask("GET", f"/v1/executions/{execution}/events", Accept="text/event-stream")
    client.hear(b"event: started")
    return execution


def lines_of_json(client: Client) -> str:
    execution = begun(client)
    client.ask("GET", f"/v1/executions/{execution}/events", Accept="application/x-ndjson")
    client.hear(b'"type":"started"')
    return execution


def begun(client: Client, **fields: str) -> str:
    url = f"{client.service.url}/v1/executions"
    answer = requests.post(url, json=client.body, headers=fields, timeout=10)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def posted(client: Client, path: str, **fields: str) -> str:
    key = f"leaving-{os.getpid()}-{next(_KEYS)}"
    before = count(client.service, "vibecell_executions_begun_total")
    client.ask("POST", path, client.body, Idempotency_Key=key, **fields)
    until(lambda: count(client.service, "vibecell_executions_begun_total") > before)
    return begun(client, **{"Idempotency-Key": key})  # which names the same one


# Ways to leave. Some say their first line of input just before.

FIRST = {"type": "stdin", "data": "first\n"}
GOODBYE = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)


def closes(client: Client) -> None:
    client.socket.shutdown(socket.SHUT_RDWR)
    client.socket.close()


def is_killed(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def half_closes(client: Client) -> None:
    client.socket.shutdown(socket.SHUT_WR)


def asks_for_more_and_closes(client: Client) -> None:
    client.ask("GET", "/healthz")
    closes(client)


def freezes(client: Client) -> None:
    """Neither reads nor answers a ping from now on."""


def says_goodbye(client: Client) -> None:
    client.say(then=GOODBYE)
    closes(client)


def says_goodbye_and_stays(client: Client) -> None:
    client.say(then=GOODBYE)


def types_and_says_goodbye(client: Client) -> None:
    client.say(FIRST, then=GOODBYE)


def types_and_closes(client: Client) -> None:
    client.say(FIRST)
    closes(client)


def types_and_is_killed(client: Client) -> None:
    client.say(FIRST)
    is_killed(client)


def breaks_off_in_a_message(client: Client) -> None:
    frame = Frame(Opcode.TEXT, json.dumps(FIRST).encode()).serialize(mask=True)
    client.say(FIRST, then=frame[:-3])
    closes(client)


def loses_its_gateway(client: Client) -> None:
    assert client.service.gateway is not None
    os.kill(client.service.gateway.pid, signal.SIGKILL)
    client.service.gateway.wait(10)


TYPES_FIRST = {
    types_and_says_goodbye, types_and_closes, types_and_is_killed, breaks_off_in_a_message,
}  # fmt: skip
WEBSOCKETS = {websocket, attached_websocket}
#: What becomes of a run that did not ask to continue, by transport and way.
TABLE: dict[Callable[[Client], str], dict[Callable[[Client], None], str]] = {
    **{
        transport: {
            closes: CANCELLED,
            is_killed: CANCELLED,
            half_closes: CANCELLED,
            freezes: CANCELLED,
            says_goodbye: CANCELLED,
            says_goodbye_and_stays: CANCELLED,
            types_and_says_goodbye: CANCELLED,
            types_and_closes: CANCELLED,
            types_and_is_killed: CANCELLED,
            breaks_off_in_a_message: CANCELLED,
            loses_its_gateway: GOES_ON,
        }
        for transport in (websocket, attached_websocket)
    },
    waiting_post: {
        closes: CANCELLED,
        is_killed: CANCELLED,
        half_closes: CANCELLED,
        asks_for_more_and_closes: CANCELLED,
        freezes: GOES_ON,
        loses_its_gateway: GOES_ON,
    },
    **{
        transport: {
            closes: GOES_ON,
            is_killed: GOES_ON,
            half_closes: GOES_ON,
            freezes: GOES_ON,
            loses_its_gateway: GOES_ON,
        }
        for transport in (
            post_that_waits_a_while, post_that_does_not_wait, event_source, lines_of_json,
        )
    },
}  # fmt: skip
#: Where nothing tells a client that left from one that reads on.
NOT_NOTICED = {
    (waiting_post, freezes), (post_that_waits_a_while, freezes),
    *itertools.product((event_source, lines_of_json), (freezes, half_closes)),
}  # fmt: skip


def count(service: Service, name: str) -> float:
    text = requests.get(f"{service.url}/metrics", timeout=10).text
    return float(re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[0])


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + NOTICED_S
    while not holds():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.02)


def look(service: Service, execution: str) -> dict[str, Any]:
    answer = requests.get(f"{service.url}/v1/executions/{execution}", timeout=10).json()
    found: dict[str, Any] = answer["result"] or {"verdict": answer["state"]}
    return found


@pytest.fixture
def arrive() -> Iterator[Callable[..., Client]]:
    """Connections that are closed at the end, whatever becomes of the test."""
    with ExitStack() as stack:

        def connected(*arguments: Any) -> Client:
            return stack.enter_context(closing(Client(*arguments)))

        yield connected


@pytest.fixture(scope="module")
def served(make_shared_service: Callable[..., Service]) -> Service:
    """A gateway that soon takes for gone who has left."""
    return make_shared_service(
        policy={"disconnect_grace_s": GRACE_S, "heartbeat_s": 0.2},
        websocket={"ping_every_s": 0.3, "close_s": 0.3},
    )


@pytest.mark.parametrize(
    ("transport", "way", "wish"),
    [
        pytest.param(transport, way, wish, id=f"{transport.__name__}-{way.__name__}-{wish}")
        for transport, ways in TABLE.items()
        for way, fate in ways.items()
        for wish in (("cancel", "continue") if fate == CANCELLED else ("cancel",))
    ],
)
def test_what_becomes_of_the_run(
    served: Service,
    service: Service,
    arrive: Callable[..., Client],
    make_service: Callable[..., Service],
    transport: Callable[[Client], str],
    way: Callable[[Client], None],
    wish: str,
) -> None:
    if way is loses_its_gateway:
        served = make_service(policy={"disconnect_grace_s": GRACE_S})
    client = arrive(served, {**BODY, "on_disconnect": wish})
    execution = transport(client)
    until(lambda: look(service, execution)["verdict"] == "running")
    way(client)
    if way is loses_its_gateway:
        time.sleep(3 * GRACE_S)
    elif (transport, way) not in NOT_NOTICED:
        until(lambda: count(served, "vibecell_websockets") == 0)
        until(lambda: count(served, "vibecell_open_requests") == 0)
    first = "" if way in TYPES_FIRST else "first\n"
    if wish == "cancel" and TABLE[transport][way] == CANCELLED:
        until(lambda: look(service, execution)["verdict"] != "running")
        result = look(service, execution)
        said = "first\n" if way in TYPES_FIRST else ""
        assert (result["verdict"], result["stdout"]) == ("cancelled", said)
    else:
        time.sleep(3 * GRACE_S)
        assert look(service, execution)["verdict"] == "running"
        rest = {"type": "stdin", "data": f"{first}second\n"}
        url = f"{service.url}/v1/executions/{execution}/controls"
        assert requests.post(url, json=rest, timeout=10).status_code == 204
        until(lambda: look(service, execution)["verdict"] != "running")
        result = look(service, execution)
        assert (result["verdict"], result["stdout"]) == ("accepted", "first\nsecond\n")


@pytest.mark.parametrize("way", [says_goodbye_and_stays, half_closes])
@pytest.mark.parametrize("piece_bytes", [10, 40_000])
def test_all_that_was_typed_before_leaving_arrives_in_order(
    served: Service,
    service: Service,
    arrive: Callable[..., Client],
    way: Callable[[Client], None],
    piece_bytes: int,
) -> None:
    """More than any hop holds of it; the program reads it slowly, after its client is gone."""
    pieces = [f"{number} ".ljust(piece_bytes, "x") + "\n" for number in range(20)]
    code = "sleep(1)\necho()"
    client = arrive(served, {**BODY, "code": code, "on_disconnect": "continue"})
    execution = websocket(client)
    client.say(*({"type": "stdin", "data": each} for each in pieces), {"type": "end_of_input"})
    way(client)
    until(lambda: look(service, execution)["verdict"] != "running")
    result = look(service, execution)
    assert (result["verdict"], result["stdout"]) == ("accepted", "".join(pieces))


@pytest.mark.parametrize("spoken", [b"", b"execute"], ids=["at once", "with its request sent"])
def test_a_reset_around_the_handshake_leaves_nothing_behind(
    served: Service, arrive: Callable[..., Client], spoken: bytes
) -> None:
    for _ in range(20):
        client = arrive(served, BODY)
        client.upgrade("/v1/executions/stream")
        if spoken:
            client.say({"type": "execute", **client.body})
        is_killed(client)
    until(lambda: count(served, "vibecell_websockets") == 0)
    until(lambda: count(served, "vibecell_open_requests") == 0)
    until(lambda: count(served, "vibecell_executions_running") == 0)
    assert served.is_unharmed()


def test_only_the_last_to_leave_cancels(
    served: Service, service: Service, arrive: Callable[..., Client]
) -> None:
    first = arrive(served, BODY)
    execution = websocket(first)
    second = arrive(served, BODY)
    second.upgrade(f"/v1/executions/{execution}/stream")
    second.hear(rb'"type":"started"')
    is_killed(first)
    until(lambda: count(served, "vibecell_websockets") == 1)
    time.sleep(3 * GRACE_S)
    assert look(service, execution)["verdict"] == "running"
    is_killed(second)
    until(lambda: look(service, execution)["verdict"] == "cancelled")


def test_an_engine_that_is_lost_is_told_to_who_has_not_left(
    doomed_engine: tuple[Service, subprocess.Popen[bytes]], arrive: Callable[..., Client]
) -> None:
    served, engine = doomed_engine
    client = arrive(served, BODY)
    websocket(client)
    engine.kill()
    client.hear(b'"type":"finished".*"verdict":"internal_error"')
    until(lambda: count(served, 'vibecell_results_told_total{verdict="internal_error"}') == 1)


def test_an_end_that_the_gateway_made_itself_is_counted_as_none(
    served: Service, arrive: Callable[..., Client]
) -> None:
    for way in (is_killed, half_closes):
        client = arrive(served, BODY)
        websocket(client)
        way(client)
    until(lambda: count(served, "vibecell_websockets") == 0)
    assert count(served, 'vibecell_results_told_total{verdict="internal_error"}') == 0
