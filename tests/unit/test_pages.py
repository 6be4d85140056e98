"""A program's page: its files under any name, what each is sent as, and what is put before it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from unit.served_gateway import HOST, Served, got
from vibecell.gateway.media_types import media_type
from vibecell.gateway.preamble import SCRIPT, with_preamble
from vibecell.model.access import FIRST_PARTS, Access
from vibecell.model.errors import InvalidRequest

NAMES = (
    "a b.txt", "é.txt", "e\u0301.txt", "日本.txt", "😀.txt", "@scope/x.txt",
    "100%.txt", "a+b.txt", "q?.txt", "h#.txt", "%2e%2e.txt", "..%2f..%2fhealthz", ".hidden",
    "-dash", "back\\slash", 'quo"te', "new\nline", "semi;colon,comma",
)  # fmt: skip


@pytest.fixture
def served() -> Iterator[Served]:
    gateway = Served()
    yield gateway
    gateway.end()


def get(served: Served, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of an answer for the page ``known``."""
    line = f"{method} /v1/executions/known/page{path} HTTP/1.1\r\n".encode()
    answer = served.told(line + HOST + b"Origin: null\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), fields, body


def test_files_of_a_page_are_found_under_any_name(served: Served) -> None:
    files = {name: name.encode() for name in NAMES}
    served.gateway.page_files.remember("known", "index.html", {"index.html": b"x", **files})
    for name in NAMES:
        status, fields, body = get(served, "/" + quote(name))
        assert (status, body) == (200, name.encode()), name
        assert fields["Access-Control-Allow-Origin"] == "*"
        assert "/v1/executions/known/page/;" in fields["Content-Security-Policy"] + ";"


def test_no_escape_leads_to_anything_but_a_file_of_the_page(served: Served) -> None:
    served.gateway.page_files.remember("known", "index.html", {"index.html": b"x"})
    for path in (
        "/..%2f..%2f..%2f..%2fhealthz",
        "/../../../../healthz",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/%ff",
        "/%00",
        "/index.html/",
        "/index.html%00",
    ):
        status, fields, _ = get(served, path)
        assert status in (400, 404), path
        if status == 404 and "Access-Control-Allow-Origin" in fields:
            assert "sandbox" in fields["Content-Security-Policy"]


def test_an_entry_below_a_folder_is_led_to_behind_any_proxy(served: Served) -> None:
    entry = "%2e%2e/a b/é;\n.html"
    served.gateway.page_files.remember("known", entry, {entry: b"x"})
    status, fields, _ = get(served, "/")
    assert status == 302
    assert fields["Location"] == "./" + quote(entry)
    assert get(served, fields["Location"][1:])[0] == 200
    status, fields, _ = get(served, "")
    assert (status, fields["Location"]) == (302, "page/")


def test_what_was_not_sent_is_a_404_that_the_page_may_read(served: Served) -> None:
    served.gateway.page_files.remember("known", "index.html", {"index.html": b"x"})
    status, fields, _ = get(served, "/none.json")
    assert (status, fields["Access-Control-Allow-Origin"]) == (404, "*")
    assert "sandbox" in fields["Content-Security-Policy"]


def test_a_request_is_allowed_ahead_for_a_pages_files_and_nowhere_else(served: Served) -> None:
    status, fields, _ = get(served, "/data.json", "OPTIONS")
    assert status == 204
    assert fields["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert fields["Access-Control-Allow-Headers"] == "*"
    assert "Access-Control-Allow-Credentials" not in fields
    for path in (b"/execute", b"/v1/executions", b"/v1/executions/known", b"/healthz"):
        answer = served.told(b"OPTIONS %b HTTP/1.1\r\n%bOrigin: null\r\n\r\n" % (path, HOST))
        assert b"access-control" not in answer.lower()


@pytest.mark.parametrize("arrives", ["", "/run"])
def test_behind_a_proxy_links_and_policies_name_the_public_address(arrives: str) -> None:
    served = Served(public_url="https://code.example:8443/run/", local_names_only=False)
    try:
        served.gateway.page_files.remember("known", "a/b.html", {"a/b.html": b"x"})
        forged = (
            b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil\r\n"
        )
        ask = b"GET %b%b HTTP/1.1\r\n" + HOST + forged + b"Connection: close\r\n\r\n"
        for path in ("/v1/executions/known/page/a/b.html", "/v1/executions/known/page/none"):
            told = served.told(ask % (arrives.encode(), path.encode()))
            files = b"https://code.example:8443/run/v1/executions/known/page/"
            assert b"connect-src data: blob: %b;" % files in told
            assert b"evil" not in told
        told = served.told(ask % (arrives.encode(), b"/v1/executions/known/page/"))
        assert b"\r\nLocation: ./a/b.html\r\n" in told
        told = served.told(ask % (arrives.encode(), b"/"))
        assert b"connect-src 'self' wss://code.example:8443;" in told
        told = served.told(ask % (arrives.encode(), b"/openapi.json"))
        assert told.startswith(b"HTTP/1.1 200 ")
        assert b'"servers":[{"url":"https://code.example:8443/run"}]' in told
        told = served.told(ask % (b"/run", b"?a=1&b=%2F"))
        assert told.startswith(b"HTTP/1.1 308 ")
        assert b"\r\nLocation: https://code.example:8443/run/?a=1&b=%2F\r\n" in told
    finally:
        served.end()


def test_no_prefix_is_mistaken_for_a_path_of_ours() -> None:
    served = Served()
    try:
        application: Any = served.server.application
        rules = {rule.rule.split("/")[1] for rule in application.url_map.iter_rules()}
    finally:
        served.end()
    assert rules - {""} == FIRST_PARTS
    for path in FIRST_PARTS:
        for public_url in (f"https://a.example/{path}", f"https://a.example/{path}/b/"):
            with pytest.raises(InvalidRequest, match="public_url"):
                Access(public_url=public_url)
    assert Access(public_url="https://a.example/run/v1").public_url is not None


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ("", "http://localhost"),
        ("X-Forwarded-Proto: https\r\n", "https://localhost"),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: code.example:8443\r\n",
            "https://code.example:8443",
        ),
        ("Forwarded: for=192.0.2.1;proto=https;host=code.example\r\n", "https://code.example"),
        ("X-Forwarded-Host: a.example; script-src *\r\n", "http://localhost"),
    ],
)
def test_without_a_public_address_a_trusted_proxy_says_where_it_was_asked(
    told: str, origin: str
) -> None:
    for trusted in (("127.0.0.1",), ()):
        served = Served(trusted_proxies=trusted)
        try:
            served.gateway.page_files.remember("known", "index.html", {"index.html": b"x"})
            said = origin if trusted else "http://localhost"
            path = "/v1/executions/known/page/"
            page = served.told(got(path)[:-2] + told.encode() + b"\r\n")
            assert f"connect-src data: blob: {said}{path};".encode() in page
            page = served.told(got("/")[:-2] + told.encode() + b"\r\n")
            assert f"connect-src 'self' {said.replace('http', 'ws', 1)};".encode() in page
        finally:
            served.end()


