"""The codec: what it takes, what it refuses by name, and that both forms return."""

import base64
import contextlib
import json
import math
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack
from pydantic import TypeAdapter

from owners import ME
from vibecell.model import errors
from vibecell.model.errors import FieldProblem, InvalidRequest, MalformedRequest, ProtocolViolation
from vibecell.model.events import (
    Cancel,
    Control,
    Display,
    EndOfInput,
    Event,
    Exited,
    Finished,
    NumberedEvent,
    Queued,
    Resize,
    Signal,
    Started,
    Stdin,
    Stream,
)
from vibecell.model.execution import (
    ExecutionRequest,
    Outcome,
    OutputFile,
    Result,
    SourceFile,
    StageOutcome,
    Usage,
)
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.model.limits import DEFAULT_CEILING, DEFAULT_LIMITS
from vibecell.model.status import ExecutionState, Standing
from vibecell.model.verdicts import Verdict
from vibecell.wire import json_text, link, requests, views
from vibecell.wire.derivations import decode_token_request

from .link_messages import messages

PYTHON = Language("python", "Python", "3.11.2", ("py",), "main.py", "in_place")
BASH = Language("bash", "Bash", "5.2", ("sh",), "main.sh", "exec", example="echo 1\n")
NEWER = replace(PYTHON, version="3.13.1", entrypoint="start.py")
OFFER = Offer((PYTHON,), {"strong": (PYTHON,), "newer": (NEWER, BASH), "empty": ()})
USAGE = Usage(12.3456, 4.5, 1024, 2, 10)
OUTCOME = Outcome(Verdict.RUNTIME_ERROR, None, "SIGSEGV", USAGE, "ended by signal SIGSEGV")
RESULT = Result(
    id="abc",
    verdict=Verdict.RUNTIME_ERROR,
    stages=(StageOutcome("run", OUTCOME),),
    stdout=b"out\xff",
    stderr=b"err",
    output=b"out\xfferr",
    truncated=True,
    usage=USAGE,
    files=(OutputFile("a.txt", "é".encode()), OutputFile("b.png", b"\x89\xff")),
    message="ended by signal SIGSEGV",
)
EVENTS = [
    Queued(3),
    Started("run"),
    Stream("run", "stdout", "é".encode() + b"\xff"),
    Display({"text/html": "<b>x</b>"}),
    Exited("run", OUTCOME),
    Finished(RESULT),
]
CONTROLS = [Stdin(b"\xff"), EndOfInput(), Resize(1, 2), Signal("SIGTERM"), Cancel()]


def to_request(body: object) -> ExecutionRequest:
    return requests.to_execution_request(
        requests.decode_execute(body), OFFER, DEFAULT_LIMITS, DEFAULT_CEILING
    )


def problems(body: object) -> list[FieldProblem]:
    with pytest.raises(InvalidRequest) as caught:
        to_request(body)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid UTF-8"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a":1,"a":2}', "repeated"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "out of range"),
        (b"[-1" + b"0" * 309 + b"]", "out of range"),
        (b"[" + b"9" * 2_000_000 + b"]", "out of range"),
        (b"[" * 33 + b"]" * 33, "nested"),
        (b"[" * 1_000_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'"a\nb"', "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
    ],
)
def test_json_that_readers_disagree_about_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        json_text.strict_json_loads(text)


