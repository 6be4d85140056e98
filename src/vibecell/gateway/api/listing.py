"""``GET /v1/executions``: what one has, in pages.

Owns what a query selects; whose executions are shown is the executor's to decide.
"""

from typing import cast, get_args

from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest

from vibecell.gateway.current_request import query_number, query_word
from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.parts import Gateway
from vibecell.model.caller import Owner, checked_user
from vibecell.model.errors import NotPermitted
from vibecell.model.execution import State
from vibecell.model.names import EXECUTION_ID
from vibecell.model.status import DEFAULT_LISTED, Selection
from vibecell.wire.views import encode_listing

_DIGITS_OF_MOMENT = 15


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoint, for one gateway."""
    routes = Blueprint("listing", __name__)

    @routes.get("/v1/executions")
    def listed() -> Response:
        owner = _narrowed(gateway.caller().owner)
        listing = gateway.executor.executions(owner, _selection())
        return json_response(encode_listing(listing))

    return routes


def _narrowed(owner: Owner) -> Owner:
    """Whose executions are wanted: the asker's, or those of one of a key's users.

    Raises:
        InvalidRequest: it is no name of a user.
        NotPermitted: who asks is another user.
    """
    name = query_word("user")
    if name is None:
        return owner
    user = Owner(owner.key, checked_user(name))
    if not owner.owns(user):
        raise NotPermitted("this credential is of one user, and sees what is that one's")
    return user


def _selection() -> Selection:
    """What the query string selects.

    Raises:
        BadRequest: a parameter is none.
        InvalidRequest: one is out of bounds.
    """
    state, page = query_word("state"), query_word("page")
    if state is not None and state not in get_args(State):
        *others, last = get_args(State)
        raise BadRequest(f"state must be {', '.join(others)} or {last}")
    if page is not None and not EXECUTION_ID.match(page):
        raise BadRequest("page must be the next_page of another page")
    limit = query_number("limit")
    return Selection(
        cast(State | None, state),
        query_number("begun_from_ms", _DIGITS_OF_MOMENT) or 0,
        query_number("begun_before_ms", _DIGITS_OF_MOMENT),
        page,
        DEFAULT_LISTED if limit is None else limit,
    )
