"""Which requests are read at all: whatever two readers could take for two things is none."""

import io

import pytest

from vibecell.gateway.http.header_fields import Fields
from vibecell.gateway.http.request_head import (
    BadRequest,
    body_length,
    closes,
    expects_continue,
    may_upgrade,
    origin_form,
    request_line,
)


def fields(*lines: str) -> Fields:
    text = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return Fields.read(io.BytesIO(text.encode("latin-1")), 65_536)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_three_words(line_end: str) -> None:
    asked = request_line("GET /a?b=%20 HTTP/1.1" + line_end)
    assert asked == ("GET", "/a?b=%20", "HTTP/1.1")
    assert request_line("OPTIONS * HTTP/1.0" + line_end)[1] == "*"


@pytest.mark.parametrize(
    "line",
    [
        "GET\x85/\x85HTTP/1.1\r\n",
        "GET\xa0/\xa0HTTP/1.1\r\n",
        "GET / HTTP/1.1\x85\r\n",
        "GET / HTTP/1.1\xa0\n",
        "GET\t/\tHTTP/1.1\r\n",
        "GET\x0b/\x0cHTTP/1.1\r\n",
        "GET\x1c/\x1dHTTP/1.1\r\n",
        "GET / HTTP/1.1\rHost: b\r\n",
        "GET\r/\rHTTP/1.1\r\n",
        "GET / HTTP/1.1\r\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /\x00 HTTP/1.1\r\n",
        "GET /\x7f HTTP/1.1\r\n",
        "GET /\xe9 HTTP/1.1\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET * HTTP/1.1\r\n",
        "GET a HTTP/1.1\r\n",
        "GET ftp://a/ HTTP/1.1\r\n",
        "GET http:/a HTTP/1.1\r\n",
        "GET http:// HTTP/1.1\r\n",
        "GET http://a/#b HTTP/1.1\r\n",
        "GET http://a/ b HTTP/1.1\r\n",
        "GET a:80 HTTP/1.1\r\n",
        "GET /\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP/1.1",
        "G(T / HTTP/1.1\r\n",
        "",
    ],
)
def test_what_is_no_request_line(line: str) -> None:
    with pytest.raises(BadRequest) as caught:
        request_line(line)
    assert caught.value.status == 400


@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0"])
def test_other_versions(version: str) -> None:
    with pytest.raises(BadRequest) as caught:
        request_line(f"GET / {version}\r\n")
    assert caught.value.status == 505


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("/a?b", "/a?b", None),
        ("//a/b", "//a/b", None),
        ("/http://a/b", "/http://a/b", None),
        ("*", "*", None),
        ("http://a/b?c=/d", "/b?c=/d", "a"),
        ("HTTPS://a.b:8443/", "/", "a.b:8443"),
        ("http://[::1]:80/x", "/x", "[::1]:80"),
        ("http://a", "/", "a"),
        ("http://a?b", "/?b", "a"),
        ("http://a?b/c?d", "/?b/c?d", "a"),
        ("http://a//b", "//b", "a"),
        ("http://a/b://c/d", "/b://c/d", "a"),
        ("http://a/?u=http://b/", "/?u=http://b/", "a"),
    ],
)
def test_a_whole_url_is_a_target_and_names_the_host(
    target: str, path: str, host: str | None
) -> None:
    assert request_line(f"GET {target} HTTP/1.1\r\n" if target != "*" else "OPTIONS * HTTP/1.1\r\n")
    assert origin_form(target) == (path, host)


@pytest.mark.parametrize(
    "target",
    ["http:///a", "http://:80/a", "http://?a", "http://me@a/b", "http://me:pw@a/", "http://a:b/",
     "http://a,b/", "http://[::1/", "http://a\\b/", 'http://a"/', "http://a%20b@c/"],
)  # fmt: skip
def test_a_url_that_names_no_host_or_a_user(target: str) -> None:
    with pytest.raises(BadRequest):
        origin_form(target)


def test_what_a_url_names_stands_above_the_header() -> None:
    told = fields("Accept: x", "Host: one", "X: y").with_host("other:80")
    assert told.get_all("host") == ["other:80"]
    assert told.environ() == {"HTTP_HOST": "other:80", "HTTP_ACCEPT": "x", "HTTP_X": "y"}


@pytest.mark.parametrize("host", ["", "a", "a.b:80", "[::1]:80", "127.0.0.1", "a_b", "xn--a"])
def test_one_host(host: str) -> None:
    assert body_length("GET", "HTTP/1.1", fields(f"Host: {host}")) is None


@pytest.mark.parametrize(
    "host", ["a b", "a,b", "a/b", "user@a", "a:80:80", "a:x", "[::1", "a?b", "a\\b", "\xe9", "a#b"]
)
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(BadRequest):
        body_length("GET", "HTTP/1.1", fields(f"Host: {host}"))


def test_one_type_of_content() -> None:
    asked = fields("Host: a", "Content-Type: application/json", "Content-Type: text/plain")
    with pytest.raises(BadRequest):
        body_length("POST", "HTTP/1.1", asked)


@pytest.mark.parametrize(
    ("version", "lines", "ends"),
    [
        ("HTTP/1.1", (), False),
        ("HTTP/1.1", ("Connection: close",), True),
        ("HTTP/1.1", ("Connection: Close ",), True),
        ("HTTP/1.1", ("Connection: x, close",), True),
        ("HTTP/1.1", ("Connection: x", "Connection: close"), True),
        ("HTTP/1.1", ("Connection: keep-alive",), False),
        ("HTTP/1.1", ("Connection: closed",), False),
        ("HTTP/1.0", (), True),
        ("HTTP/1.0", ("Connection: keep-alive",), False),
        ("HTTP/1.0", ("Connection: keep-alive, close",), True),
    ],
)
def test_whether_the_connection_ends(version: str, lines: tuple[str, ...], ends: bool) -> None:
    assert closes(version, fields(*lines)) is ends


def test_who_waits_for_a_word_before_the_body() -> None:
    asked = fields("Expect: 100-Continue")
    assert expects_continue("HTTP/1.1", asked)
    assert not expects_continue("HTTP/1.0", asked)
    assert not expects_continue("HTTP/1.1", fields("Expect: another"))


def test_whose_wish_for_another_protocol_is_heard() -> None:
    assert may_upgrade("GET", "HTTP/1.1", has_body=False)
    assert not may_upgrade("HEAD", "HTTP/1.1", has_body=False)
    assert not may_upgrade("POST", "HTTP/1.1", has_body=False)
    assert not may_upgrade("GET", "HTTP/1.0", has_body=False)
    assert not may_upgrade("GET", "HTTP/1.1", has_body=True)
