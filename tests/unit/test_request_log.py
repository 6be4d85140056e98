"""Each request and each WebSocket has its line in the log, when it is over."""

import logging
from collections.abc import Iterator

import gevent
import pytest

from unit.served_gateway import HANDSHAKE, HOST, Served, got, posted
from unit.test_answer_chain import ANSWERS
from vibecell.gateway.request_log import RequestLine, WebSocketLine

CODE = b'{"language":"python","code":"1"}'
LOGGER = "vibecell.gateway.request_log"


@pytest.fixture
def served(caplog: pytest.LogCaptureFixture) -> Iterator[Served]:
    caplog.set_level(logging.DEBUG, LOGGER)
    made = Served()
    yield made
    made.end()


def lines(caplog: pytest.LogCaptureFixture) -> list[RequestLine | WebSocketLine]:
    """What was logged, once everything is over."""
    for _ in range(20):
        gevent.sleep(0.01)
    return [getattr(x, "event") for x in caplog.records if x.name == LOGGER]  # noqa: B009


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_one_line(
    served: Served, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    data, (method, route, status) = ANSWERS[name]
    told = served.told(data)
    found = [x for x in lines(caplog) if isinstance(x, RequestLine)]
    (line,) = found
    assert (line.method, line.status) == (method, int(status)) or line.method == "other"
    assert line.route == (None if route == "none" else route)
    assert line.address == "127.0.0.1" and line.duration_ms >= 0
    assert f"X-Request-Id: {line.request_id}\r\n".encode() in told
    assert line.sent_bytes == len(told) or status == "101"
    refused = int(status) >= 400
    assert (line.problem is not None) == refused


def test_what_was_refused_tells_its_problem(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for raw in (got("/v1/executions/unknown"), posted("/execute", b"{"), got("/nowhere")):
        served.told(raw)
    assert [line.problem for line in lines(caplog)] == [
        "urn:vibecell:problem:unknown-execution",
        "urn:vibecell:problem:malformed-request",
        "about:blank",
    ]


def test_what_begins_an_execution_names_it_and_its_owner(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.told(posted("/execute", CODE) + got("/healthz"))
    first, second = lines(caplog)
    assert (first.execution_id, first.key_id, first.user) == ("known", "local", None)
    assert (second.execution_id, second.key_id, second.problem) == (None, None, None)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_machines_ask_again_and_again_is_for_who_debugs(
    served: Served, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    served.told(got(path))
    served.told(got("/v1/languages"))
    lines(caplog)
    levels = [x.levelno for x in caplog.records if x.name == LOGGER]
    assert levels == [logging.DEBUG, logging.INFO]


def test_who_leaves_before_the_answer_has_a_line_too(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    client = served.open()
    client.sendall(posted("/execute", CODE)[:-1])
    client.close()
    (line,) = lines(caplog)
    assert isinstance(line, RequestLine)
    assert (line.method, line.route) == ("POST", "/execute")


def test_a_websocket_has_a_line_when_it_is_open_and_one_when_it_has_ended(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with served.open() as client:
        client.sendall(b"GET /v1/executions/known/stream HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
        while client.recv(65536):
            pass
    opened, closed = lines(caplog)
    assert isinstance(opened, RequestLine) and isinstance(closed, WebSocketLine)
    assert (opened.status, closed.request_id) == (101, opened.request_id)
    assert closed.close_code is not None and closed.open_ms >= opened.duration_ms
    assert closed.sent_bytes > opened.sent_bytes
    assert (closed.key_id, closed.route) == ("local", "/v1/executions/<execution_id>/stream")


def test_nothing_of_a_url_or_a_header_is_told(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    planted = b"planted-secret-1234"
    fields = b"Authorization: Bearer %b\r\nCookie: a=%b\r\nUser-Agent: %b\r\n" % ((planted,) * 3)
    path = b"/v1/executions/%b?ticket=%b" % (planted, planted)
    served.told(b"GET " + path + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    served.told(b"GET /" + planted + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    found = lines(caplog)
    assert len(found) == 2 and planted.decode() not in repr(found)
    assert planted.decode() not in caplog.text


def test_nothing_is_made_where_nobody_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    served = Served()
    try:
        served.told(posted("/execute", CODE))
        assert lines(caplog) == []
    finally:
        served.end()
