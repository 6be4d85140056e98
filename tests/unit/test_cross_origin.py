"""Pages of other origins: who may ask, who may read, who may open a WebSocket, who may frame."""

import json
from collections.abc import Iterator

import gevent
import pytest

from unit.served_gateway import HANDSHAKE, Served, got, posted
from vibecell.gateway.cross_origin import is_same_host
from vibecell.model.access import Access
from vibecell.model.errors import InvalidRequest
from vibecell.sharing.key_ring import KeyRing, KeyView
from vibecell.sharing.keys import Key, KeyRecord, new_key_text
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

SHOP = "https://shop.example"
APP = "https://app.example:8443"
EVIL = "https://evil.example"
CODE = b'{"language":"python","code":"1"}'
SECRETS = ServerSecrets((new_server_secret(),))
ALLOW = "access-control-allow-origin"
EXPOSED = {"Retry-After", "RateLimit", "RateLimit-Policy", "Location", "Server-Timing"}


def _record(key_id: str, *origins: str, **more: float) -> tuple[str, KeyRecord]:
    text = new_key_text(key_id)
    key = Key(key_id, key_id, origins=origins, **more)  # type: ignore[arg-type]
    return text, KeyRecord(key, (SECRETS.hashed(text),))


FREE, _free = _record("keyoffreeone")
BOUND, _bound = _record("keyofthisapp", APP)


def _named(value: object) -> str | None:
    """A key's name in a test's, which must not change from one collection to the next."""
    return {FREE: "free", BOUND: "bound"}.get(value) if isinstance(value, str) else None


WIDE, _wide = _record("keyforallapp", "*")
REVOKED, _revoked = _record("keywasrevokd", "https://revoked.example", revoked_at=1.0)
EXPIRED, _expired = _record("keyisexpired", "https://expired.example", expires_at=1.0)


def _ring(*records: KeyRecord) -> KeyRing:
    return KeyRing(view=KeyView(records, SECRETS))


@pytest.fixture(scope="module")
def keyed() -> Iterator[Served]:
    """A deployment that lists the shop, with a key for the app and one for everybody."""
    keys = _ring(_free, _bound, _revoked, _expired)
    made = Served(keys=keys, allowed_origins=(SHOP,), local_names_only=False)
    yield made
    made.end()


@pytest.fixture(scope="module")
def keyless() -> Iterator[Served]:
    made = Served(allowed_origins=(SHOP,))
    yield made
    made.end()


def _fields(told: bytes) -> dict[str, str]:
    lines = told.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def _status(told: bytes) -> int:
    return int(told.split()[1])


def _run(origin: str, key: str = "", kind: str = "application/json", body: bytes = CODE) -> bytes:
    shown = f"Authorization: Bearer {key}\r\n" if key else ""
    return posted("/execute", body, kind, f"Origin: {origin}\r\n{shown}")


def _preflight(origin: str, path: str = "/execute", asked: str = "POST") -> bytes:
    asks = f"Origin: {origin}\r\nAccess-Control-Request-Method: {asked}\r\n"
    return f"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n{asks}\r\n".encode()


@pytest.mark.parametrize("path", ["/execute", "/v1/executions", "/v1/executions/x/events", "/nope"])
@pytest.mark.parametrize("origin", [SHOP, APP])
def test_a_browser_is_told_that_a_page_may_ask(keyed: Served, origin: str, path: str) -> None:
    told = keyed.told(_preflight(origin, path))
    fields = _fields(told)
    assert _status(told) == 204
    assert fields[ALLOW] == origin
    assert fields["access-control-allow-methods"] == "GET, HEAD, POST, DELETE"
    assert fields["access-control-allow-headers"] == (
        "Authorization, Content-Type, Idempotency-Key, Prefer, Last-Event-ID, X-Request-Id"
    )
    assert fields["access-control-max-age"] == "600"
    assert fields["vary"] == "Origin"
    assert "access-control-allow-credentials" not in fields


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "",
        "*",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://shop.example/",
        "HTTPS://SHOP.EXAMPLE",
        f"{SHOP},{EVIL}",
        f"{SHOP} {EVIL}",
        "https://revoked.example",
        "https://expired.example",
    ],
)
def test_a_browser_is_told_that_a_page_may_not_ask(keyed: Served, origin: str) -> None:
    told = keyed.told(_preflight(origin))
    assert _status(told) == 403
    assert b"access-control" not in told.lower()
    two = _preflight(SHOP).replace(b"\r\n\r\n", f"\r\nOrigin: {EVIL}\r\n\r\n".encode())
    assert b"access-control" not in keyed.told(two).lower()