def test_json_at_the_bounds_is_read() -> None:
    assert json_text.strict_json_loads(b"[" * 32 + b"]" * 32)
    assert json_text.strict_json_loads(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_depth_and_surrogates_are_found_beside_each_other() -> None:
    deep = b"[" * 33 + b"]" * 33
    for text in (b'{"a":' + deep + b"}", b'["[[[[[[",' + deep + b"]", b'["\\ud83d","\\ude00"]'):
        with pytest.raises(MalformedRequest):
            json_text.strict_json_loads(text)
    many = b"[" + b",".join([b"[]"] * 50) + b',"[{"]'
    assert len(json_text.strict_json_loads(many)) == 51  # type: ignore[arg-type]
    assert json_text.strict_json_loads(b'"\\\\ud800"') == "\\ud800"


@given(st.binary(max_size=200))
def test_json_reader_raises_nothing_else(data: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        json_text.strict_json_loads(data)


def test_code_becomes_the_default_entrypoint() -> None:
    request = to_request({"code": "print('é')", "language": "PY"})
    assert request.files == (SourceFile("main.py", "print('é')".encode()),)
    assert (request.language, request.limits) == ("python", DEFAULT_LIMITS)


def test_code_goes_where_entrypoint_says() -> None:
    request = to_request({"code": "1", "entrypoint": "pkg/run.py"})
    assert request.files[0].path == request.entrypoint == "pkg/run.py"


def test_code_may_come_with_files() -> None:
    request = to_request({"code": "import tools", "files": [{"path": "tools.py", "content": ""}]})
    assert request.files == (SourceFile("main.py", b"import tools"), SourceFile("tools.py", b""))


def test_everything_optional_arrives() -> None:
    request = to_request(
        {
            "files": [
                {"path": "main.py", "content": "1"},
                {"path": "d/x.bin", "content_base64": "//4="},
            ],
            "args": ["a"],
            "stdin": "in",
            "env": {"A": "b"},
            "limits": {"wall_time_ms": 500},
            "interactive": True,
            "expected_output": "1",
            "encoding": "base64",
            "on_disconnect": "continue",
            "request_class": "strong",
            "version": "3.11",
        }
    )
    assert request.files[1].content == b"\xff\xfe"
    assert request.limits.wall_time_ms == 500
    assert request.limits.memory_bytes == DEFAULT_LIMITS.memory_bytes
    assert (request.stdin, request.interactive, request.encoding) == (b"in", True, "base64")
    assert request.request_class == "strong"


def test_unknown_fields_are_refused_by_name() -> None:
    found = problems({"code": "1", "timeout": 5, "limits": {"cores": 1}})
    assert FieldProblem("timeout", "unknown field") in found
    assert FieldProblem("limits.cores", "unknown field") in found


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "request"),
        ({}, "request"),
        ({"code": "1", "files": [{"path": "main.py", "content": "2"}]}, "files"),
        ({"code": 1}, "code"),
        ({"code": None, "files": None}, "request"),
        ({"files": []}, "files"),
        ({"files": [{"path": "x.py", "content": "1"}]}, "entrypoint"),
        ({"files": [{"path": "../x", "content": "1"}]}, "files.0.path"),
        ({"files": [{"path": "/x", "content": "1"}]}, "files.0.path"),
        ({"files": [{"path": "a\0b", "content": "1"}]}, "files.0.path"),
        ({"files": [{"path": "x"}]}, "files.0"),
        ({"files": [{"path": "x", "content": "1", "content_base64": "MQ=="}]}, "files.0"),
        ({"files": [{"path": "x", "content_base64": "MQ"}]}, "files.0.content_base64"),
        ({"files": [{"path": "x", "content_base64": "M Q="}]}, "files.0.content_base64"),
        ({"files": [{"path": f"{i}", "content": ""} for i in range(10_000)]}, "files"),
        ({"files": [{"path": "main.py", "content": ""}] * 2}, "files"),
        ({"code": "1", "entrypoint": "../x"}, "entrypoint"),
        ({"code": "1", "request_class": ""}, "request_class"),
        ({"code": "1", "request_class": 1}, "request_class"),
        ({"code": "1", "request_class": "x" * 33}, "request_class"),
        ({"code": "\ud800"}, "code"),
        ({"code": "1", "limits": {"wall_time_ms": 0}}, "limits.wall_time_ms"),
        ({"code": "1", "limits": {"wall_time_ms": True}}, "limits.wall_time_ms"),
        ({"code": "1", "limits": {"wall_time_ms": 1.5}}, "limits.wall_time_ms"),
        ({"code": "1", "limits": {"wall_time_ms": 10**30}}, "limits.wall_time_ms"),
        ({"code": "1", "limits": {"memory_bytes": 2**40}}, "limits.memory_bytes"),
        ({"code": "1", "args": ["a\0"]}, "args.0"),
        ({"code": "1", "env": {"A B": "x"}}, "env"),
        ({"code": "1", "interactive": "yes"}, "interactive"),
        ({"code": "1", "interactive": 1}, "interactive"),
        ({"code": "1", "interactive": None}, "interactive"),
        ({"code": "1", "columns": 0}, "columns"),
        ({"code": "1", "rows": 1001}, "rows"),
        ({"code": "1", "rows": "24"}, "rows"),
        ({"code": "1", "encoding": "latin-1"}, "encoding"),
        ({"code": "1", "stdin": "a", "stdin_base64": "YQ=="}, "request"),
        ({"code": "1", "args": ["x" * 100_000] * 2}, "args"),
        ({"code": "1", "env": {"A": "é" * 60_000}}, "args"),
    ],
)
def test_wrong_fields_are_named(body: object, path: str) -> None:
    assert path in [p.path for p in problems(body)]


