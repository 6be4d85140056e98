"""Responses that carry JSON.

Owns how an endpoint's answer becomes bytes; refuses anything but objects.
"""

from flask import Response

from vibecell.wire import JsonObject, compact_json


def json_response(body: JsonObject, status: int = 200) -> Response:
    """A JSON object as a response."""
    return Response(compact_json(body) + b"\n", status, mimetype="application/json")
