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


def query_number(name: str, digits: int = 12) -> int | None:
    """A non-negative whole number of the query string.

    Raises:
        BadRequest: it is something else.
    """
    given = query_word(name)
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or len(given) > digits:
        raise BadRequest(f"{name} must be one whole number")
    return int(given)


def query_word(name: str) -> str | None:
    """What the query string says once, if anything.

    Raises:
        BadRequest: it says it several times.
    """
    given = request.args.getlist(name)
    if len(given) > 1:
        raise BadRequest(f"{name} must be there once")
    return given[0] if given else None


def client_connection() -> Any:
    """The connection of the current request."""
    return request.environ["vibecell.handler"].connection
