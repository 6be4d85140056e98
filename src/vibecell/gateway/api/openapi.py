"""The OpenAPI description, from the models that validate.

Owns how the parts become one document; the schemas of bodies and answers come from
``wire``'s pydantic models, so they cannot differ from what is accepted. The operations are in
``openapi_operations.py``.

Source: OpenAPI Specification 3.1.0.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from vibecell.gateway import problems
from vibecell.gateway.api import openapi_parameters as asked
from vibecell.gateway.api.openapi_answers import HEADERS, JSON, Refusals, referred, with_rates
from vibecell.gateway.api.openapi_operations import TAGS, Operation, operations
from vibecell.gateway.api.openapi_security import SCHEMES, security_of
from vibecell.model.language import Offer
from vibecell.model.status import Listing
from vibecell.wire.derivations import TicketBody, TicketView, TokenBody, TokenView
from vibecell.wire.requests import ControlBody, ExecuteBody
from vibecell.wire.views import JsonObject, event_view, execute_reply, execution_view, view_of

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Run code in a sealed cell and follow it live.

An example of a request and the example of an answer with the same name belong together. Whatever
is refused is told as problem+json (RFC 9457), whose `type` is one of a closed list. Where no key
has been made, this machine is served without one."""


def _paths(refusals: Refusals) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for path, method, operation in operations():
        told = _operation(operation, refusals)
        told["security"] = security_of(method, path)
        paths.setdefault(path, {})[method.lower()] = told
    return dict(paths)


def _operation(operation: Operation, refusals: Refusals) -> JsonObject:
    knows = not operation.open_to_all
    answers = {s: with_rates(a) if knows else a for s, a in operation.answers.items()}
    refused = refusals.answers(operation.all_refusals, knows)
    all_answers = {**refused, **answers}
    told: JsonObject = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*operation.parameters, referred("parameters", "RequestId")],
        "responses": {str(status): all_answers[status] for status in sorted(all_answers)},
    }
    if operation.body is not None:
        content: JsonObject = {"schema": referred("schemas", operation.body)}
        content["examples"] = dict(operation.bodies)
        told["requestBody"] = {"required": True, "content": {JSON: content}}
    return told


_PROBLEM: JsonObject = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "enum": list(problems.types())},
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
    refusals = Refusals()
    paths = _paths(refusals)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vibecell",
            "version": number,
            "description": _DESCRIPTION,
        },
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "parameters": {"RequestId": asked.REQUEST_ID},
            "headers": HEADERS,
            "responses": refusals.components,
            "securitySchemes": SCHEMES,
        },
    }
