"""``POST /execute``: run and answer with what came of it.

Owns every decision about such a request, whichever way it comes: past Flask
(``shortcut.py``), or through it, where its path is spelt otherwise.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, ClientDisconnected

from vibecell.gateway.http.connection import Connection
from vibecell.gateway.json_bodies import MEDIA_TYPE, json_line, read_json
from vibecell.gateway.parts import Gateway
from vibecell.gateway.transports.relay import ClientLeft, wait_for_result
from vibecell.model.caller import Account, Caller
from vibecell.model.errors import FieldProblem, InvalidRequest, PlatformError
from vibecell.model.execution import ExecutionRequest, Result
from vibecell.wire.views import encode_execute_reply

PATH = "/execute"


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoint, for one gateway."""
    routes = Blueprint("execute", __name__)

    @routes.post(PATH)
    def execute() -> Response:
        return Response(answer(gateway, request.environ), mimetype=MEDIA_TYPE)

    return routes


def answer(gateway: Gateway, environ: Mapping[str, Any]) -> bytes:
    """Run what a request asks for; the body of the answer.

    Raises:
        HTTPException, RequestError, CapacityError, PlatformError: as problems tell.
        OSError: the body did not come.
    """
    caller = gateway.caller_of(environ)
    described = displays_described(environ)
    connection = environ["vibecell.handler"].connection
    with gateway.quota.beginning(caller.account, connection):
        value = read_json(environ, gateway.policy.body_bytes)
        connection.marks.note("body")
        asked, account = gateway.execution_request(value, caller)
        del value  # as large as the body, and of no use while the program runs
        gateway.quota.count_begun(account, connection)
        key = idempotency_key(environ.get("HTTP_IDEMPOTENCY_KEY"))
        connection.marks.note("checked")
        result = _result(gateway, asked, caller, account, key, connection)
    connection.marks.note("heard")
    if result is None:
        raise PlatformError("wait for the result", "the stream ended without one")
    gateway.metrics.finished(result)
    if described:
        result = result.with_displays_described()
    body = json_line(encode_execute_reply(result, asked.encoding))
    connection.marks.note("encoded")
    return body


def _result(
    gateway: Gateway,
    asked: ExecutionRequest,
    caller: Caller,
    account: Account,
    key: str | None,
    connection: Connection,
) -> Result | None:
    provenance = gateway.provenance(connection, caller)
    with gateway.executor.submit_and_wait(asked, account, key, provenance) as pending:
        connection.execution_id = pending.id
        gateway.remember_page(pending.id, asked, caller)
        try:
            return wait_for_result(pending, connection.peer_has_left)
        except ClientLeft:
            if not pending.standing.replayed and asked.on_disconnect == "cancel":
                gateway.watchers.cancel(pending.id, account.owner)
            raise ClientDisconnected from None


def displays_described(environ: Mapping[str, Any]) -> bool:
    """Whether the URL wants displays without their contents.

    Raises:
        BadRequest: it says something else of them.
    """
    query = environ["QUERY_STRING"]
    given = parse_qs(query, keep_blank_values=True).get("displays") if query else None
    if given is None:
        return False
    if given not in (["contents"], ["described"]):
        raise BadRequest("displays must be contents or described")
    return given == ["described"]


def idempotency_key(given: str | None) -> str | None:
    """The key a client chose for its request.

    Raises:
        InvalidRequest: longer than 128 characters, or not printable ASCII.
    """
    if given is None:
        return None
    if not 1 <= len(given) <= 128 or not all("!" <= c <= "~" for c in given):
        raise InvalidRequest(
            FieldProblem("Idempotency-Key", "must be 1 to 128 printable ASCII characters")
        )
    return given
