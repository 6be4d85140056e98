"""What operations answer, as the OpenAPI description shows it: bodies, header fields, refusals.

Owns which refusals there are for whom; their status, type and title are those of the table
that answers them (``gateway/problems.py``), and what is named here twice is kept once, among the
components. Refuses to know the operations.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import cast

from vibecell.gateway import problems
from vibecell.gateway.api.openapi_examples import example_of_problem
from vibecell.model import errors
from vibecell.wire.views import JsonObject

JSON = "application/json"
#: Whatever is refused: an error of the model, or what HTTP has a status for.
Refusal = type[errors.VibecellError] | HTTPStatus

#: Of whichever request, before anybody has looked at what it wants.
OF_ANY: tuple[Refusal, ...] = (
    *(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.MISDIRECTED_REQUEST),
    *(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, errors.LimitReached, errors.VibecellError),
)
#: Of what needs to know who asks, and asks the engine.
OF_CALLER: tuple[Refusal, ...] = (
    *(errors.MissingCredential, errors.MalformedCredential, errors.WrongCredential),
    *(errors.ExpiredCredential, errors.RevokedCredential, errors.NotPermitted),
    *(HTTPStatus.FORBIDDEN, errors.StoreUnavailable),
)
OF_ENGINE: tuple[Refusal, ...] = (errors.EngineUnavailable, errors.ProtocolViolation)
OF_BODY: tuple[Refusal, ...] = (
    *(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    *(errors.MalformedRequest, errors.InvalidRequest),
)
OF_BEGINNING: tuple[Refusal, ...] = (
    *(errors.UnsupportedLanguage, errors.Conflict, errors.QueueFull, errors.ShuttingDown),
    errors.SandboxFailure,
)

_MEANINGS: Mapping[int, str] = {
    400: "The request cannot be read, or a parameter is none.",
    401: "No credential that is good; `type` tells missing, malformed, wrong, expired and revoked.",
    403: "The credential is not good for that, or it is not asked from here.",
    404: "No such execution, or not yours: both are answered alike.",
    406: "Events come in other media types.",
    408: "The request came too slowly.",
    409: "It contradicts the present state.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "This host name is not served.",
    422: "A field is wrong; `errors` names each.",
    426: "Not a WebSocket handshake.",
    429: "A limit of yours is used up; `detail` says whose, and which.",
    431: "The header is too large.",
    500: "The platform failed; `incident` is the number under which it is recorded.",
    503: "No room, or not ready.",
}
#: What is answered before it is known who asks, who thus is told no rate.
_UNKNOWN_ASKER = (401, 408, 421, 431)
_TOLD_WITH: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_TEXT: JsonObject = {"type": "string"}
HEADERS: JsonObject = {
    "X-Request-Id": {
        "description": "The request's name: the one that it came with, or one that was made.",
        "required": True,
        "schema": _TEXT,
        "example": "kqv3Yd0Yp5kQbX2m",
    },
    "Retry-After": {
        "description": "Seconds after which it may be tried again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "WWW-Authenticate": {
        "description": "How a credential is shown.",
        "required": True,
        "schema": _TEXT,
        "example": 'Bearer realm="vibecell"',
    },
    "RateLimit": {
        "description": "What is left of rates: `r` of them, and more in `t` seconds.",
        "schema": _TEXT,
        "example": '"user";r=9;t=60, "key";r=412;t=3',
    },
    "RateLimit-Policy": {
        "description": "The rates of whoever asks: `q` within `w` seconds.",
        "schema": _TEXT,
        "example": '"user";q=10;w=60, "key";q=600;w=60',
    },
    "Location": {
        "description": "The address of the execution.",
        "required": True,
        "schema": _TEXT,
        "example": "/v1/executions/R9aqGkV0cY3hYb0fM7l1Zw4t",
    },
    "Preference-Applied": {
        "description": "How long the answer was waited for at most, where that was wanted.",
        "schema": _TEXT,
        "example": "wait=10",
    },
}


def referred(kind: str, name: str) -> JsonObject:
    """What is kept among the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def answer(
    text: str,
    schema: JsonObject | None = None,
    *headers: str,
    media: str = JSON,
    examples: Mapping[str, JsonObject] | None = None,
) -> JsonObject:
    """What comes where nothing is refused."""
    told: JsonObject = {"description": text, "headers": _headers(headers)}
    if schema is not None:
        told["content"] = {media: {"schema": schema, "examples": dict(examples or {})}}
    return told


def _headers(names: Iterable[str]) -> JsonObject:
    return {name: referred("headers", name) for name in ("X-Request-Id", *names)}


def with_rates(told: JsonObject) -> JsonObject:
    """The same, of an operation that knows who asks."""
    shown = cast(JsonObject, told["headers"])
    rates = {name: referred("headers", name) for name in ("RateLimit", "RateLimit-Policy")}
    return {**told, "headers": {**shown, **rates}}


class Refusals:
    """Answers to what is refused; those that are alike are one component.

    Attributes:
        components: by their names, all that were asked for.
    """

    def __init__(self) -> None:
        self.components: dict[str, JsonObject] = {}
        self._names: dict[tuple[object, ...], str] = {}

    def answers(self, refusals: Iterable[Refusal], knows_who_asks: bool) -> dict[int, JsonObject]:
        """By status, what an operation answers to whom it refuses."""
        by_status: dict[int, list[JsonObject]] = {}
        for each in dict.fromkeys(refusals):
            told = example_of_problem(each)
            by_status.setdefault(cast(int, told["status"]), []).append(told)
        return {
            status: self._component(status, told, knows_who_asks)
            for status, told in sorted(by_status.items())
        }

    def _component(self, status: int, told: list[JsonObject], knows: bool) -> JsonObject:
        examples = {_word_of(each): {"value": each} for each in told}
        rated = knows and status not in _UNKNOWN_ASKER
        name = self._name(status, (*examples, rated))
        made: JsonObject = {
            "description": _MEANINGS[status],
            "headers": _headers(_TOLD_WITH.get(status, ())),
            "content": {
                problems.MEDIA_TYPE: {
                    "schema": referred("schemas", "Problem"),
                    "examples": examples,
                }
            },
        }
        self.components[name] = with_rates(made) if rated else made
        return referred("responses", name)

    def _name(self, status: int, told: tuple[object, ...]) -> str:
        """Its phrase; those of one phrase that tell something else are numbered."""
        alike = sum(known[0] == status for known in self._names)
        phrase = "".join(HTTPStatus(status).phrase.title().split())
        return self._names.setdefault((status, *told), f"{phrase}{alike + 1 if alike else ''}")


def _word_of(problem: JsonObject) -> str:
    """The last part of its type; of what HTTP has a status for, what it calls that."""
    kind = str(problem["type"])
    if kind == problems.BLANK:
        return "-".join(str(problem["title"]).lower().split())
    return kind.rpartition(":")[2]
