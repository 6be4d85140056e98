"""``POST /execute``: run and answer with what came of it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected

from vibecell.gateway.json_bodies import json_body, json_response
from vibecell.gateway.parts import Gateway
from vibecell.gateway.timing import NAME, server_timing
from vibecell.gateway.transports.relay import ClientLeft, wait_for_result
from vibecell.model.errors import FieldProblem, InvalidRequest, PlatformError
from vibecell.wire import JsonObject, encode_execute_reply

PATH = "/execute"


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoint, for one gateway."""
    routes = Blueprint("execute", __name__)

    @routes.post(PATH)
    def execute() -> Response:
        owner = gateway.owner()
        body = partial(json_body, gateway.policy.body_bytes)
        response = json_response(run(gateway, owner, request.environ, body))
        marks = request.environ["vibecell.handler"].connection.marks
        marks.note("encoded")
        times = server_timing(marks)
        if times is not None:
            response.headers[NAME] = times
        return response

    return routes


def run(
    gateway: Gateway, owner: str, environ: Mapping[str, Any], body: Callable[[], object]
) -> JsonObject:
    """Run what a body asks for; the answer.

    Raises:
        HTTPException, RequestError, CapacityError, PlatformError: as problems tell.
    """
    with gateway.quota.place(owner):
        connection = environ["vibecell.handler"].connection
        value = body()
        connection.marks.note("body")
        asked = gateway.execution_request(value)
        gateway.quota.begin(owner)
        key = idempotency_key(environ.get("HTTP_IDEMPOTENCY_KEY"))
        connection.marks.note("checked")
        with gateway.executor.submit_and_wait(asked, owner, key) as pending:
            gateway.remember_page(pending.id, asked)
            try:
                result = wait_for_result(pending, connection.peer_has_left)
            except ClientLeft:
                if not pending.standing.replayed and asked.on_disconnect == "cancel":
                    pending.cancel()
                raise ClientDisconnected from None
    connection.marks.note("heard")
    if result is None:
        raise PlatformError("wait for the result", "the stream ended without one")
    gateway.metrics.finished(result)
    return encode_execute_reply(result, asked.encoding)


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
