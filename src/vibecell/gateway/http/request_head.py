"""Which requests are read at all: the strictness that smuggling lives without.

Owns the judgement of a request line and of the header fields that say where a
body ends; refuses whatever two readers could take for two things.

Source: RFC 9112 sections 2.3, 3.2, 6.1 and 6.3.
"""

import re
from http import HTTPStatus

from vibecell.gateway.http.header_fields import Fields

_DIGITS = re.compile(r"[0-9]{1,18}\Z")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class BadRequest(ValueError):
    """The request violates HTTP/1.1; carries the status to answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def request_line(text: str) -> tuple[str, str, str]:
    """Method, target and version of a request line.

    Raises:
        BadRequest: it is none, its target is no path, or its version is another.
    """
    words = text.split()
    if len(words) != 3 or not _TOKEN.match(words[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if not target.startswith("/") and (method, target) != ("OPTIONS", "*"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return method, target, version


def body_length(method: str, version: str, fields: Fields) -> int | None:
    """Bytes of the body, as declared; ``None`` where it is chunked or absent.

    Raises:
        BadRequest: it is declared in two ways, or twice, or wrongly; or the
            request does not name one host.
    """
    lengths = fields.get_all("content-length")
    encodings = fields.get_all("transfer-encoding")
    hosts = fields.get_all("host")
    if len(lengths) > 1 or not all(_DIGITS.match(x) for x in lengths):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if encodings and (lengths or version == "HTTP/1.0"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if len(encodings) > 1 or (encodings and encodings[0].lower() != "chunked"):
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED)
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    length = int(lengths[0]) if lengths else None
    if length and method == "HEAD":
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return length


def closes(version: str, fields: Fields) -> bool:
    """Whether the connection ends with this request."""
    wanted = fields.get("connection").lower()
    return wanted == "close" if version == "HTTP/1.1" else wanted != "keep-alive"
