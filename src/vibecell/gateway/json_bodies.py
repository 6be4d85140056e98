"""JSON in the bodies of requests and answers.

Owns which bodies are read as JSON, how much of one is read, and how an answer
becomes bytes; refuses forms, other encodings and anything but objects in answers.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from vibecell.wire import JsonObject, compact_json, strict_json_loads


def json_response(body: JsonObject, status: int = 200) -> Response:
    """A JSON object as a response."""
    return Response(compact_json(body) + b"\n", status, mimetype="application/json")


def json_body(limit_bytes: int) -> object:
    """The current request's body, of at most ``limit_bytes``, as a JSON value.

    Raises:
        UnsupportedMediaType: another content type (a cross-site form can send
            text/plain, never JSON, without asking), or a content encoding.
        RequestEntityTooLarge: too many bytes, declared or sent.
        MalformedRequest: no strict JSON.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("the body must be application/json")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("JSON is UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("a content encoding is not accepted")
    return strict_json_loads(read_body(request.environ, limit_bytes))


def read_body(environ: Mapping[str, Any], limit_bytes: int) -> bytes:
    """The whole body of a request.

    Raises:
        RequestEntityTooLarge: too many bytes, declared or sent.
    """
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
