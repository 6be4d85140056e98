"""What a server answers to the subprotocols that a client offers."""

import pytest

from unit.served_gateway import HANDSHAKE, Served
from vibecell.gateway.http.serving import ServerLimits
from vibecell.gateway.identity.presented import MAX_CHARACTERS

KEY = "0123456789abcdef-key"
STREAM = b"GET /v1/executions/known/stream HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        (f"vibecell.v1, vibecell.key.{KEY}", b"vibecell.v1"),
        (f"vibecell.key.{KEY}, vibecell.v1", b"vibecell.v1"),
        # one that it did not offer would make it give up
        (f"vibecell.key.{KEY}", None),
    ],
)
def test_its_own_name_and_never_the_key(offered: str, answered: bytes | None) -> None:
    served = Served(api_keys=(KEY,))
    try:
        field = f"Sec-WebSocket-Protocol: {offered}\r\n\r\n".encode()
        told = served.told(STREAM + HANDSHAKE + field)
    finally:
        served.end()
    assert told.startswith(b"HTTP/1.1 101")
    assert KEY.encode() not in told
    names = [x for x in told.split(b"\r\n") if x.lower().startswith(b"sec-websocket-protocol")]
    assert names == ([b"Sec-WebSocket-Protocol: " + answered] if answered else [])


@pytest.mark.parametrize("way", ["Authorization: Bearer ", "Sec-WebSocket-Protocol: vibecell.key."])
def test_the_longest_credential_comes_through(way: str) -> None:
    """By a header of its own, and where a browser has to put it."""
    key = "k" * MAX_CHARACTERS
    served = Served(ServerLimits(), api_keys=(key,))
    try:
        told = served.told(STREAM + HANDSHAKE + f"{way}{key}\r\n\r\n".encode())
    finally:
        served.end()
    assert told.startswith(b"HTTP/1.1 101")


def test_one_without_a_key_is_told_the_name_too() -> None:
    served = Served()
    try:
        told = served.told(
            STREAM + HANDSHAKE + b"Sec-WebSocket-Protocol: vibecell.v1, chat\r\n\r\n"
        )
    finally:
        served.end()
    assert b"Sec-WebSocket-Protocol: vibecell.v1\r\n" in told
