"""What no honest client sends: a clear refusal each, and a service unharmed."""

import json
import select
import socket
import time
from collections.abc import Callable

import pytest
import requests

from integration.live import Service

JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def unharmed(service: Service) -> None:
    assert service.is_unharmed()


def post(service: Service, data: bytes, **headers: str) -> requests.Response:
    given = {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return requests.post(f"{service.url}/execute", data=data, headers=given, timeout=10)


def refused(answer: requests.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    problem: dict[str, object] = answer.json()
    assert problem["status"] == status
    return problem


def raw(service: Service, data: bytes, seconds: float = 5.0) -> bytes:
    """Everything the server says to these bytes until it closes or is silent."""
    received = b""
    with service.connect(seconds) as client:
        try:
            client.sendall(data)
            while piece := client.recv(65536):
                received += piece
        except OSError:
            pass  # silence, or a reset: the caller looks at what came
    return received


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"nonsense", 400),
        (b"\xff\xfe\x00", 400),
        (b'{"code":"\\ud800"}', 400),
        (b'{"code":"x","code":"y"}', 400),
        (b'{"code":NaN}', 400),
        (b'{"code":1e999}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b'{"code":1}', 422),
        (b'{"code":null}', 422),
        (b'{"code":"x","unknown":1}', 422),
        (b'{"code":"x","files":[{"path":"main.py","content":"y"}]}', 422),
        (b'{"code":"x","language":"cobol"}', 422),
        (b'{"code":"x","version":"99"}', 422),
        (b'{"code":"x","interactive":1}', 422),
        (b'{"code":"x","limits":{"wall_time_ms":0}}', 422),
        (b'{"code":"x","limits":{"wall_time_ms":-1}}', 422),
        (b'{"code":"x","limits":{"wall_time_ms":1.5}}', 422),
        (b'{"code":"x","limits":{"wall_time_ms":true}}', 422),
        (b'{"code":"x","limits":{"memory_bytes":99999999999999999999}}', 422),
        (b'{"code":"x","limits":{"memory_bytes":9000000000000}}', 422),
        (b'{"code":"x","env":{"A=B":"c"}}', 422),
        (b'{"code":"x","env":{"A":"\\u0000"}}', 422),
        (b'{"code":"x","args":["\\u0000"]}', 422),
        (b'{"files":[]}', 422),
        (b'{"files":[{"path":"main.py"}]}', 422),
        (b'{"files":[{"path":"main.py","content_base64":"*"}]}', 422),
        (b'{"files":[{"path":"a.py","content":""}],"entrypoint":"b.py"}', 422),
    ],
)
def test_wrong_bodies(service: Service, data: bytes, status: int) -> None:
    refused(post(service, data), status)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../b", "./a", "a//b", "a\0b", "a/", "/", ".", ".."),
        *("a/" * 17 + "b", "x" * 256, "é" * 128, "a/" + "x" * 1100),
    ],
)
def test_paths_that_escape(service: Service, path: str) -> None:
    files = [{"path": "main.py", "content": ""}, {"path": path, "content": "x"}]
    problem = refused(post(service, json.dumps({"files": files}).encode()), 422)
    assert problem["errors"]


def test_every_wrong_field_is_named(service: Service) -> None:
    body = {"code": 1, "language": 2, "nonsense": 3}
    problem = refused(post(service, json.dumps(body).encode()), 422)
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert {"code", "language", "nonsense"} <= {e["path"] for e in errors}


@pytest.mark.parametrize(("count", "status"), [(257, 422), (1000, 422), (10_000, 400)])
def test_too_many_files(service: Service, count: int, status: int) -> None:
    files = [{"path": f"f{i}.py", "content": ""} for i in range(count)]
    refused(post(service, json.dumps({"files": files}).encode()), status)


class TestSize:
    def test_a_declared_length(self, service: Service) -> None:
        refused(post(service, b" " * (2 * MIB + 1)), 413)

    def test_a_declared_length_without_a_body(self, service: Service) -> None:
        request = (
            b"POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        with service.connect() as client:
            client.sendall(request)
            assert client.recv(4096).startswith(b"HTTP/1.1 413")

    def test_chunks(self, service: Service) -> None:
        def chunks() -> "list[bytes]":
            return [b" " * 65536] * 40

        answer = requests.post(
            f"{service.url}/execute", data=iter(chunks()), headers=JSON, timeout=10
        )
        refused(answer, 413)

    def test_a_long_header(self, service: Service) -> None:
        field = b"X-Long: " + b"x" * 60_000 + b"\r\n"
        said = raw(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + field + b"\r\n")
        assert said.startswith(b"HTTP/1.1 431")

    def test_many_header_fields(self, service: Service) -> None:
        fields = b"".join(b"X-%d: 1\r\n" % i for i in range(500))
        said = raw(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n")
        assert said.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))

    def test_a_long_request_line(self, service: Service) -> None:
        said = raw(service, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 414")


class TestTypes:
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]
    )
    def test_other_content_types(self, service: Service, kind: str) -> None:
        refused(post(service, b'{"code":"x"}', Content_Type=kind), 415)

    def test_other_charsets(self, service: Service) -> None:
        kind = "application/json; charset=utf-16"
        refused(post(service, b'{"code":"x"}', Content_Type=kind), 415)

    def test_compressed_bodies(self, service: Service) -> None:
        refused(post(service, b"\x1f\x8b", Content_Encoding="gzip"), 415)

    def test_other_methods(self, service: Service) -> None:
        answer = requests.put(f"{service.url}/execute", timeout=5)
        refused(answer, 405)
        assert "POST" in answer.headers["Allow"]

    @pytest.mark.parametrize("key", ["x" * 129, "a b", "é"])
    def test_idempotency_keys(self, service: Service, key: str) -> None:
        answer = requests.post(
            f"{service.url}/execute",
            json={"code": "x"},
            headers={"Idempotency-Key": key.encode("latin-1")},
            timeout=5,
        )
        refused(answer, 422)


GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
POST = b"POST /execute HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


class TestFraming:
    @pytest.mark.parametrize(
        "request_",
        [
            b"\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET /healthz\r\n\r\n",
            b"GET /healthz HTTP/3.0\r\n" + HOST + b"\r\n",
            b"GET http://user@localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GE\x00T /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
            GET + b"\r\n",
            GET + HOST + HOST + b"\r\n",
            GET + HOST + b"no colon\r\n\r\n",
            GET + HOST + b"Na me: x\r\n\r\n",
            POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            POST + b"Content-Length: +2\r\n\r\n{}",
            POST + b"Content-Length: 0x2\r\n\r\n{}",
            POST + b"Content-Length: -1\r\n\r\n{}",
            POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        ],
    )
    def test_what_can_be_read_in_two_ways(self, service: Service, request_: bytes) -> None:
        smuggled = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
        said = raw(service, request_ + smuggled, 3)
        assert said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), said[:200]
        assert said.count(b"HTTP/1.1 ") == 1
        assert b"Traceback" not in said

    def test_an_unread_body_is_not_the_next_request(self, service: Service) -> None:
        inner = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
        outer = b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner)
        said = raw(service, outer + inner + GET + HOST + b"Connection: close\r\n\r\n")
        assert said.count(b"HTTP/1.1 ") == 2
        assert b'"openapi"' not in said

    def test_pipelined_requests(self, service: Service) -> None:
        said = raw(service, (GET + HOST + b"\r\n") * 2 + GET + HOST + b"Connection: close\r\n\r\n")
        assert said.count(b"HTTP/1.1 200") == 3

    def test_a_half_body(self, service: Service) -> None:
        with service.connect() as client:
            client.sendall(POST + b"Content-Length: 100\r\n\r\n{")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(4096).startswith(b"HTTP/1.1 400")


class TestSlowness:
    def test_a_slow_header(self, make_service: Callable[..., Service]) -> None:
        service = make_service(server={"header_s": 0.5})
        with service.connect() as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
            for _ in range(1000):  # each a sign of life, and none puts the end off
                client.sendall(b"y")
                if select.select([client], [], [], 0.05)[0]:
                    break
            else:
                pytest.fail("it waits as long as something comes")
            assert client.recv(4096).startswith(b"HTTP/1.1 408")

    def test_a_slow_body(self, make_service: Callable[..., Service]) -> None:
        service = make_service(server={"body_s": 0.5})
        with service.connect() as client:
            client.sendall(POST + b"Content-Length: 1000\r\n\r\n{")
            assert client.recv(4096).startswith(b"HTTP/1.1 408")
        with service.connect() as client:
            client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n1")
            assert client.recv(4096).startswith(b"HTTP/1.1 408")

    def test_an_idle_connection(self, make_service: Callable[..., Service]) -> None:
        service = make_service(server={"idle_s": 0.5})
        with service.connect(30) as client:  # which an idle one is given by default, and more
            assert client.recv(4096) == b""

    def test_a_client_that_does_not_read(self, make_service: Callable[..., Service]) -> None:
        service = make_service(server={"stall_s": 0.5}, policy={"concurrent": 1})
        program = "\n".join(["print('" + "x" * 2000 + "')"] * 4000)
        body = json.dumps({"code": program, "limits": {"output_bytes": 16 * MIB}}).encode()
        if len(body) > 2 * MIB:
            body = json.dumps(
                {"code": "flood(8000000)", "limits": {"output_bytes": 16 * MIB}}
            ).encode()
        with service.connect(10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            end = time.monotonic() + 60
            while not service.is_unharmed():  # 429 until the slow one is given up
                assert time.monotonic() < end
                time.sleep(0.1)

    def test_many_connections_of_one_peer(self, make_service: Callable[..., Service]) -> None:
        service = make_service(policy={"connections_per_peer": 5})
        clients = [service.connect(5) for _ in range(5)]
        time.sleep(0.2)
        try:
            with service.connect(5) as late:
                assert late.recv(4096).startswith(b"HTTP/1.1 429")
        finally:
            for client in clients:
                client.close()
        end = time.monotonic() + 30
        while not service.is_unharmed():  # 429 until it has seen that they are gone
            assert time.monotonic() < end
            time.sleep(0.05)


def test_an_error_tells_nothing(service: Service) -> None:
    for path in ("/nowhere", "/v1/executions/%00", "/v1/executions/..%2f..", "/assets/%2e%2e/x"):
        answer = requests.get(service.url + path, timeout=5)
        assert answer.status_code in (404, 405)
        assert "Traceback" not in answer.text
