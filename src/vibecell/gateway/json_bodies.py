"""JSON in the bodies of requests and answers.

Owns which bodies are read as JSON, how much of one is read, and how an answer
becomes bytes; refuses forms, other encodings and anything but objects in answers.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.http import parse_options_header

from vibecell.wire.json_text import compact_json, strict_json_loads
from vibecell.wire.views import JsonObject

MEDIA_TYPE = "application/json"


def json_response(body: JsonObject, status: int = 200) -> Response:
    """A JSON object as a response."""
    return Response(json_line(body), status, mimetype=MEDIA_TYPE)


def json_line(body: JsonObject) -> bytes:
    """A JSON object as the body of an answer."""
    return compact_json(body) + b"\n"


def read_json(environ: Mapping[str, Any], limit_bytes: int) -> object:
    """A request's body, of at most ``limit_bytes``, as a JSON value.

    Args:
        environ: the request, as WSGI has it.
        limit_bytes: of the body.

    Raises:
        UnsupportedMediaType: another content type (a cross-site form can send
            text/plain, never JSON, without asking), or a content encoding.
        RequestEntityTooLarge: too many bytes, declared or sent.
        MalformedRequest: no strict JSON.
    """
    kind = environ.get("CONTENT_TYPE", "")
    if kind != MEDIA_TYPE:  # which says it all, and nearly all say just that
        media_type, parameters = parse_options_header(kind)
        if media_type.lower() != MEDIA_TYPE:
            raise UnsupportedMediaType("the body must be application/json")
        if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("JSON is UTF-8")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaType("a content encoding is not accepted")
    return strict_json_loads(_read_body(environ, limit_bytes))


def _read_body(environ: Mapping[str, Any], limit_bytes: int) -> bytes:
    # not by Flask: its stream cuts a chunked body at the limit without a word,
    # and tells a deadline from a disconnect no more
    declared = int(environ.get("CONTENT_LENGTH") or 0)
    if declared > limit_bytes:
        raise RequestEntityTooLarge(f"a body has at most {limit_bytes} bytes")
    stream = environ["wsgi.input"]
    body = bytearray()
    while piece := stream.read(min(65536, limit_bytes + 1 - len(body))):
        body += piece
        if len(body) > limit_bytes:
            raise RequestEntityTooLarge(f"a body has at most {limit_bytes} bytes")
    return bytes(body)
