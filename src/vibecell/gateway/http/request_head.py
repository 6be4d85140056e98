"""Which requests are read at all: the strictness that smuggling lives without.

Owns the judgement of a request line and of the header fields that say where a
body ends; refuses whatever two readers could take for two things.

Source: RFC 9112 sections 2.3, 3, 3.2, 6.1, 6.3 and 9.3; RFC 9110 sections 4.2.1, 4.2.4,
7.6.1, 7.8 and 10.1.1.
"""

import re
from functools import lru_cache
from http import HTTPStatus

from vibecell.gateway.http.header_fields import Fields

_DIGITS = re.compile(r"[0-9]{1,18}\Z")
# the words are parted by one blank, and a target has neither blanks, nor control
# characters, nor a fragment, nor anything beyond ASCII
_LINE = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/[!\"$-~]*|\*|(?i:https?)://[!\"$-~]+)"
    r" (HTTP/[0-9]\.[0-9])\r?\n\Z"
)
# a name, an address or an address in brackets, and a port; no list
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z\-._~%!$&'()*+;=]*)(:[0-9]*)?\Z")


class BadRequest(ValueError):
    """The request violates HTTP/1.1; carries the status to answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def request_line(text: str) -> tuple[str, str, str]:
    """Method, target and version of a request line, its line end included.

    Raises:
        BadRequest: it is none, its target is neither a path nor a URL of the web, or its
            version is another.
    """
    words = _LINE.match(text)
    if words is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    method, target, version = words.groups()
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if target == "*" and method != "OPTIONS":
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return method, target, version


def origin_form(target: str) -> tuple[str, str | None]:
    """The path and query of a target, and the host that it names, if it does.

    A proxy is asked by whole URLs, and some clients ask everybody so. What a URL names
    stands above the header ``Host``, which has to be there all the same.

    Raises:
        BadRequest: it names no host, or a user.

    Source: RFC 9112 section 3.2.2
    """
    if target.startswith(("/", "*")):
        return target, None
    host, slash, path = target.partition("://")[2].partition("/")
    host, question, query = host.partition("?")  # as in "http://name?a/b"
    if not _is_host(host) or host.startswith(":") or not host:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return f"/{path}" if not question else f"/?{query}{slash}{path}", host


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
    if len(fields.get_all("content-type")) > 1:  # of which two readers could take either
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if hosts and not _is_host(hosts[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    length = int(lengths[0]) if lengths else None
    if length and method == "HEAD":
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return length


@lru_cache(64)
def _is_host(text: str) -> bool:
    return _HOST.match(text) is not None


def closes(version: str, fields: Fields) -> bool:
    """Whether the connection ends with this request."""
    given = fields.get_all("connection")
    if not given:
        return version != "HTTP/1.1"
    wanted = {x.strip(" \t").lower() for x in ",".join(given).split(",")}
    return "close" in wanted or (version != "HTTP/1.1" and "keep-alive" not in wanted)


def expects_continue(version: str, fields: Fields) -> bool:
    """Whether the client waits for 100 Continue; one of HTTP/1.0 cannot."""
    return version == "HTTP/1.1" and fields.get("expect").lower() == "100-continue"


def may_upgrade(method: str, version: str, has_body: bool) -> bool:
    """Whether a wish for another protocol is heard.

    One of HTTP/1.0 is passed over, as it has to be. So is one with another method
    than GET, which no handshake has, and one with a body, whose bytes would be
    read as the other protocol. Source: RFC 9110 section 7.8; RFC 6455 section 4.1.
    """
    return method == "GET" and version == "HTTP/1.1" and not has_body
