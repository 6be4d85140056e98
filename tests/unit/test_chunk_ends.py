"""A chunk ends where it says, and with nothing but a line end: what follows is another's."""

import io
from typing import Any

import pytest

from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.request_body import Body, WrongBody


class _Connection:
    owner, client = None, "127.0.0.1"

    def take_turn(self, size_bytes: int = 0) -> None: ...
    def send_all(self, data: bytes) -> None: ...


@pytest.mark.parametrize("end", [b"XX", b"\n\n", b"\r\r", b"\n0", b"\rX", b"  ", b"0\r"])
def test_other_bytes_in_the_place_of_a_line_end_are_refused(end: bytes) -> None:
    connection: Any = _Connection()
    stream = io.BytesIO(b"5\r\nhello" + end + b"0\r\n\r\n")
    body = Body(stream, connection, None, True, False, 1000, BodyRooms(2**30))
    with pytest.raises(WrongBody):
        body.read()
    assert not body.complete
    with pytest.raises(WrongBody):  # and never again
        body.read()
