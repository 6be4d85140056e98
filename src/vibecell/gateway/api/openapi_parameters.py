"""Parameters of operations, as the OpenAPI description shows them.

Owns what is said of each in a path, a query or a header; refuses bodies, which come from ``wire``.
"""

from typing import get_args

from pydantic import TypeAdapter

from vibecell.gateway.api.openapi_examples import WAITS
from vibecell.model.caller import MAX_USER_CHARACTERS
from vibecell.model.execution import State
from vibecell.model.names import ExecutionId
from vibecell.model.provenance import RequestId
from vibecell.model.status import DEFAULT_LISTED, MAX_LISTED
from vibecell.wire.bodies import judged_type
from vibecell.wire.views import JsonObject

_ID: JsonObject = TypeAdapter(judged_type(ExecutionId)).json_schema()
ID: JsonObject = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the execution.",
    "schema": _ID,
}
AFTER: JsonObject = {
    "name": "after",
    "in": "query",
    "description": "Only events with a higher seq.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999},
}
ENCODING: JsonObject = {
    "name": "encoding",
    "in": "query",
    "description": "How bytes are shown; by default as the request asked.",
    "schema": {"type": "string", "enum": ["utf-8", "base64"]},
}
DISPLAYS: JsonObject = {
    "name": "displays",
    "in": "query",
    "description": "Whether displays come with their contents, as by default, or described only.",
    "schema": {"type": "string", "enum": ["contents", "described"]},
}
_MOMENT: JsonObject = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}
SELECTION: tuple[JsonObject, ...] = (
    {
        "name": "state",
        "in": "query",
        "description": "Only executions in this state.",
        "schema": {"type": "string", "enum": list(get_args(State))},
    },
    {
        "name": "user",
        "in": "query",
        "description": "Only what is this user's, of the key that asks.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_USER_CHARACTERS},
    },
    {
        "name": "begun_from_ms",
        "in": "query",
        "description": "Begun at this moment or later, in milliseconds of Unix time.",
        "schema": _MOMENT,
    },
    {
        "name": "begun_before_ms",
        "in": "query",
        "description": "Begun before this moment.",
        "schema": _MOMENT,
    },
    {
        "name": "page",
        "in": "query",
        "description": "`next_page` of the page before; without it the first.",
        "schema": _ID,
    },
    {
        "name": "limit",
        "in": "query",
        "description": "How many of a page.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LISTED,
            "default": DEFAULT_LISTED,
        },
    },
)
IDEMPOTENCY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request names the same execution.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
PREFER: JsonObject = {
    "name": "Prefer",
    "in": "header",
    "description": "wait=N: answer with the result if it comes within N seconds (at most 60).",
    "schema": {"type": "string"},
    "examples": WAITS,
}
LAST_EVENT: JsonObject = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "As `after`; sent by browsers that resume.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
}
REQUEST_ID: JsonObject = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "What the request is called wherever the service tells of it; by default a "
    "name that is made, as instead of one that is not of this form.",
    "schema": TypeAdapter(judged_type(RequestId)).json_schema(),
}
