"""``POST /execute``: run and answer with what came of it."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected

from vibecell.gateway.answers import json_response
from vibecell.gateway.state import Gateway, client_connection, json_body
from vibecell.gateway.transports.relay import ClientLeft, wait_for_result
from vibecell.model.errors import FieldProblem, InvalidRequest, PlatformError
from vibecell.model.events import Cancel
from vibecell.wire import encode_execute_reply


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoint, for one gateway."""
    routes = Blueprint("execute", __name__)

    @routes.post("/execute")
    def execute() -> Response:
        owner = gateway.owner()
        with gateway.quota.place(owner):
            asked = gateway.execution_request(json_body(gateway.policy.body_bytes))
            gateway.quota.begin(owner)
            connection = client_connection()
            key = request.headers.get("Idempotency-Key")
            with gateway.executor.execute(asked, owner, idempotency_key(key)) as conversation:
                gateway.remember(conversation.id, owner, asked)
                try:
                    result = wait_for_result(conversation, connection.peer_has_left)
                except ClientLeft:
                    if not conversation.replayed and asked.on_disconnect == "cancel":
                        conversation.send(Cancel())
                    raise ClientDisconnected from None
        if result is None:
            raise PlatformError("wait for the result", "the stream ended without one")
        gateway.metrics.finished(result)
        return json_response(encode_execute_reply(result, asked.encoding))

    return routes


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
