"""Header fields: what is read, and what two readers could read in two ways."""

import io

import pytest

from vibecell.gateway.http.header_fields import Fields, HeaderTooLarge, WrongFields


def read(text: bytes, most_bytes: int = 65_536) -> Fields:
    return Fields.read(io.BytesIO(text), most_bytes)


def test_names_are_folded_and_values_stripped() -> None:
    fields = read(b"Host: a\r\nX-Two:\t b c \t\r\nX-Empty:\n\r\nrest")
    assert fields.get("host") == "a"
    assert fields.get("x-two") == "b c"
    assert fields.get("x-empty", "other") == ""
    assert fields.get("x-none", "other") == "other"


def test_the_body_is_left_alone() -> None:
    stream = io.BytesIO(b"A: b\r\n\r\nbody")
    Fields.read(stream, 32_768)
    assert stream.read() == b"body"


def test_the_environment_joins_and_leaves_out() -> None:
    fields = read(
        b"Accept: a\r\naccept: b\r\nCookie: c=1\r\nCookie: d=2\r\n"
        b"X_Forwarded-For: evil\r\nContent-Type: t\r\nContent-Length: 3\r\n\r\n"
    )
    assert fields.environ() == {"HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "c=1; d=2"}
    assert fields.get_all("accept") == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Host: a\r\n",
        b"Host: a",
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"Na me: x\r\n\r\n",
        b"Name : x\r\n\r\n",
        b" Name: x\r\n\r\n",
        b"A: b\r\n folded\r\n\r\n",
        b"A: b\rC: d\r\n\r\n",
        b"A: b\0c\r\n\r\n",
        "Näme: x\r\n\r\n".encode("latin-1"),
        b"A: b\r\n" * 101 + b"\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: bytes) -> None:
    with pytest.raises(WrongFields):
        read(text)


def test_blanks_cost_no_more_than_their_number() -> None:
    with pytest.raises(WrongFields):
        read(b"A:" + b" " * 60_000 + b"\rx\r\n\r\n")


def test_the_bound_is_met_to_the_byte() -> None:
    text = b"A: b\r\nC: d\r\n\r\n"
    assert read(text + b"body", len(text)).get("c") == "d"
    for most_bytes in range(len(text)):
        with pytest.raises(HeaderTooLarge):
            read(text, most_bytes)
