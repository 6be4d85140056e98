"""``/v1/executions``: begin, look, control, cancel, and follow as a stream."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, NotAcceptable

from vibecell.executor import PendingResult
from vibecell.gateway.api.execute import displays_described, idempotency_key
from vibecell.gateway.current_request import client_connection, json_body, query_number
from vibecell.gateway.json_bodies import json_response
from vibecell.gateway.parts import Gateway
from vibecell.gateway.transports import ndjson, sse
from vibecell.gateway.transports.relay import ClientLeft, paced, wait_for_result
from vibecell.model.caller import Account, Caller
from vibecell.model.errors import Unauthenticated, UnknownExecution
from vibecell.model.events import Cancel, Finished, NumberedEvent
from vibecell.model.execution import Encoding, ExecutionRequest
from vibecell.model.names import EXECUTION_ID
from vibecell.model.provenance import Provenance
from vibecell.model.status import ExecutionState
from vibecell.wire.requests import decode_control
from vibecell.wire.views import encode_execution

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,1000})\s*(?:$|[,;])", re.IGNORECASE)


def checked_id(execution_id: str) -> str:
    """An id of the right shape; another one is simply unknown.

    Raises:
        UnknownExecution: it cannot be an id.
    """
    if not EXECUTION_ID.match(execution_id):
        raise UnknownExecution("no such execution")
    return execution_id


def chosen_encoding() -> Encoding | None:
    """How the URL wants bytes to be shown; ``None``: as the request said.

    Raises:
        BadRequest: the URL names no encoding.
    """
    given = request.args.get("encoding")
    if given is None:
        return None
    if given not in ("utf-8", "base64"):
        raise BadRequest("encoding must be utf-8 or base64")
    return cast(Encoding, given)


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("executions", __name__, url_prefix="/v1/executions")

    @routes.post("")
    def begin() -> Response:
        caller = gateway.caller()
        described = displays_described(request.environ)
        with gateway.quota.beginning(caller.account, connection := client_connection()):
            asked, account = _asked(gateway, caller)
            key = idempotency_key(request.headers.get("Idempotency-Key"))
            wait_s = _preferred_wait(gateway.policy.max_wait_s)
            gateway.quota.count_begun(account, connection)
            submitted = (asked, account, key, gateway.provenance(connection, caller))
            execution_id = _begun(gateway, wait_s, caller, submitted)
            connection.execution_id = execution_id
            state = gateway.executor.inspect(execution_id, caller.owner)
        shown = encode_execution(_shown(state, described), asked.encoding)
        status = 200 if wait_s is not None and state.result is not None else 202
        response = json_response(shown, status)
        response.headers["Location"] = gateway.address.of(f"/v1/executions/{execution_id}")
        response.autocorrect_location_header = False
        if wait_s is not None:
            response.headers["Preference-Applied"] = f"wait={wait_s}"
        return response

    @routes.get("/<execution_id>")
    def look(execution_id: str) -> Response:
        owner = gateway.caller().owner
        encoding, described = chosen_encoding(), displays_described(request.environ)
        state = _shown(gateway.executor.inspect(checked_id(execution_id), owner), described)
        return json_response(encode_execution(state, encoding or state.standing.encoding))

    @routes.delete("/<execution_id>")
    def cancel(execution_id: str) -> Response:
        owner = gateway.caller().owner
        gateway.executor.control(checked_id(execution_id), owner, Cancel())
        return Response(status=204)

    @routes.post("/<execution_id>/controls")
    def control(execution_id: str) -> Response:
        owner = gateway.caller().owner
        with gateway.quota.calling(owner):
            wanted = decode_control(json_body(gateway.policy.body_bytes))
            gateway.executor.control(checked_id(execution_id), owner, wanted)
        return Response(status=204)

    @routes.get("/<execution_id>/events")
    def events(execution_id: str) -> Response:
        caller = gateway.caller()
        kind = _stream_kind()
        encoding = chosen_encoding()
        return _stream(gateway, checked_id(execution_id), caller, kind, encoding)

    return routes


def _begun(
    gateway: Gateway,
    wait_s: int | None,
    caller: Caller,
    submitted: tuple[ExecutionRequest, Account, str | None, Provenance],
) -> str:
    """The id of what is begun; some wait for its end, not longer than they want to."""
    if wait_s is None:
        execution_id = gateway.executor.submit(*submitted).id
        gateway.remember_page(execution_id, submitted[0], caller)
        return execution_id
    with gateway.executor.submit_and_wait(*submitted) as pending:
        gateway.remember_page(pending.id, submitted[0], caller)
        _wait(pending, wait_s)
        return pending.id


def _asked(gateway: Gateway, caller: Caller) -> tuple[ExecutionRequest, Account]:
    return gateway.execution_request(json_body(gateway.policy.body_bytes), caller)


def _shown(state: ExecutionState, described: bool) -> ExecutionState:
    if not described or state.result is None:
        return state
    return replace(state, result=state.result.with_displays_described())


def _stream(
    gateway: Gateway,
    execution_id: str,
    caller: Caller,
    kind: Literal["sse", "ndjson"],
    encoding: Encoding | None,
) -> Response:
    after, account = _resume_point(), caller.account
    with gateway.quota.charging(account, client_connection()):
        lease = gateway.quota.stream(account)
    try:
        conversation = gateway.executor.attach(execution_id, account.owner, after)
    except BaseException:
        lease.release()
        raise
    if conversation.standing.ended_with(after):
        # an EventSource that gets 204 stops coming back
        conversation.close()
        lease.release()
        return Response(status=204)
    policy = gateway.policy
    pace = _counted(gateway, caller, paced(conversation, policy.heartbeat_s, policy.stream_s))
    form = sse if kind == "sse" else ndjson
    shown = form.write(pace, encoding or conversation.standing.encoding)
    response = Response(shown, mimetype=form.MEDIA_TYPE)
    # a proxy that collects answers would hold the events back until their end
    # source: nginx, ngx_http_proxy_module, proxy_buffering
    response.headers["X-Accel-Buffering"] = "no"
    # not in the generators: one that was never started runs no ``finally``
    response.call_on_close(conversation.close)
    response.call_on_close(lease.release)
    return response


def _counted(
    gateway: Gateway, caller: Caller, events: Iterator[NumberedEvent | None]
) -> Iterator[NumberedEvent | None]:
    """Events and pauses, as long as the caller's key lives: who comes back is told what it is."""
    for event in events:
        try:
            gateway.authenticator.require_alive(caller)
        except Unauthenticated:
            return
        if event is not None and isinstance(event.event, Finished):
            gateway.metrics.finished(event.event.result)
        yield event


def _wait(pending: PendingResult, wait_s: int) -> None:
    try:
        wait_for_result(pending, client_connection().peer_has_left, wait_s)
    except ClientLeft:
        return  # it asked for something that goes on without it


def _preferred_wait(longest_s: int) -> int | None:
    """Seconds of ``Prefer: wait=N``. Source: RFC 7240 section 4.3."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(match.group(1)), longest_s) if match else None


def _resume_point() -> int:
    last = request.headers.get("Last-Event-ID")
    if last is not None:
        if not last.isascii() or not last.isdigit() or len(last) > 12:
            raise BadRequest("Last-Event-ID must be the number of an event")
        return int(last)
    return query_number("after") or 0


def _stream_kind() -> Literal["sse", "ndjson"]:
    accepted = request.accept_mimetypes
    if not accepted:
        return "ndjson"
    best = accepted.best_match([ndjson.MEDIA_TYPE, sse.MEDIA_TYPE, "application/json"])
    if best is None:
        raise NotAcceptable(f"events come as {sse.MEDIA_TYPE} or {ndjson.MEDIA_TYPE}")
    if best == sse.MEDIA_TYPE:
        return "sse"
    return "ndjson"
