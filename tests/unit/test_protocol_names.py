"""What a server answers to the subprotocols that a client offers."""

import pytest

from unit.served_gateway import HANDSHAKE, Served

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


def test_one_without_a_key_is_told_the_name_too() -> None:
    served = Served()
    try:
        told = served.told(
            STREAM + HANDSHAKE + b"Sec-WebSocket-Protocol: vibecell.v1, chat\r\n\r\n"
        )
    finally:
        served.end()
    assert b"Sec-WebSocket-Protocol: vibecell.v1\r\n" in told