def test_what_may_be_of_several_kinds_is_told_once() -> None:
    (problem,) = problems({"code": "1", "interactive": "yes"})
    assert (problem.path, problem.message) == ("interactive", "must be true or false or 'pipe'")


@pytest.mark.parametrize("interactive", [True, False, "pipe"])
def test_input_stays_open_on_a_terminal_or_without(interactive: bool | str) -> None:
    request = to_request({"code": "1", "interactive": interactive, "columns": 132, "rows": 43})
    assert request.interactive is interactive or request.interactive == "pipe"
    assert (request.columns, request.rows) == (132, 43)


def test_many_problems_are_cut_and_no_value_is_shown() -> None:
    found = problems({"code": "1", **{f"secret{i}\n": "hunter2" for i in range(100)}})
    assert len(found) <= 32
    assert all("hunter2" not in p.message and "\n" not in p.path for p in found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"language": "x"}, "there are: python"),
        ({"version": "3.1"}, "3.11.2 only"),
        ({"language": "bash"}, "there are: python"),
        ({"version": "3.13"}, "3.11.2 only"),
        ({"language": "x", "request_class": "newer"}, "there are: bash, python"),
        ({"version": "3.11", "request_class": "newer"}, "3.13.1 only"),
        ({"language": "sh", "version": "3", "request_class": "newer"}, "5.2 only"),
        ({"request_class": "empty"}, "no such language"),
    ],
)
def test_a_language_that_the_class_does_not_offer_is_refused(
    body: dict[str, object], said: str
) -> None:
    with pytest.raises(errors.UnsupportedLanguage, match=said):
        to_request({"code": "1", **body})


@pytest.mark.parametrize(
    ("body", "language", "path"),
    [
        ({"version": "3.11"}, "python", "main.py"),
        ({"version": "3.11", "request_class": "strong"}, "python", "main.py"),
        ({"version": "3.13", "request_class": "newer"}, "python", "start.py"),
        ({"language": "sh", "request_class": "newer"}, "bash", "main.sh"),
    ],
)
def test_a_class_has_languages_versions_and_entrypoints_of_its_own(
    body: dict[str, object], language: str, path: str
) -> None:
    request = to_request({"code": "1", **body})
    assert (request.language, request.files[0].path) == (language, path)
    assert request.request_class == body.get("request_class")


def test_a_class_that_is_none_is_wrong_before_its_language_is() -> None:
    (problem,) = problems({"code": "1", "language": "x", "request_class": "nonesuch"})
    assert problem == FieldProblem("request_class", "must be one of empty, newer, strong")


def test_what_can_be_run_is_what_its_model_says() -> None:
    shown = views.encode_offer(OFFER)
    views.view_of(Offer).model_validate_json(json.dumps(shown))
    inside = replace(PYTHON, argv=("python3",), profiles=(WarmProfile("p", place="strong"),))
    assert views.encode_offer(Offer((inside,), {"strong": (inside,)})) == {
        "languages": shown["languages"],
        "classes": {"strong": shown["languages"]},
    }


