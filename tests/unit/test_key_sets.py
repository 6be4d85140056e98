"""The keys of identity providers, as a courier fetches, keeps and hands them on."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from vibecell.couriers import fetching
from vibecell.couriers.fetching import FetchFailed, fetch
from vibecell.couriers.key_sets import FRESH_S, MAX_KEYS, PAUSE_S, STALE_S, KeySets, public_keys
from vibecell.model.identity_provider import IdentityProvider

PUBLIC = {"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB", "use": "sig"}
PROVIDERS = {"shop": IdentityProvider(jwks_url="https://login.example/keys")}


def document(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Provider:
    """Answers with what it has; counts how often it is asked."""

    def __init__(self) -> None:
        self.body = document(PUBLIC)
        self.asked: list[str] = []
        self.now_s = 1000.0
        self.sets = KeySets(PROVIDERS, self.fetched, lambda: self.now_s)

    async def fetched(self, url: str, most_bytes: int) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if not self.body:
            raise FetchFailed("it answered 500")
        return self.body

    def kids(self, anew: bool = False) -> list[str]:
        told = asyncio.run(self.sets.document("shop", anew))
        return [key["kid"] for key in json.loads(told)["keys"]]


def test_a_set_is_fetched_once_for_many() -> None:
    provider = Provider()

    async def many() -> list[bytes]:
        return await asyncio.gather(*(provider.sets.document("shop", True) for _ in range(50)))

    assert len(set(asyncio.run(many()))) == 1
    assert provider.asked == ["https://login.example/keys"]
    provider.now_s += FRESH_S
    assert provider.kids() == ["one"]
    assert len(provider.asked) == 1
    provider.now_s += 1
    assert provider.kids() == ["one"]
    assert len(provider.asked) == 2


def test_a_key_that_is_new_is_found_but_asked_for_once_a_minute() -> None:
    provider = Provider()
    assert provider.kids() == ["one"]
    provider.body = document({**PUBLIC, "kid": "two"})
    provider.now_s += PAUSE_S - 1
    assert provider.kids(anew=True) == ["one"]
    provider.now_s += 1
    assert provider.kids(anew=True) == ["two"]
    for _ in range(100):
        assert provider.kids(anew=True) == ["two"]
    assert len(provider.asked) == 2


def test_a_provider_that_is_away_is_believed_for_some_hours_and_no_longer() -> None:
    provider = Provider()
    provider.kids()
    provider.body = b""
    provider.now_s += STALE_S
    assert provider.kids() == ["one"]
    provider.now_s += 1
    with pytest.raises(FetchFailed, match="500"):
        provider.kids()
    provider.now_s += PAUSE_S
    provider.body = document(PUBLIC)
    assert provider.kids() == ["one"]


def test_nobody_else_is_asked() -> None:
    provider = Provider()
    with pytest.raises(FetchFailed, match="no such provider"):
        asyncio.run(provider.sets.document("https://evil.example/", True))
    assert provider.asked == []


def test_what_is_secret_or_for_something_else_is_left_out() -> None:
    told = public_keys(
        document(
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {**PUBLIC, "kid": "encrypts", "use": "enc"},
            {**PUBLIC, "d": "private", "x5u": "https://evil.example/", "e": ["AQAB"]},
            "no key",  # type: ignore[arg-type]
        )
    )
    assert json.loads(told) == {"keys": [{"kty": "RSA", "kid": "one", "n": "AQAB", "use": "sig"}]}
    many = public_keys(document(*[PUBLIC] * 1000))
    assert len(json.loads(many)["keys"]) == MAX_KEYS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b"[" * 100_000,
        document({"kty": "oct", "k": "c2VjcmV0"}),
    ],
)
def test_what_is_no_key_set_is_none(body: bytes) -> None:
    with pytest.raises(FetchFailed):
        public_keys(body)


async def _served(answer: bytes, then_s: float = 0.0, most_bytes: int = 1000) -> bytes:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await asyncio.sleep(then_s)
        except asyncio.IncompleteReadError:
            pass  # it gave up before it had asked
        finally:
            writer.close()
            told.set()

    begun, told = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            return await fetch(f"http://127.0.0.1:{port}/keys", most_bytes)
        finally:
            server.close()
            if begun.is_set():
                await told.wait()


def test_a_document_is_fetched() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert asyncio.run(_served(answer)) == b"hi"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "302"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "more than"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, "more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort", "RemoteProtocolError"),
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
    ],
)
def test_what_else_comes_is_no_document(answer: bytes, why: str) -> None:
    with pytest.raises(FetchFailed, match=why):
        asyncio.run(_served(answer))


def test_who_answers_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FETCH_TIMEOUT_S", 0.2)
    with pytest.raises(FetchFailed, match="took more than"):
        asyncio.run(_served(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort", 0.5))


def test_an_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert asyncio.run(_served(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) == b"hi"
