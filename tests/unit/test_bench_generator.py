"""The load generator: what it reads, what it takes for right, what it counts."""

import json
import socketserver
import threading
from collections.abc import Iterator

import pytest

from bench import generator


def body_of(*pieces: bytes) -> bytes | None:
    response = generator.Response()
    found = None
    for piece in pieces:
        found = response.feed(piece)
    return found


def test_a_response_is_whole_when_its_length_has_come() -> None:
    assert body_of(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab") is None
    assert body_of(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r", b"\nab", b"cd") == b"abcd"
    assert body_of(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n") == b""


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"x" * (generator.MAX_HEADER_BYTES + 1),
    ],
)
def test_what_is_no_plain_response_is_refused(raw: bytes) -> None:
    with pytest.raises(generator.BadAnswer):
        generator.Response().feed(raw)


def test_an_answer_is_compared_with_its_own_number() -> None:
    expect: dict[str, object] = {"output": f"hello {generator.TOKEN}\n", "success": True}
    right = {"output": "hello 00000007\n", "success": True, "more": 1}
    assert generator.difference(expect, right, 7) is None
    assert generator.difference(expect, right, 8) is not None
    assert generator.difference(expect, {**right, "success": 1.5}, 7) is not None
    assert generator.difference(expect, [], 7) is not None


def test_a_part_and_a_nested_token_can_be_expected() -> None:
    part: dict[str, object] = {"error": {"contains": f"Error: {generator.TOKEN}"}}
    assert generator.difference(part, {"error": "Traceback\nError: 00000003\n"}, 3) is None
    assert generator.difference(part, {"error": "Error: 3"}, 3) is not None
    assert generator.difference(part, {"error": None}, 3) is not None
    nested: dict[str, object] = {"files": [{"path": "a", "content": generator.TOKEN}]}
    assert (
        generator.difference(nested, {"files": [{"path": "a", "content": "00000003"}]}, 3) is None
    )


def test_requests_are_mixed_by_weight_and_always_in_the_same_order() -> None:
    specs: list[dict[str, object]] = [{"name": "a", "weight": 3}, {"name": "b"}]
    order = [spec["name"] for spec in generator.spread_out(specs, 400)]
    assert order.count("a") == 300
    assert order == [spec["name"] for spec in generator.spread_out(specs, 400)]
    assert order[:4] != ["a", "a", "a", "b"] or order[4:8] != ["a", "a", "a", "b"]


class Echo(socketserver.StreamRequestHandler):
    """Answers each request with its ``say``; ``hang up`` and ``fail`` as told."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while line.strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                line = self.rfile.readline()
            say = json.loads(self.rfile.read(length))["say"]
            if say == "hang up":
                return
            status = b"500 Oh" if say == "fail" else b"200 OK"
            body = json.dumps({"said": say}).encode()
            self.wfile.write(
                b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
            )


@pytest.fixture
def echo() -> Iterator[int]:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def asked(port: int, requests: int, *asks: dict[str, object]) -> dict[str, object]:
    spec = {"host": "127.0.0.1", "port": port, "clients": 3, "requests": requests}
    return generator.run({**spec, "deadline_s": 10, "asks": list(asks)})


def ask(name: str, say: str, expect: str) -> dict[str, object]:
    return {"name": name, "path": "/", "body": {"say": say}, "expect": {"said": expect}}


def test_every_answer_is_taken_and_timed(echo: int) -> None:
    found = asked(echo, 20, ask("it", generator.TOKEN, generator.TOKEN))
    assert found["error_count"] == 0
    latencies = found["latencies_ms"]
    assert isinstance(latencies, dict)
    assert len(latencies["it"]) == 20
    assert all(ms > 0 for ms in latencies["it"])


def test_wrong_answers_refusals_and_lost_connections_are_counted_and_quoted(echo: int) -> None:
    found = asked(
        echo,
        12,
        ask("right", "a", "a"),
        ask("wrong", "a", "b"),
        ask("refused", "fail", "fail"),
        ask("lost", "hang up", "hang up"),
    )
    latencies, errors = found["latencies_ms"], found["errors"]
    assert isinstance(latencies, dict) and isinstance(errors, list)
    assert {name: len(ms) for name, ms in latencies.items()} == {"right": 3}
    assert found["error_count"] == 9
    assert len(errors) == generator.MAX_QUOTED_ERRORS
    quoted = {error["ask"]: error for error in errors}
    assert all(name in ("wrong", "refused", "lost") for name in quoted)
