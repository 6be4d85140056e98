"""``POST /execute`` takes two ways through the gateway, which nobody can tell apart."""

import pytest
import requests

from integration.live import Service
from integration.test_bad_input import raw

PLAIN = "application/json"
WORDY = "application/json; charset=utf-8"
SHORT_WAY = "/execute"
LONG_WAY = "/execute/"  # Flask takes it for the same


def answer(
    service: Service, kind: str, data: bytes, path: str = SHORT_WAY, **fields: str
) -> requests.Response:
    headers = {"Content-Type": kind, "X-Request-Id": "mine", **fields}
    return requests.post(f"{service.url}{path}", data=data, headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b'{"code":"print(1)"}', {}),
        (b'{"code":"print(1)","encoding":"base64"}', {}),
        (b"{", {}),
        (b'{"code":1,"x":2}', {}),
        (b'{"code":"1","language":"nothing"}', {}),
        (b'{"code":"1"}', {"Idempotency-Key": "a b"}),
        (b'{"code":"1"}', {"Host": "example.org"}),
        (b'{"code":"1"}', {"Host": "a b"}),
    ],
)
@pytest.mark.parametrize("other", [(WORDY, SHORT_WAY), (PLAIN, LONG_WAY), (WORDY, LONG_WAY)])
def test_both_ways_say_the_same(
    service: Service, data: bytes, fields: dict[str, str], other: tuple[str, str]
) -> None:
    short = answer(service, PLAIN, data, **fields)
    kind, path = other
    long = answer(service, kind, data, path, **fields)
    assert short.status_code == long.status_code
    passing = {"Date", "RateLimit"}  # which each request has one less of
    assert ("RateLimit" in short.headers) == ("RateLimit" in long.headers)
    assert {k: v for k, v in short.headers.items() if k not in passing | {"Content-Length"}} == {
        k: v for k, v in long.headers.items() if k not in passing | {"Content-Length"}
    }
    said, said_too = short.json(), long.json()
    for each in (said, said_too):
        each.pop("id", None)
        each.pop("usage", None)
    assert said == said_too


def test_too_large_a_body(service: Service) -> None:
    for path in (SHORT_WAY, LONG_WAY):
        assert answer(service, PLAIN, b" " * (3 * 1024 * 1024), path).status_code == 413


def test_an_old_client_is_told_whether_the_connection_stays(service: Service) -> None:
    body = b'{"code":"print(1)"}'
    head = b"POST /execute HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\n" % len(body)
    said = raw(service, head + b"\r\n" + body, 5)
    assert b"\r\nConnection: close\r\n" in said
    kept = raw(service, head + b"Connection: keep-alive\r\n\r\n" + body, 2)
    assert b"\r\nConnection: keep-alive\r\n" in kept


def test_it_is_counted(service: Service) -> None:
    answer(service, PLAIN, b'{"code":"print(1)"}')
    answer(service, PLAIN, b"{")
    shown = requests.get(f"{service.url}/metrics", timeout=5).text
    for status in (200, 400):
        name = "vibecell_http_requests_total"
        assert f'{name}{{method="POST",route="/execute",status="{status}"}}' in shown
