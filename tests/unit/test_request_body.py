"""Bodies: where one ends, what is no body, and what nobody read of one."""

import io
from typing import Any

import pytest

from vibecell.gateway.http.body_rooms import BodyRooms
from vibecell.gateway.http.request_body import Body, WrongBody
from vibecell.gateway.http.turns import BYTES_PER_PIECE, FREE_PIECES

NEXT = b"GET / HTTP/1.1\r\n"


class _Connection:
    owner, client = None, "127.0.0.1"

    def __init__(self) -> None:
        self.turns = 0
        self.sent = b""

    def take_turn(self, size_bytes: int = 0) -> None:
        self.turns += 1

    def send_all(self, data: bytes) -> None:
        self.sent += data


def body(
    stream: io.BytesIO, length: int | None = None, expected: bool = False, discard_bytes: int = 1000
) -> Body:
    connection: Any = _Connection()
    return Body(
        stream, connection, length, length is None, expected, discard_bytes, BodyRooms(2**30)
    )


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"1\r\na\r\n0002\r\nbc\r\n0\r\n\r\n", b"abc"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
        (b'3;x;y=z; q="a b"\r\nabc\r\n0;end\r\n\r\n', b"abc"),
        (b"3 ;x\r\nabc\r\n0\r\nTrailer: x\r\nContent-Length: 5\r\n\r\n", b"abc"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    ],
)
@pytest.mark.parametrize("size", [-1, 1, 2, 65536])
def test_chunks(sent: bytes, meant: bytes, size: int) -> None:
    stream = io.BytesIO(sent + NEXT)
    read = body(stream)
    found = b""
    while piece := read.read(size):
        found += piece
    assert found == meant
    assert read.complete
    assert stream.read() == NEXT


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\nabc\r\n0\r\n\r\n",
        b";x\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3_0\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\rabc\r\n0\r\n\r\n",
        b"3;a\nb\r\nabc\r\n0\r\n\r\n",
        b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        b"3;a\0b\r\nabc\r\n0\r\n\r\n",
        b"3x\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"f" * 16 + b"\r\nabc",
        b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
        b"".join(b"1;" + b"x" * 1000 + b"\r\na\r\n" for _ in range(20)) + b"0\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0\r\nA: x\rB: y\r\n\r\n",
        b"0\r\nA: " + b"x" * 9000 + b"\r\n\r\n",
        b"0\r\n" + b"A: x\r\n" * 101 + b"\r\n",
        b"0\r\n",
        b"3\r\nab",
        b"",
        b"\xb2\r\nab\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_chunk_ends_the_connection(sent: bytes) -> None:
    stream = io.BytesIO(sent)
    read = body(stream)
    with pytest.raises(WrongBody):
        read.read()
    with pytest.raises(WrongBody):  # whoever asks again is told again, and nothing of the rest
        read.read()
    place = stream.tell()
    read._discard()
    assert stream.tell() == place
    assert not read.complete


def test_chunks_that_carry_next_to_nothing_are_bounded_in_number() -> None:
    tiny = b"1\r\na\r\n"
    fits = body(io.BytesIO(tiny * FREE_PIECES + b"0\r\n\r\n"))
    assert fits.read() == b"a" * FREE_PIECES
    with pytest.raises(WrongBody, match="too many chunks"):
        body(io.BytesIO(tiny * (FREE_PIECES + 100) + b"0\r\n\r\n")).read()


def test_chunks_that_carry_something_are_not_bounded_in_number() -> None:
    fair = b"%x\r\n%b\r\n" % (BYTES_PER_PIECE, b"a" * BYTES_PER_PIECE)
    assert len(body(io.BytesIO(fair * 5000 + b"0\r\n\r\n")).read()) == 5000 * BYTES_PER_PIECE


def test_each_chunk_is_a_step() -> None:
    read = body(io.BytesIO(b"1\r\na\r\n" * 50 + b"0\r\n\r\n"))
    read.read()
    connection: Any = read._connection
    assert connection.turns == 51


def test_a_declared_length() -> None:
    stream = io.BytesIO(b"abcdef" + NEXT)
    read = body(stream, length=6)
    assert (read.read(4), read.read(4), read.read(4)) == (b"abcd", b"ef", b"")
    assert read.complete
    assert stream.read() == NEXT


def test_lines_as_wsgi_asks_for() -> None:
    for lines in (list, Body.readlines):
        assert lines(body(io.BytesIO(b"a\nb\nc" + NEXT), length=5)) == [b"a\n", b"b\n", b"c"]
    assert body(io.BytesIO(b"abc"), length=3).readline(2) == b"ab"


def test_one_that_breaks_off() -> None:
    read = body(io.BytesIO(b"abc"), length=6)
    with pytest.raises(WrongBody):
        read.read()
    assert not read.complete


@pytest.mark.parametrize("length", [900, None])
def test_what_nobody_read_is_discarded(length: int | None) -> None:
    stream = io.BytesIO(
        (b"x" * 900 if length else b"384\r\n" + b"x" * 900 + b"\r\n0\r\n\r\n") + NEXT
    )
    read = body(stream, length, expected=True)
    read._discard()
    assert read.complete
    assert stream.read() == NEXT
    connection: Any = read._connection
    assert connection.sent == b""


def test_no_more_is_discarded_than_the_bound() -> None:
    read = body(io.BytesIO(b"x" * 50_000), length=50_000, discard_bytes=20_000)
    read._discard()
    assert not read.complete


def test_who_waits_for_it_is_told_to_go_on_once() -> None:
    read = body(io.BytesIO(b"abc"), length=3, expected=True)
    connection: Any = read._connection
    assert connection.sent == b""
    read.read(1)
    read.read(1)
    assert connection.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
