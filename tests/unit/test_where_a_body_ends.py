"""Where a body ends, and for which host a request is: said once, or the request is refused."""

from http import HTTPStatus

import pytest

from vibecell.gateway.http.header_fields import Fields
from vibecell.gateway.http.request_head import BadRequest, body_length, request_line

HOST = ("host", "localhost")


def length(*fields: tuple[str, str], version: str = "HTTP/1.1", method: str = "POST") -> int | None:
    return body_length(method, version, Fields([HOST, *fields]))


def test_a_length_that_is_said_once_is_believed() -> None:
    assert length(("content-length", "5")) == 5
    assert length(("content-length", "0")) == 0
    assert length(("transfer-encoding", "Chunked")) is None
    assert length() is None


@pytest.mark.parametrize(
    "fields",
    [
        [("content-length", "5"), ("content-length", "5")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "5,5")],
        [("content-length", "+5")],
        [("content-length", "-5")],
        [("content-length", "5 ")],
        [("content-length", "0x5")],
        [("content-length", "5_0")],
        [("content-length", "")],
        [("content-length", "٥")],
        [("content-length", "9" * 19)],
        [("content-length", "5"), ("transfer-encoding", "chunked")],
    ],
)
def test_a_body_with_two_ends_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRequest) as caught:
        length(*fields)
    assert caught.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "fields",
    [
        [("transfer-encoding", "gzip")],
        [("transfer-encoding", "identity")],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked;x")],
    ],
)
def test_a_body_in_another_encoding_is_not_read_as_if_it_had_none(
    fields: list[tuple[str, str]],
) -> None:
    with pytest.raises(BadRequest):
        length(*fields)


def test_chunks_are_no_part_of_http_1_0() -> None:
    with pytest.raises(BadRequest):
        length(("transfer-encoding", "chunked"), version="HTTP/1.0")


def test_a_request_is_for_one_host() -> None:
    with pytest.raises(BadRequest):
        length(HOST)
    with pytest.raises(BadRequest):
        length(("host", "other"))
    with pytest.raises(BadRequest):
        body_length("GET", "HTTP/1.1", Fields([]))
    assert body_length("GET", "HTTP/1.0", Fields([])) is None


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"])
def test_versions_that_are_not_spoken_are_refused(version: str) -> None:
    with pytest.raises(BadRequest) as caught:
        request_line(f"GET / {version}\r\n")
    assert caught.value.status == HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
