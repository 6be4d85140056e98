"""The OpenAPI description, from the models that validate.

Owns the table of operations; the schemas of bodies and answers come from
``wire``'s pydantic models, so they cannot differ from what is accepted.
Source: OpenAPI Specification 3.1.0.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from vibecell.gateway import problems
from vibecell.gateway.api import openapi_parameters as asked
from vibecell.gateway.api.openapi_security import SCHEMES, security_of
from vibecell.model.language import Offer
from vibecell.model.status import Listing
from vibecell.wire.derivations import TicketBody, TicketView, TokenBody, TokenView
from vibecell.wire.requests import ControlBody, ExecuteBody
from vibecell.wire.views import JsonObject, event_view, execute_reply, execution_view, view_of

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_REFUSALS = {
    400: "The request cannot be read.",
    401: "No credential that is good; `type` tells missing, malformed, wrong, expired and revoked.",
    403: "The credential is not good for that, or it is not asked from here.",
    404: "No such execution.",
    406: "Events come in other media types.",
    408: "The request came too slowly.",
    409: "It contradicts the present state.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "This host name is not served.",
    422: "A field is wrong; `errors` names each.",
    426: "Not a WebSocket handshake.",
    429: "Too much at once; see Retry-After.",
    500: "The platform failed.",
    503: "No room, or not ready; see Retry-After.",
}
_EVERYWHERE = (400, 401, 403, 421, 429, 500, 503)
_WITH_BODY = (408, 413, 415, 422)


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(text: str, schema: JsonObject | None = None, media: str = _JSON) -> JsonObject:
    if schema is None:
        return {"description": text}
    return {"description": text, "content": {media: {"schema": schema}}}


def _operation(
    summary: str,
    answers: dict[int, JsonObject],
    *refusals: int,
    body: str | None = None,
    parameters: tuple[JsonObject, ...] = (),
    open_to_all: bool = False,
) -> JsonObject:
    told = set(refusals) | set(_EVERYWHERE)
    if body is not None:
        told |= set(_WITH_BODY)
    if open_to_all:
        told = {400, 421, 500, *refusals}
    responses: dict[str, object] = {str(code): answer for code, answer in answers.items()}
    for code in sorted(told - set(answers)):
        responses[str(code)] = _answer(_REFUSALS[code], _ref("Problem"), problems.MEDIA_TYPE)
    operation: JsonObject = {"summary": summary, "responses": responses}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(body)}}}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation


_EVENTS: dict[int, JsonObject] = {
    200: {
        "description": "Events as they come, each once, ending with `finished`.",
        "content": {
            "text/event-stream": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": _ref("Event")},
        },
    },
    204: _answer("`after` is the last event: nothing follows."),
}


def _paths() -> JsonObject:
    paths = {**_running(), **_executions(), **_websockets(), **_credentials(), **_state()}
    for path, operations in paths.items():
        for method, operation in cast(dict[str, JsonObject], operations).items():
            operation["security"] = security_of(method.upper(), path)
    return paths


def _running() -> JsonObject:
    return {
        "/execute": {
            "post": _operation(
                "Run a program and wait for what comes of it",
                {200: _answer("It ran, well or not.", _ref("ExecuteReply"))},
                409,
                body="ExecuteBody",
                parameters=(asked.DISPLAYS, asked.IDEMPOTENCY),
            )
        },
        "/v1/languages": {
            "get": _operation(
                "What can be run", {200: _answer("All languages.", _ref("OfferView"))}
            )
        },
    }


def _executions() -> JsonObject:
    return {
        "/v1/executions": {
            "get": _operation(
                "List executions of one's own, the newest first",
                {200: _answer("A page of them.", _ref("ListingView"))},
                422,
                parameters=asked.SELECTION,
            ),
            "post": _operation(
                "Begin an execution",
                {
                    200: _answer("Finished within `Prefer: wait`.", _ref("ExecutionView")),
                    202: _answer("Begun.", _ref("ExecutionView")),
                },
                404,
                409,
                body="ExecuteBody",
                parameters=(asked.DISPLAYS, asked.IDEMPOTENCY, asked.PREFER),
            ),
        },
        "/v1/executions/{id}": {
            "get": _operation(
                "State of an execution, and its result once finished",
                {200: _answer("The state.", _ref("ExecutionView"))},
                404,
                parameters=(asked.ID, asked.ENCODING, asked.DISPLAYS),
            ),
            "delete": _operation(
                "Cancel an execution", {204: _answer("Done.")}, 404, 409, parameters=(asked.ID,)
            ),
        },
        "/v1/executions/{id}/controls": {
            "post": _operation(
                "Input, end of input, signal, terminal size or cancel",
                {204: _answer("Passed on.")},
                404,
                409,
                body="Control",
                parameters=(asked.ID,),
            )
        },
        "/v1/executions/{id}/events": {
            "get": _operation(
                "Follow an execution as Server-Sent Events or NDJSON",
                _EVENTS,
                404,
                406,
                422,
                parameters=(asked.ID, asked.AFTER, asked.ENCODING, asked.LAST_EVENT),
            )
        },
    }


def _websockets() -> JsonObject:
    upgraded = {101: _answer("A WebSocket; see the reference of the HTTP API.")}
    return {
        "/v1/executions/stream": {
            "get": _operation("Begin and follow over a WebSocket", upgraded, 426)
        },
        "/v1/executions/{id}/stream": {
            "get": _operation(
                "Attach over a WebSocket",
                upgraded,
                404,
                422,
                426,
                parameters=(asked.ID, asked.AFTER, asked.ENCODING),
            )
        },
    }


def _credentials() -> JsonObject:
    return {
        "/v1/tokens": {
            "post": _operation(
                "Make a token for one of a key's users",
                {201: _answer("The token, which is shown once.", _ref("TokenView"))},
                body="TokenBody",
            )
        },
        "/v1/tickets": {
            "post": _operation(
                "Make a ticket, for where a header cannot be set",
                {201: _answer("The ticket, good once.", _ref("TicketView"))},
                body="TicketBody",
            )
        },
    }


def _state() -> JsonObject:
    state: JsonObject = {"type": "object", "properties": {"status": {"type": "string"}}}
    return {
        "/healthz": {
            "get": _operation(
                "The gateway answers", {200: _answer("Yes.", state)}, open_to_all=True
            )
        },
        "/readyz": {
            "get": _operation(
                "The engine takes requests",
                {200: _answer("Yes.", state), 503: _answer("No.", state)},
                open_to_all=True,
            )
        },
        "/metrics": {
            "get": _operation(
                "Metrics, with the scope metrics",
                {200: _answer("Prometheus text.", {"type": "string"}, "text/plain")},
            )
        },
    }


_PROBLEM: JsonObject = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "incident": {"type": "string"},
        "retry_after_s": {"type": "integer", "minimum": 0},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    bodies: tuple[type[BaseModel], ...] = (ExecuteBody, TokenBody, TicketBody)
    views: tuple[type[BaseModel], ...] = (
        *(execute_reply(), execution_view(), view_of(Listing), view_of(Offer)),
        *(TokenView, TicketView),
    )
    _, received = models_json_schema([(m, "validation") for m in bodies], ref_template=_REF)
    _, sent = models_json_schema([(m, "serialization") for m in views], ref_template=_REF)
    schemas.update(received["$defs"])
    schemas.update(sent["$defs"])
    unions: tuple[tuple[str, Any, Any], ...] = (
        ("Control", ControlBody, "validation"),
        ("Event", event_view(), "serialization"),
    )
    for name, kind, mode in unions:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        schema = adapter.json_schema(ref_template=_REF, mode=mode)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    return schemas


def describe() -> JsonObject:
    """The whole description."""
    try:
        number = version("vibecell")
    except PackageNotFoundError:
        number = "0"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vibecell",
            "version": number,
            "description": "Run code in a sealed cell and follow it live.",
        },
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": SCHEMES,
        },
    }