@pytest.mark.parametrize("key", [FREE, BOUND], ids=_named)
def test_a_page_that_the_deployment_lists_reads_with_any_key(keyed: Served, key: str) -> None:
    told = keyed.told(_run(SHOP, key))
    assert _status(told) == 200
    assert _fields(told)[ALLOW] == SHOP
    assert set(_fields(told)["access-control-expose-headers"].split(", ")) >= EXPOSED
    assert "access-control-allow-credentials" not in _fields(told)


def test_a_page_that_a_key_lists_reads_with_that_key_alone(keyed: Served) -> None:
    told = keyed.told(_run(APP, BOUND))
    assert (_status(told), _fields(told)[ALLOW]) == (200, APP)
    told = keyed.told(_run(APP, FREE))
    assert _status(told) == 200 and ALLOW not in _fields(told)


@pytest.mark.parametrize("origin", [EVIL, "null", "", f"{APP},{EVIL}", "http://app.example:8443"])
def test_a_key_of_some_pages_is_none_for_others(keyed: Served, origin: str) -> None:
    for ask in (
        _run(origin, BOUND),
        posted("/execute/", CODE, fields=f"Origin: {origin}\r\nAuthorization: Bearer {BOUND}\r\n"),
        got("/v1/languages")[:-2]
        + f"Origin: {origin}\r\nAuthorization: Bearer {BOUND}\r\n\r\n".encode(),
    ):
        told = keyed.told(ask)
        assert _status(told) == 403 and b"urn:vibecell:problem:not-permitted" in told
        assert ALLOW not in _fields(told)


def test_what_is_derived_from_a_key_is_for_its_pages(keyed: Served) -> None:
    held = f"Authorization: Bearer {BOUND}\r\n"
    made = keyed.told(posted("/v1/tokens", b'{"user":"ada"}', fields=held))
    token = json.loads(made.partition(b"\r\n\r\n")[2])["token"]
    told = keyed.told(_run(APP, token))
    assert (_status(told), _fields(told)[ALLOW]) == (200, APP)
    assert _status(keyed.told(_run(EVIL, token))) == 403
    for origin, status in ((APP, 200), (EVIL, 403)):
        made = keyed.told(posted("/v1/tickets", b'{"execution":"known"}', fields=held))
        ticket = json.loads(made.partition(b"\r\n\r\n")[2])["ticket"]
        asked = got(f"/v1/executions/known/events?ticket={ticket}")
        told = keyed.told(asked[:-2] + f"Origin: {origin}\r\n\r\n".encode())
        assert _status(told) == status
        assert (_fields(told).get(ALLOW) == origin) is (origin == APP)


def test_our_own_pages_and_programs_ask_with_any_key(keyed: Served) -> None:
    for origin in ("http://localhost", "https://localhost"):
        assert _status(keyed.told(_run(origin, BOUND))) == 200
    own = _run("x", BOUND).replace(b"Origin: x\r\n", b"")
    told = keyed.told(own)
    assert _status(told) == 200 and ALLOW not in _fields(told)


def test_a_key_for_every_page(keyed: Served) -> None:
    assert _status(keyed.told(_preflight(EVIL))) == 403
    served = Served(keys=_ring(_wide, _free), local_names_only=False)
    try:
        assert _fields(served.told(_preflight(EVIL)))[ALLOW] == EVIL
        assert _fields(served.told(_run(EVIL, WIDE)))[ALLOW] == EVIL
        assert _fields(served.told(_run("null", WIDE)))[ALLOW] == "null"
        assert ALLOW not in _fields(served.told(_run(EVIL, FREE)))
    finally:
        served.end()