def test_a_prefix_is_whole_parts_of_a_path() -> None:
    served = Served(public_url="https://localhost/run")
    try:
        for path in (b"/running/healthz", b"/run/run/healthz", b"/runhealthz"):
            told = served.told(b"GET %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (path, HOST))
            assert told.startswith(b"HTTP/1.1 404 ")
    finally:
        served.end()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.wasm", "application/wasm"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("A.JSON", "application/json"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a/b.woff2", "font/woff2"),
        ("a.webp", "image/webp"),
        ("a.tar.gz", "application/octet-stream"),
        ("page.xhtml", "application/octet-stream"),
        ("none", "application/octet-stream"),
        ("text", "application/octet-stream"),
    ],
)
def test_a_file_is_sent_as_what_it_is_named(path: str, kind: str) -> None:
    assert media_type(path) == kind


@pytest.mark.parametrize(
    ("page", "before"),
    [
        (b"<p>x", b""),
        (b"<!DOCTYPE html><p>", b"<!DOCTYPE html>"),
        (
            b"\xef\xbb\xbf <!-- a --> <!doctype html>\n<p>",
            b"\xef\xbb\xbf <!-- a --> <!doctype html>",
        ),
        (b"<!-- never closed", b""),
        (b"", b""),
    ],
)
def test_the_preamble_keeps_standards_mode_and_moves_no_line(page: bytes, before: bytes) -> None:
    shown = with_preamble(page, 'a "b"\n</script>.html')
    assert shown.startswith(before + b"<script data-path=")
    assert shown.endswith(page[len(before) :])
    assert shown.count(b"\n") == page.count(b"\n")
    assert shown.count(b"</script>") == 1


def test_the_preamble_is_one_script_of_one_line() -> None:
    assert "\n" not in SCRIPT
    assert not re.search(r"</script|<script|<!--", SCRIPT, re.I)
    assert " // " not in SCRIPT.partition("//#")[0]
    if (node := shutil.which("node")) is not None:
        checked = f"new Function({json.dumps(SCRIPT)})"
        subprocess.run([node, "-e", checked], check=True, timeout=30)
