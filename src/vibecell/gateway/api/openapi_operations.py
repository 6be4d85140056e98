"""The operations, as the OpenAPI description shows them: the one table of what each is for.

Owns their names and words, and which answers and refusals each has. Refuses to say what a
credential needs: that is the table of ``identity/permissions.py``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from vibecell.gateway.api import openapi_examples as examples
from vibecell.gateway.api import openapi_parameters as asked
from vibecell.gateway.api.openapi_answers import (
    OF_ANY,
    OF_BEGINNING,
    OF_BODY,
    OF_CALLER,
    OF_ENGINE,
    Refusal,
    answer,
    referred,
)
from vibecell.gateway.transports import ndjson, sse
from vibecell.model.errors import Conflict, InvalidRequest, QueueFull, UnknownExecution
from vibecell.wire.views import JsonObject

TAGS: Mapping[str, str] = {
    "running": "Run a program and wait, or begin one and look later.",
    "following": "See what a program does while it does it, and talk to it.",
    "credentials": "Less than what one has, to be given away.",
    "state": "How the service is.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        id: by which generated clients call it.
        tag: among which it is shown.
        summary: in a few words.
        description: for who has to decide whether to use it; Markdown.
        answers: by status, where nothing is refused.
        refusals: what it may refuse, besides what any does.
        body: name of the shape of what is sent.
        bodies: examples of that, by names that answers have, too.
        open_to_all: it is answered to whoever asks, and without the engine.
    """

    id: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, JsonObject]
    refusals: tuple[Refusal, ...] = ()
    parameters: tuple[JsonObject, ...] = ()
    body: str | None = None
    bodies: examples.Examples = field(default_factory=dict)
    open_to_all: bool = False

    @property
    def all_refusals(self) -> tuple[Refusal, ...]:
        """What it may refuse, and what any may."""
        guarded = () if self.open_to_all else (*OF_CALLER, *OF_ENGINE)
        sent = () if self.body is None else OF_BODY
        return (*OF_ANY, *guarded, *sent, *self.refusals)


def operations() -> Iterator[tuple[str, str, Operation]]:
    """Path, method and the rest of every operation."""
    for part in (_RUNNING, _EXECUTIONS, _FOLLOWING, _CREDENTIALS, _STATE):
        for at, operation in part.items():
            method, _, path = at.partition(" ")
            yield path, method, operation


def _shape(name: str) -> JsonObject:
    return referred("schemas", name)