def test_every_page_there_is() -> None:
    served = Served(allowed_origins=("*",), connections_per_peer=1)
    try:
        for origin in (EVIL, "null"):
            assert _fields(served.told(_preflight(origin)))[ALLOW] == "*"
            told = served.told(_run(origin))
            assert (_status(told), _fields(told)[ALLOW]) == (200, "*")
        with served.open():
            gevent.sleep(0.05)
            told = served.told(b"")  # refused before anything was read
        assert (_status(told), _fields(told)[ALLOW]) == (429, "*")
    finally:
        served.end()


REFUSED = {
    "no key": (_run(SHOP), 401),
    "a wrong key": (_run(SHOP, FREE[:-1] + "_"), 401),
    "other type": (_run(SHOP, FREE, "text/plain"), 415),
    "too large": (_run(SHOP, FREE, body=b" " * 1001), 413),
    "no JSON": (_run(SHOP, FREE, body=b"{"), 400),
    "two lengths": (
        _run(SHOP, FREE).replace(b"Content-Length: ", b"Content-Length: 1\r\nContent-Length: "),
        400,
    ),
    "another coding": (
        _run(SHOP, FREE).replace(b"Content-Length: 32", b"Transfer-Encoding: gzip"),
        501,
    ),
    "a body that breaks off": (_run(SHOP, FREE)[:-1], 400),
    "nothing there": (got("/nope")[:-2] + f"Origin: {SHOP}\r\n\r\n".encode(), 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_page_reads_why_it_was_refused(keyed: Served, name: str) -> None:
    data, status = REFUSED[name]
    for origin, may in ((SHOP, True), (EVIL, False)):
        told = keyed.told(data.replace(SHOP.encode(), origin.encode()))
        assert _status(told) == status
        assert _fields(told)["content-type"] == "application/problem+json"
        assert (_fields(told).get(ALLOW) == origin) is may
        assert _fields(told)["vary"] == "Origin"


def test_a_page_of_a_key_reads_that_its_key_is_none_any_more(keyed: Served) -> None:
    told = keyed.told(_run(APP, EXPIRED))
    assert (_status(told), _fields(told)[ALLOW]) == (401, APP)
    # and nothing but refusals, as long as it has not shown one
    told = keyed.told(got("/healthz")[:-2] + f"Origin: {APP}\r\n\r\n".encode())
    assert _status(told) == 200 and ALLOW not in _fields(told)


def test_a_page_reads_when_to_come_again() -> None:
    served = Served(allowed_origins=(SHOP,), begun_per_minute=1)
    try:
        told = [served.told(_run(SHOP)) for _ in range(2)][-1]
        assert (_status(told), _fields(told)[ALLOW]) == (429, SHOP)
        assert int(_fields(told)["retry-after"]) >= 1
        assert "Retry-After" in _fields(told)["access-control-expose-headers"]
    finally:
        served.end()


def test_one_request_of_a_connection_is_not_read_by_the_page_of_another(keyed: Served) -> None:
    with keyed.open() as client:
        for origin, key, reader in ((APP, BOUND, APP), (APP, FREE, None), (SHOP, FREE, SHOP)):
            client.sendall(_run(origin, key))
            assert _fields(client.recv(65536)).get(ALLOW) == reader
        client.sendall(b"nonsense\r\n\r\n")
        assert ALLOW not in _fields(client.recv(65536))


@pytest.mark.parametrize("charset", ["", ";charset=utf-8", "; charset=UTF-8", ";charset=x"])
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "",
        "application/json, text/plain",
        "text/plain, application/json",
        "text/plain; application/json",
        "application/jsonx",
        "application/x-json",
    ],
)
def test_no_page_starts_a_program_without_a_preflight(
    keyless: Served, kind: str, charset: str
) -> None:
    """Whatever a browser sends for a page that it has asked nobody about (Fetch, 2.2.2)."""
    begun = b'{"type":"execute","language":"python","code":"1"}'
    for path in ("/execute", "/execute/", "/v1/executions"):
        for body in (CODE, begun):
            data = posted(path, body, kind + charset, f"Origin: {EVIL}\r\n")
            if not kind + charset:
                data = data.replace(b"Content-Type: \r\n", b"")
            assert _status(keyless.told(data)) == 415
    assert ("POST", "/execute", "200") not in keyless.counted()


