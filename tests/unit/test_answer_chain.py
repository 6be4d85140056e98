"""Every answer passes one chain, once, whichever part of the gateway makes it."""

import re
from collections.abc import Iterator

import gevent
import pytest

from unit.served_gateway import HANDSHAKE, HOST, Served, got, posted
from vibecell.gateway.http.serving import ServerLimits

DEFAULT = b"content-security-policy: default-src 'none'; frame-ancestors 'none'"


MADE = re.compile(rb"[A-Za-z0-9_-]{16}\Z")


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.end()


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
        served.end()


def test_a_long_request_line_is_told_as_a_problem(served: Served) -> None:
    limit_of_pywsgi = 8192
    served.server.limits = ServerLimits(header_bytes=64 * 1024)
    told = served.told(got("/" + "x" * limit_of_pywsgi))
    assert told.startswith(b"HTTP/1.1 414 ") and b"\r\nX-Made-Up: 414\r\n" in told
    assert b"\r\nContent-Type: application/problem+json\r\n" in told
    assert served.counted() == {("other", "unread", "414"): 1}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_the_name_that_its_request_came_with(served: Served, name: str) -> None:
    raw, (_, route, _) = ANSWERS[name]
    line, end, rest = raw.partition(b"\r\n")
    answer = served.told(line + end + b"X-Request-Id: shop-17\r\n" + rest)
    (told,) = _names(answer)
    # of what cannot be read, the name need not have been
    assert told == b"shop-17" or (route == "unread" and MADE.match(told))


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "a\\b", "x" * 129, "caf\xe9"])
def test_a_name_that_cannot_stand_in_a_line_is_replaced(served: Served, given: str) -> None:
    raw = got("/healthz").replace(b"Host", b"X-Request-Id: %b\r\nHost" % given.encode("latin-1"))
    (told,) = _names(served.told(raw))
    assert MADE.match(told)


def test_a_name_that_is_there_twice_is_none(served: Served) -> None:
    twice = b"X-Request-Id: a\r\nX-Request-Id: b\r\nHost"
    (told,) = _names(served.told(got("/healthz").replace(b"Host", twice)))
    assert MADE.match(told)


def test_two_requests_on_one_connection_have_two_names(served: Served) -> None:
    first, second = _names(served.told(got("/healthz") + got("/healthz") + b"nonsense\r\n\r\n"))[:2]
    assert first != second


def _names(answer: bytes) -> list[bytes]:
    lines = answer.split(b"\r\n")
    return [line.partition(b": ")[2] for line in lines if line.startswith(b"X-Request-Id:")]