_RUNNING = {
    "POST /execute": Operation(
        "execute",
        "running",
        "Run a program and wait for what comes of it",
        "Answers when the program has ended. A program that fails is answered 200, too, with "
        "`success: false`, and `verdict` says how it ended. Who closes the connection "
        "cancels it, unless `on_disconnect` is `continue`.",
        {200: answer("It ran, well or not.", _shape("ExecuteReply"), examples=examples.EXECUTED)},
        OF_BEGINNING,
        (asked.DISPLAYS, asked.IDEMPOTENCY),
        "ExecuteBody",
        examples.PROGRAMS,
    ),
    "GET /v1/languages": Operation(
        "listLanguages",
        "running",
        "What can be run",
        "`languages` are those of a request that names no `request_class`; `classes` has those "
        "of requests that do, by the name of the class.",
        {200: answer("All languages.", _shape("OfferView"), examples=examples.OFFERED)},
    ),
}
_EXECUTIONS = {
    "GET /v1/executions": Operation(
        "listExecutions",
        "running",
        "List executions of one's own, the newest first",
        "A key sees what all its users have, a user what is his own. A page may have fewer "
        "entries than `limit` and still not be the last: `next_page` is null on that.",
        {200: answer("A page of them.", _shape("ListingView"), examples=examples.LISTED)},
        (InvalidRequest,),
        asked.SELECTION,
    ),
    "POST /v1/executions": Operation(
        "beginExecution",
        "running",
        "Begin an execution",
        "Answers as soon as it is accepted, with its `id`; it goes on whoever leaves. With "
        "`Prefer: wait=N` it answers with the result if that comes in time. An "
        "`Idempotency-Key` lets the same request be sent again without running it again.",
        {
            200: answer(
                "Finished within `Prefer: wait`.",
                _shape("ExecutionView"),
                *("Location", "Preference-Applied"),
                examples=examples.WAITED_FOR,
            ),
            202: answer(
                "Begun.",
                _shape("ExecutionView"),
                *("Location", "Preference-Applied"),
                examples=examples.BEGUN,
            ),
        },
        (UnknownExecution, *OF_BEGINNING),
        (asked.DISPLAYS, asked.IDEMPOTENCY, asked.PREFER),
        "ExecuteBody",
        examples.BEGINNINGS,
    ),
    "GET /v1/executions/{id}": Operation(
        "getExecution",
        "running",
        "State of an execution, and its result once finished",
        "What has ended is kept for some minutes, and then unknown.",
        {200: answer("The state.", _shape("ExecutionView"), examples=examples.STATES)},
        (UnknownExecution,),
        (asked.ID, asked.ENCODING, asked.DISPLAYS),
    ),
    "DELETE /v1/executions/{id}": Operation(
        "cancelExecution",
        "running",
        "Cancel an execution",
        "Ends it at whatever stage it is; what it has printed is kept. After its end there is "
        "nothing to cancel, and that is answered alike.",
        {204: answer("Done.")},
        (UnknownExecution, Conflict),
        (asked.ID,),
    ),
}
_EVENTS = answer(
    "Events as they come, each once, ending with `finished`.",
    {"type": "string"},
    media=sse.MEDIA_TYPE,
    examples=examples.EVENT_STREAM,
)
cast(JsonObject, _EVENTS["content"])[ndjson.MEDIA_TYPE] = {
    "schema": _shape("Event"),
    "examples": examples.EVENT_LINES,
}
_FOLLOWING = {
    "GET /v1/executions/{id}/events": Operation(
        "followExecution",
        "following",
        "Follow an execution as Server-Sent Events or NDJSON",
        "Events as they come, each once, ending with `finished`. `Accept` chooses: "
        "`text/event-stream`, or NDJSON by default. Who was cut off goes on behind the last "
        "event that came (`after`, or `Last-Event-ID`). A heartbeat comes every few seconds: a "
        "comment, or an empty line.",
        {
            200: _EVENTS,
            204: answer("`after` is the last event: nothing follows."),
        },
        (UnknownExecution, HTTPStatus.NOT_ACCEPTABLE, InvalidRequest),
        (asked.ID, asked.AFTER, asked.ENCODING, asked.LAST_EVENT),
    ),
    "POST /v1/executions/{id}/controls": Operation(
        "controlExecution",
        "following",
        "Input, end of input, signal, terminal size or cancel",
        "Says one thing to a program that runs. Signals, sizes and `cancel` pass input which "
        "the program does not read. 409: there is no program yet, its input has ended, or it "
        "does not read.",
        {204: answer("Passed on.")},
        (UnknownExecution, Conflict),
        (asked.ID,),
        "Control",
        examples.CONTROLS,
    ),
    "GET /v1/executions/stream": Operation(
        "streamNewExecution",
        "following",
        "Begin and follow over a WebSocket",
        'A handshake; the first message that is sent is `{"type": "execute"}` with the members '
        "of `ExecuteBody`. Down come `accepted` and then events; up go controls. A browser "
        "shows its credential as the subprotocol `vibecell.key.<key>` or "
        "`vibecell.token.<token>` beside `vibecell.v1`, or as a `ticket`.",
        {101: answer("A WebSocket.")},
        (HTTPStatus.UPGRADE_REQUIRED,),
    ),
    "GET /v1/executions/{id}/stream": Operation(
        "streamExecution",
        "following",
        "Attach over a WebSocket",
        "A handshake; down come the events after `after`, up go controls. When the last "
        "WebSocket of an execution closes, it is cancelled after some seconds, unless "
        "`on_disconnect` is `continue`.",
        {101: answer("A WebSocket.")},
        (UnknownExecution, InvalidRequest, HTTPStatus.UPGRADE_REQUIRED),
        (asked.ID, asked.AFTER, asked.ENCODING),
    ),
}
_CREDENTIALS = {
    "POST /v1/tokens": Operation(
        "createToken",
        "credentials",
        "Make a token for one of a key's users",
        "For a user's browser: it lives for hours, is good for what that user has and nothing "
        "else, and dies with the key. A token makes no token.",
        {
            201: answer(
                "The token, which is shown once.",
                _shape("TokenView"),
                examples=examples.TOKENS_MADE,
            )
        },
        body="TokenBody",
        bodies=examples.TOKENS,
    ),
    "POST /v1/tickets": Operation(
        "createTicket",
        "credentials",
        "Make a ticket, for where a header cannot be set",
        "Good once, for 30 s, as `?ticket=`: for one execution's events or stream, or, without "
        "`execution`, to begin one by WebSocket.",
        {
            201: answer(
                "The ticket, good once.", _shape("TicketView"), examples=examples.TICKETS_MADE
            )
        },
        (QueueFull,),
        body="TicketBody",
        bodies=examples.TICKETS,
    ),
}


def _status(*words: str) -> JsonObject:
    return {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string", "enum": list(words)}},
    }


def _told(word: str) -> examples.Examples:
    return {"status": {"value": {"status": word}}}


_STATE = {
    "GET /healthz": Operation(
        "getHealth",
        "state",
        "The gateway answers",
        "Whether this process is alive; it asks nobody else.",
        {200: answer("Yes.", _status("ok"), examples=_told("ok"))},
        open_to_all=True,
    ),
    "GET /readyz": Operation(
        "getReadiness",
        "state",
        "The engine takes requests",
        "Whether requests should be sent here.",
        {
            200: answer("Yes.", _status("ready"), examples=_told("ready")),
            503: answer("No.", _status("not ready"), "Retry-After", examples=_told("not ready")),
        },
        open_to_all=True,
    ),
    "GET /metrics": Operation(
        "getMetrics",
        "state",
        "Metrics, with the scope metrics",
        "In the text format of Prometheus.",
        {
            200: answer(
                "Prometheus text.",
                {"type": "string"},
                media="text/plain",
                examples=examples.METRICS,
            )
        },
    ),
}