def _socket(origin: str | None, key: str = "") -> bytes:
    fields = "" if origin is None else f"Origin: {origin}\r\n"
    fields += f"Sec-WebSocket-Protocol: vibecell.v1, vibecell.key.{key}\r\n" if key else ""
    return b"GET /v1/executions/stream HTTP/1.1\r\n" + HANDSHAKE + fields.encode() + b"\r\n"


@pytest.mark.parametrize(
    ("origin", "key", "status"),
    [
        (SHOP, FREE, 101),
        (SHOP, BOUND, 101),
        (APP, BOUND, 101),
        (APP, FREE, 403),
        (APP, "x" * 20, 401),
        (EVIL, FREE, 403),
        (EVIL, BOUND, 403),
        (EVIL, "x" * 20, 403),
        ("null", FREE, 403),
        ("http://localhost", BOUND, 101),
        (None, BOUND, 101),
        (None, "", 401),
    ],
    ids=_named,
)
def test_a_websocket_is_for_pages_that_may_ask(
    keyed: Served, origin: str | None, key: str, status: int
) -> None:
    told = keyed.told(_socket(origin, key))
    assert _status(told) == status
    if status == 101:
        assert b"access-control" not in told.lower() and b"vary" not in told.lower()


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://localhost:8000", True),
        ("http://LOCALHOST:8000", True),
        ("http://localhost", False),
        ("http://localhost.evil.example:8000", False),
        ("null", False),
        ("", False),
        ("http://localhost:99999999", False),
    ],
)
def test_an_origin_is_that_of_the_host_that_is_asked(origin: str, same: bool) -> None:
    assert is_same_host(origin, "localhost:8000") is same


def _framers(told: bytes) -> str:
    policy = _fields(told)["content-security-policy"]
    return next(x for x in policy.split("; ") if x.startswith("frame-ancestors"))


def test_a_page_is_framed_by_whom_the_deployment_and_its_key_list(keyed: Served) -> None:
    remember = keyed.gateway.page_files.remember
    remember("plain", "index.html", {"index.html": b"x"})
    remember("keyed", "index.html", {"index.html": b"x"}, (APP, SHOP, "http://[::1]:3000"))
    remember("wide", "index.html", {"index.html": b"x"}, ("*",))
    for name, framers in (
        ("plain", f"'self' {SHOP}"),
        ("keyed", f"'self' {SHOP} {APP}"),
        ("wide", f"'self' {SHOP} *"),
    ):
        for path in ("", "none.png"):
            told = keyed.told(got(f"/v1/executions/{name}/page/{path}"))
            assert _framers(told) == f"frame-ancestors {framers}"
    assert _framers(keyed.told(got("/"))) == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "wrong",
    [
        "null",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "http://shop.example:80",
        "https://shop.example:65536",
        "https://a.example; script-src *",
        "https://a.example b",
        "https://*.example",
        "https://'self'",
        "ftp://shop.example",
        "https://user@shop.example",
        "https://",
        "https://shop.example\n",
        "https://b\xfccher.example",
        "",
    ],
)
def test_what_no_browser_says_is_no_origin_to_list(wrong: str) -> None:
    with pytest.raises(InvalidRequest, match="allowed_origins"):
        Access(allowed_origins=(SHOP, wrong))


def test_what_browsers_say_may_be_listed() -> None:
    said = ("http://localhost:5173", "https://xn--bcher-kva.example", "http://[::1]:3000", "*")
    assert Access(allowed_origins=said).allowed_origins == said
