"""Examples of requests and answers, as the OpenAPI description shows them.

Owns them. Answers are made of the model by what makes all answers, so they have the members that
answers have; a test sends every request here to a service and meets the answer of the same name.
"""

from collections.abc import Mapping
from http import HTTPStatus

from vibecell.gateway import problems
from vibecell.gateway.transports import sse
from vibecell.model import errors
from vibecell.model.events import Exited, Finished, NumberedEvent, Started, Stream
from vibecell.model.execution import Outcome, OutputFile, Result, StageOutcome, Usage
from vibecell.model.language import Language, Offer
from vibecell.model.limits import MIB
from vibecell.model.status import ExecutionState, ExecutionSummary, Listing, Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire.derivations import encode_ticket, encode_token
from vibecell.wire.views import (
    JsonObject,
    encode_event,
    encode_execute_reply,
    encode_execution,
    encode_listing,
    encode_offer,
)

Examples = Mapping[str, JsonObject]

_ID = "R9aqGkV0cY3hYb0fM7l1Zw4t"
_BEGUN_AT_MS = 1_772_366_400_000
_INCIDENT = "5f0c2f6a1f3f9a77"


def _named(**values: tuple[str, object]) -> Examples:
    return {name: {"summary": said, "value": value} for name, (said, value) in values.items()}


def _result(stdout: bytes, stderr: bytes = b"", exit_code: int = 0, **more: object) -> Result:
    verdict = Verdict.RUNTIME_ERROR if exit_code else Verdict.ACCEPTED
    usage = Usage(*(9.4, 7.1, 9 * MIB, 1, len(stdout) + len(stderr)))
    outcome = Outcome(verdict, exit_code, usage=usage)
    stages = (StageOutcome("run", outcome),)
    given = {"usage": usage, "warm": True, **more}
    return Result(_ID, verdict, stages, stdout, stderr, stdout + stderr, **given)  # type: ignore[arg-type]


_HELLO = _result(b"Hello, world\n")
_FILES = _result(b"2 orders\n", files=(OutputFile("orders.csv", b"tea\nrice\n"),))

