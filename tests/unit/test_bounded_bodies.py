"""What one message may cost: structure is refused before it is made, findings are counted.

Nothing here is timed: where the work is bounded, it can be counted.
"""

import base64
import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecell.model.errors import FieldProblem, InvalidRequest, MalformedRequest
from vibecell.model.execution import MAX_ARGS, MAX_ENV, MAX_FILES
from vibecell.model.limits import Limits
from vibecell.wire import json_text, judging, requests
from vibecell.wire.fields import MAX_PROBLEMS
from vibecell.wire.json_text import MAX_ENTRIES, strict_json_loads

BODY_BYTES = 2 * 1024 * 1024


def filled(head: str, piece: str, tail: str = "") -> bytes:
    """A text of nearly as many bytes as a body may have."""
    count = (BODY_BYTES - len(head) - len(tail)) // len(piece)
    return (head + piece * count + tail).encode()


def numbered(head: str, piece: str, tail: str) -> bytes:
    return (head + ",".join(piece % each for each in range(100_000)) + tail).encode()


@pytest.mark.parametrize(
    "text",
    [
        numbered('{"code":"1",', '"a%d":1', "}"),
        numbered('{"code":"1","env":{', '"a%d":"1"', "}}"),
        numbered('{"files":[', '{"path":"a%d","content":""}', "]}"),
        numbered('{"files":[', '{"a%d":{}}', "]}"),
        filled('{"code":[', "[],", "1]}"),
        filled('{"code":[', "{},", "1]}"),
        filled("[", "[" * 30 + "]" * 30 + ",", "1]"),
        filled('{"args":["x"', ',"ab"', "]}"),
        filled("[1", ",1", "]"),
        filled("[1", ",1.5", "]"),
        filled("[true", ",true", "]"),
        filled('{"a":1', ',"a":1', "}"),
        filled("[", "-,"),
        filled("", "["),
        filled("", '{"a":'),
        filled("", ","),
        filled('"', '\\"'),
        filled('["', '\\\\","'),
    ],
    ids=lambda text: text[:16].decode() + "...",
)
def test_a_crowd_is_refused_before_anything_is_made_of_it(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "_DECODER", None)
    with pytest.raises(MalformedRequest):
        strict_json_loads(text)