@pytest.mark.parametrize(
    ("value", "control"),
    [
        ({"type": "stdin", "data": "é\n"}, Stdin("é\n".encode())),
        ({"type": "stdin", "data_base64": "/w=="}, Stdin(b"\xff")),
        ({"type": "end_of_input"}, EndOfInput()),
        ({"type": "resize", "columns": 80, "rows": 24}, Resize(80, 24)),
        ({"type": "signal", "name": "SIGINT"}, Signal("SIGINT")),
        ({"type": "cancel"}, Cancel()),
    ],
)
def test_controls_are_read(value: object, control: object) -> None:
    assert requests.decode_control(value) == control


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"type": "execute"},
        {"type": "stdin"},
        {"type": "cancel", "x": 1},
        {"type": "signal", "name": "SIGSTOP"},
        {"type": "resize", "columns": 0, "rows": 24},
        {"type": "resize", "columns": "80", "rows": 24},
    ],
)
def test_wrong_controls_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        requests.decode_control(value)


@pytest.mark.parametrize("event", EVENTS)
def test_public_events_are_what_their_shapes_say(event: Event) -> None:
    shown = json.dumps(views.encode_event(NumberedEvent(7, event)))
    views.view_of(type(event)).model_validate_json(shown)
    TypeAdapter(views.event_view()).validate_json(shown)


def test_a_result_and_a_state_are_what_their_shapes_say() -> None:
    views.view_of(Result).model_validate_json(json.dumps(views.encode_result(RESULT, "base64")))
    standing = Standing("abc", "finished", 3, "utf-8", "cancel")
    for state in (ExecutionState(standing, RESULT), ExecutionState(standing, None)):
        shown = json.dumps(views.encode_execution(state))
        views.execution_view().model_validate_json(shown)


def test_bytes_are_shown_as_asked_for() -> None:
    event = NumberedEvent(1, Stream("run", "stdout", b"a\xff"))
    assert views.encode_event(event)["data"] == "a�"
    assert views.encode_event(event, "base64")["data"] == base64.b64encode(b"a\xff").decode()
    files = views.encode_result(RESULT)["files"]
    assert files == [
        {"path": "a.txt", "content": "é"},
        {"path": "b.png", "content_base64": "if8="},
    ]


def test_execute_reply_says_what_the_platform_did() -> None:
    reply = views.encode_execute_reply(RESULT)
    views.execute_reply().model_validate_json(json.dumps(reply))
    assert reply["success"] is False
    assert reply["error"] == "err\nended by signal SIGSEGV"
    assert (reply["signal"], reply["exit_code"]) == ("SIGSEGV", None)


@pytest.mark.parametrize("event", EVENTS)
def test_link_events_return(event: Event) -> None:
    numbered = NumberedEvent(7, event)
    (message,) = messages(link.encode_message(numbered))
    assert link.decode_event(message) == numbered


@pytest.mark.parametrize("control", CONTROLS)
def test_link_controls_return(control: Control) -> None:
    (message,) = messages(link.encode_message(control))
    assert link.decode_control(message) == control


def test_link_requests_return_and_are_judged_again() -> None:
    request = to_request(
        {
            "code": "1",
            "stdin_base64": "/w==",
            "env": {"A": "b"},
            "args": ["x"],
            "request_class": "strong",
        }
    )
    (message,) = messages(link.encode_message(link.ExecuteCall(request, ME)))
    assert link.decode_call(message) == link.ExecuteCall(request, ME)
    for wrong in ({"files": []}, {"limits": {"processes": 0}}, {"env": {"A B": ""}}):
        told = msgpack.decode(message)
        told["request"].update(wrong)
        with pytest.raises(InvalidRequest):
            link.decode_call(msgpack.encode(told))


