"""What endpoints ask of the request that Flask has at hand.

Owns reading its body, its query and its connection; refuses to know who asks:
that is ``identity/``.
"""

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from vibecell.gateway.json_bodies import read_json


def json_body(limit_bytes: int) -> object:
    """The current request's body as a JSON value; raises what ``read_json`` does."""
    return read_json(request.environ, limit_bytes)


def query_number(name: str) -> int | None:
    """A non-negative whole number of the query string.

    Raises:
        BadRequest: it is something else.
    """
    given = request.args.getlist(name)
    if not given:
        return None
    if len(given) > 1 or not given[0].isascii() or not given[0].isdigit() or len(given[0]) > 12:
        raise BadRequest(f"{name} must be one whole number")
    return int(given[0])


def client_connection() -> Any:
    """The connection of the current request."""
    return request.environ["vibecell.handler"].connection