def test_the_bound_on_names_and_items_is_exact() -> None:
    assert len(strict_json_loads(b"[" + b"1," * (MAX_ENTRIES - 1) + b"1]")) == MAX_ENTRIES  # type: ignore[arg-type]
    for text in (
        b"[" + b"1," * MAX_ENTRIES + b"1]",
        b"{" + b",".join(b'"%d":1' % each for each in range(MAX_ENTRIES + 1)) + b"}",
        b"[" + b"[],{}," * (MAX_ENTRIES // 4) + b"1]",
    ):
        with pytest.raises(MalformedRequest, match="more than 4096 names and items"):
            strict_json_loads(text)


@pytest.mark.parametrize(
    "piece", ["[", "{", ",", "[{,]}", '"', '\\"', "\\", '",', "\\\\", "\u00e9["]
)
def test_what_a_program_is_written_in_is_not_structure(piece: str) -> None:
    code = piece * (500_000 // len(piece))
    assert strict_json_loads(json.dumps({"code": code}).encode()) == {"code": code}


def test_the_largest_request_that_the_model_allows_is_read() -> None:
    content = base64.b64encode(b"[{,}]" * 900).decode()
    body = {
        "files": [
            {"path": f"d/{at}.py", "content_base64": content, "content": None}
            for at in range(MAX_FILES)
        ],
        "args": ["[{,"] * MAX_ARGS,
        "env": {f"NAME_{at}": '"[{,' for at in range(MAX_ENV)},
        "code": '"[{,' * 1000,
        "limits": {"wall_time_ms": 5},
    }
    assert len(json.dumps(body)) < BODY_BYTES
    assert requests.decode_execute(strict_json_loads(json.dumps(body).encode()))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(VALUES, st.booleans())
def test_a_long_text_means_what_a_short_one_means(value: Any, ascii_only: bool) -> None:
    short = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert strict_json_loads(short + b" " * MAX_ENTRIES) == strict_json_loads(short) == value


@given(st.binary(max_size=100))
def test_a_long_text_is_refused_as_a_short_one_is(data: bytes) -> None:
    def told(text: bytes) -> object:
        try:
            return strict_json_loads(text)
        except MalformedRequest as error:
            return type(error)

    assert repr(told(data + b" " * MAX_ENTRIES)) == repr(told(data))


def refusal(value: object) -> tuple[FieldProblem, ...]:
    with pytest.raises(InvalidRequest) as caught:
        requests.decode_execute(value)
    return caught.value.problems


WRONG = 1.5
LIMITS = [each.name for each in fields(Limits)]
BODIES: list[dict[str, Any]] = [
    {"code": "1", **{f"a{at}": 1 for at in range(MAX_ENTRIES)}},
    {"code": "1", "limits": {f"a{at}": 1 for at in range(MAX_ENTRIES)}},
    {"files": [{"a": 1, "b": 2, "c": 3}] * 1000},
    {"files": [{}] * 1000},
    {"files": [{"path": 1, "content": 1, "content_base64": 1}] * MAX_FILES},
    {"code": "1", "files": [5] * 1000},
    {"code": "1", "args": [1] * 1000},
    {"code": "1", "env": {f"a{at}": 1 for at in range(1000)}},
    dict.fromkeys(requests.ExecuteBody.model_fields, WRONG),
    {
        **dict.fromkeys(requests.ExecuteBody.model_fields, WRONG),
        "files": [{"path": 1, "content": 1, "content_base64": 1}],
        "args": [1],
        "env": {"A": 1},
        "limits": dict.fromkeys(LIMITS, 0),
        **{f"a{at}": 1 for at in range(8)},
    },
    {
        **dict.fromkeys(requests.ExecuteBody.model_fields, WRONG),
        "files": [{"path": 1, "content": 1, "content_base64": 1}] * MAX_FILES,
        "args": [1] * MAX_ARGS,
        "env": {f"a{at}": 1 for at in range(MAX_ENV)},
        "limits": {"wall_time_ms": "1", "memory_bytes": 0, "processes": None},
    },
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_more_is_found_wrong_than_is_told(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, findings = [0], [0]
    path_of, problems_of = judging.path_of, judging.problems_of

    def told(loc: Any) -> str:
        names[0] += 1
        return path_of(loc)

    def found(error: Any) -> list[FieldProblem]:
        findings[0] += error.error_count()
        return problems_of(error)

    monkeypatch.setattr(judging, "path_of", told)
    monkeypatch.setattr(judging, "problems_of", found)
    problems = len(refusal(body))
    assert 0 < problems <= MAX_PROBLEMS
    # ``interactive`` may be of two kinds, and what is neither is found wrong twice
    assert problems <= max(*names, *findings) <= MAX_PROBLEMS + 1


def test_the_first_wrong_item_of_each_list_is_told_and_where_it_is() -> None:
    body = {"code": "1", "args": ["a", 2, 3], "env": {"A": "b", "B": 1, "C": 2}, "stdin": 5}
    assert {each.path for each in refusal(body)} == {"args.1", "env.B", "stdin"}


def test_unknown_fields_are_told_of_every_object_and_with_all_else() -> None:
    body = {"no": 1, "code": 5, "limits": {"cores": 1}, "files": [{"path": "a", "mode": 1}]}
    assert {(each.path, each.message) for each in refusal(body)} == {
        ("no", "unknown field"),
        ("limits.cores", "unknown field"),
        ("files.0.mode", "unknown field"),
        ("code", "should be a valid string"),
    }


def test_where_many_fields_are_unknown_they_alone_are_told() -> None:
    many = {f"a{at}": 1 for at in range(9)}
    body = {"code": 5, "limits": many, "files": [{"path": "a", "mode": 1}]}
    assert {each.path for each in refusal(body)} == {
        *(f"limits.{name}" for name in many),
        "files.0.mode",
    }


@pytest.mark.parametrize(
    "value",
    [
        {"type": "hunter2" * 10_000},
        {"type": ["hunter2"]},
        {"type": "hunter2"},
        {"type": "signal", "name": "hunter2"},
        {"type": "resize", "columns": "hunter2", "rows": "hunter2"},
        {"type": "stdin", "data_base64": "hunter2!"},
    ],
)
def test_a_refused_control_is_not_repeated(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests.decode_control(value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_control_of_an_unknown_type_is_told_which_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"type: should be one of stdin, .*, cancel"):
        requests.decode_control({"type": "stop"})
    with pytest.raises(InvalidRequest, match="type: is required"):
        requests.decode_control({"name": "SIGINT"})