PROGRAMS = _named(
    hello=("A program", {"code": "print('Hello, world')"}),
    in_another_language=(
        "Another language",
        {"language": "bash", "code": "echo $((6 * 7))"},
    ),
    with_input=(
        "Input, and what should come of it",
        {"code": "print(input().upper())", "stdin": "tea\n", "expected_output": "TEA\n"},
    ),
    with_files=(
        "Files, arguments and limits",
        {
            "files": [
                {"path": "main.py", "content": "import shop, sys\nshop.write(sys.argv[1:])\n"},
                {
                    "path": "shop.py",
                    "content": "def write(orders):\n    print(len(orders), 'orders')\n"
                    "    open('orders.csv', 'w').write('\\n'.join(orders) + '\\n')\n",
                },
            ],
            "args": ["tea", "rice"],
            "limits": {"wall_time_ms": 5000, "memory_bytes": 128 * MIB},
        },
    ),
    that_fails=(
        "A program that fails",
        {"code": "import sys\nprint('one')\nsys.exit('there is no more tea')"},
    ),
    unsupported_language=(
        "A language that there is not",
        {"language": "cobol-74", "code": "DISPLAY 'TEA'."},
    ),
)
EXECUTED = _named(
    hello=("A program", encode_execute_reply(_HELLO)),
    in_another_language=("Another language", encode_execute_reply(_result(b"42\n", warm=False))),
    with_input=("Input, and what should come of it", encode_execute_reply(_result(b"TEA\n"))),
    with_files=("Files, arguments and limits", encode_execute_reply(_FILES)),
    that_fails=(
        "It ran, and failed: that is no error of the request",
        encode_execute_reply(_result(b"one\n", b"there is no more tea\n", 1)),
    ),
)
BEGINNINGS = {name: PROGRAMS[name] for name in ("hello", "with_input", "unsupported_language")}
_RUNNING = ExecutionState(Standing(_ID, "running", 1, "utf-8", "cancel"), None)
_FINISHED = ExecutionState(Standing(_ID, "finished", 4, "utf-8", "cancel"), _HELLO)
BEGUN = _named(
    hello=("Begun", encode_execution(_RUNNING)),
    with_input=("Begun", encode_execution(_RUNNING)),
)
WAITED_FOR = _named(hello=("It ended in time", encode_execution(_FINISHED)))
STATES = _named(
    running=("It runs", encode_execution(_RUNNING)),
    finished=("It has ended", encode_execution(_FINISHED)),
)
WAITS = _named(ten_seconds=("Wait up to ten seconds", "wait=10"))
CONTROLS = _named(
    stdin=("Input", {"type": "stdin", "data": "tea\n"}),
    end_of_input=("End of input", {"type": "end_of_input"}),
    signal=("A signal", {"type": "signal", "name": "SIGINT"}),
    resize=("Another size of the terminal", {"type": "resize", "columns": 120, "rows": 40}),
    cancel=("Stop it", {"type": "cancel"}),
)
_NUMBERED = (
    NumberedEvent(1, Started("run")),
    NumberedEvent(2, Stream("run", "stdout", b"Hello, world\n")),
    NumberedEvent(3, Exited("run", _HELLO.stages[0].outcome)),
    NumberedEvent(4, Finished(_HELLO)),
)
#: A line each, so one example is one line.
EVENT_LINES = {str(encode_event(each)["type"]): {"value": encode_event(each)} for each in _NUMBERED}
EVENT_STREAM = _named(
    hello=("All of a program", b"".join(sse.write(_NUMBERED, "utf-8")).decode()),
)
TOKENS = _named(
    for_an_hour=("For an hour", {"user": "ann"}),
    that_only_looks=(
        "One that looks, and begins a little",
        {
            "user": "ann",
            "scopes": ["read", "execute"],
            "limits": {"rate": "60/minute", "concurrent": 2},
            "expires_in_s": 600,
        },
    ),
)
_TOKEN = encode_token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl", 1_772_370_000)
TOKENS_MADE = _named(
    for_an_hour=("For an hour", _TOKEN),
    that_only_looks=("One that looks, and begins a little", _TOKEN),
)
TICKETS = _named(
    to_begin=("To begin an execution by WebSocket", {}),
    to_follow=("To follow one", {"execution": _ID}),
)
_TICKET = encode_ticket("w1Yk3tS9b2n4m6q8", 1_772_366_430)
TICKETS_MADE = _named(
    to_begin=("To begin an execution by WebSocket", _TICKET),
    to_follow=("To follow one", _TICKET),
)
LISTED = _named(
    page=(
        "The last page",
        encode_listing(
            Listing(
                (
                    ExecutionSummary(
                        *(_ID, "finished", "python", None),
                        *(_BEGUN_AT_MS, _BEGUN_AT_MS + 41, Verdict.ACCEPTED),
                    ),
                )
            )
        ),
    ),
)
_PYTHON = Language(
    *("python", "Python", "3.11.2", ("python3", "py"), "main.py", "in_place"),
    example='print("hello")\n',
    grammar="python",
)
OFFERED = _named(languages=("One language", encode_offer(Offer((_PYTHON,)))))
METRICS = _named(
    one=(
        "One of them",
        "# HELP vibecell_http_requests_total Requests answered.\n"
        "# TYPE vibecell_http_requests_total counter\n"
        'vibecell_http_requests_total{method="POST",route="/execute",status="200"} 12.0\n',
    ),
)

_DETAILS: Mapping[type[errors.VibecellError] | HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "encoding must be utf-8 or base64",
    HTTPStatus.FORBIDDEN: "without API keys only this machine is served",
    HTTPStatus.NOT_ACCEPTABLE: "events come as text/event-stream or application/x-ndjson",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "the body must be application/json",
    HTTPStatus.MISDIRECTED_REQUEST: "only names of this machine are served",
    errors.MissingCredential: "a credential is required: Authorization: Bearer <key or token>",
    errors.UnknownExecution: "no such execution",
    errors.UnsupportedLanguage: "no such language; there are: bash, html, javascript, python",
    errors.LimitReached: "executions of this user: at most 10/minute",
}


def example_of_problem(kind: type[errors.VibecellError] | HTTPStatus) -> JsonObject:
    """How a refusal is told, with the words of one that there is."""
    told = problems.outline(kind)
    if kind in _DETAILS:
        told["detail"] = _DETAILS[kind]
    if kind is errors.InvalidRequest:
        told["detail"] = "limits.wall_time_ms: must be at least 1"
        told["errors"] = [{"path": "limits.wall_time_ms", "message": "must be at least 1"}]
    if isinstance(kind, HTTPStatus):
        return told
    ours = not issubclass(kind, errors.RequestError | errors.CapacityError)
    if ours:
        told["detail"] = f"The failure was recorded as incident {_INCIDENT}."
        told["incident"] = _INCIDENT
    if told["status"] in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        told["retry_after_s"] = 1
    return told