def test_what_can_be_run_returns_over_the_link() -> None:
    inside = replace(
        PYTHON,
        argv=("python3",),
        env=MappingProxyType({"A": "b"}),
        profiles=(WarmProfile("p", triggers=frozenset({"numpy"}), place="strong"),),
    )
    offer = Offer((inside,), {"strong": (inside,)})
    (message,) = messages(link.encode_message(link.OfferReply(offer)))
    assert link.decode_reply(message) == link.OfferReply(offer)


def test_a_text_that_is_none_in_utf8_is_refused_before_it_travels() -> None:
    request = ExecutionRequest("python", (SourceFile("main.py", b""),), args=("\udcff",))
    with pytest.raises(MalformedRequest, match="surrogate"):
        link.encode_message(link.ExecuteCall(request, ME))


def test_equal_requests_have_the_same_bytes_in_whatever_order_they_were_made() -> None:
    one = to_request({"code": "1", "env": {"A": "1", "B": "2"}})
    other = to_request({"env": {"B": "2", "A": "1"}, "code": "1"})
    assert link.same_bytes(one) == link.same_bytes(other)
    assert link.same_bytes(one) != link.same_bytes(to_request({"code": "1", "env": {"A": "1"}}))


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest(FieldProblem("a.b", "is wrong")),
        errors.MalformedRequest("x"),
        errors.UnsupportedLanguage("x"),
        errors.UnknownExecution("x"),
        errors.Conflict("x"),
        errors.QueueFull("x", 7),
        errors.ShuttingDown("x", 3),
        errors.SandboxFailure("fork a cell"),
    ],
)
def test_link_errors_return(error: errors.VibecellError) -> None:
    (message,) = messages(link.encode_message(link.refused(error)))
    reply = link.decode_reply(message)
    assert isinstance(reply, link.RefusedReply)
    returned = link.error_of(reply)
    assert type(returned) is type(error)
    assert str(returned) == str(error)
    assert getattr(returned, "retry_after_s", 0) == getattr(error, "retry_after_s", 0)


def test_link_errors_tell_no_detail_of_ours() -> None:
    shown = link.encode_message(link.refused(errors.SandboxFailure("fork a cell", "/secret/path")))
    assert b"secret" not in shown


def test_what_is_too_short_is_told_like_every_other_fault() -> None:
    assert problems({"code": "1", "user": ""}) == [
        FieldProblem("user", "should have at least 1 character")
    ]
    with pytest.raises(InvalidRequest) as caught:
        decode_token_request({"user": "ann", "scopes": []})
    assert caught.value.problems == (FieldProblem("scopes", "should have at least 1 item"),)


@pytest.mark.parametrize("name", ["Exception", "dataclass", "FieldProblem", "x", "VibecellError"])
def test_link_errors_of_other_names_are_violations(name: str) -> None:
    reply = link.RefusedReply(name, "m")
    assert isinstance(link.error_of(reply), ProtocolViolation)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "cancel", "x\nforged": 1},
        {"type": "cancel", "x" * 1_000_000: 1},
        {"type": "x\nforged"},
        {"type": "signal", "name": "x\nforged"},
        ["x\nforged"],
    ],
)
def test_what_a_peer_has_sent_is_not_repeated(message: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        link.decode_control(msgpack.encode(message))
    assert "forged" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, 1e300])
def test_a_measure_that_is_none_is_no_event(number: float) -> None:
    event = NumberedEvent(1, Finished(replace(RESULT, usage=Usage(wall_time_ms=number))))
    (message,) = messages(link.encode_message(event))
    with pytest.raises(ProtocolViolation):
        link.decode_event(message)


@given(st.binary(max_size=100))
def test_link_messages_are_never_trusted(data: bytes) -> None:
    with pytest.raises((MalformedRequest, InvalidRequest)):
        link.decode_call(data)
    with pytest.raises(ProtocolViolation):
        link.decode_event(data)
    with pytest.raises(ProtocolViolation):
        link.decode_reply(data)
