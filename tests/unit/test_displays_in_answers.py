"""Who waits for a result alone is told what was displayed, whenever and however he asks."""

import json
from collections.abc import Iterator

import pytest

from owners import ME
from vibecell.engine.whole_result import MAX_DISPLAYS_BYTES
from vibecell.model.events import Display
from vibecell.model.execution import ExecutionRequest, KeptDisplay, Result, SourceFile
from vibecell.model.limits import Limits
from vibecell.model.verdicts import Verdict
from vibecell.wire.views import encode_execute_reply, encode_result

from .test_engine_daemon import Engine, engine, request, result_of, run

MIB = 1024 * 1024
BIG = MAX_DISPLAYS_BYTES // 2 - 100


# of all logs together: a small part of it each has in memory, before it gets a file
@pytest.fixture(scope="module", params=[64 * MIB, 4096 * MIB], ids=["with a file", "in memory"])
def shared(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(event_log_bytes=request.param) as running:
        yield running


def showing(*contents: dict[str, str]) -> str:
    lines = [f"display({json.dumps(json.dumps(content))})" for content in contents]
    return "\n".join(["print(1)", *lines, "print(2)"])


def waited_for(shared: Engine, code: str, **fields: object) -> Result:
    with shared.client.submit_and_wait(request(code, **fields), ME) as pending:
        result = pending.result(10.0)
    later = shared.client.inspect(pending.id, ME.owner).result
    assert later == result, "the stored result is the one that was answered"
    return result


def test_the_result_has_what_the_events_have(shared: Engine) -> None:
    contents = [{"text/plain": "é"}, {"image/png": "aGk=", "text/plain": "hi"}]
    result = waited_for(shared, showing(*contents))
    assert [d.data for d in result.displays] == contents
    assert [d.media_types for d in result.displays] == [tuple(c) for c in contents]
    assert [d.size_bytes for d in result.displays] == [2, 6]
    with shared.client.attach(result.id, ME.owner) as conversation:
        events = {e.seq: e.event for e in conversation.events()}
    for display in result.displays:
        assert events[display.seq] == Display(display.data or {})


def test_the_last_event_describes_what_its_readers_have_been_told(shared: Engine) -> None:
    events = run(shared.client, showing({"text/html": "<b>"}))
    (event,) = (e for e in events if isinstance(e.event, Display))
    assert result_of(events).displays == (KeptDisplay(event.seq, ("text/html",), 3),)


def test_what_does_not_fit_an_answer_is_named_and_the_next_is_there(shared: Engine) -> None:
    contents = [{"a/b": letter * BIG} for letter in "xyz"] + [{"a/b": "small"}]
    result = waited_for(shared, showing(*contents), limits=Limits(output_bytes=16_000_000))
    assert [d.size_bytes for d in result.displays] == [BIG, BIG, BIG, 5]
    assert [d.data for d in result.displays] == [*contents[:2], None, contents[3]]
    assert result.displays_left_out == 0


def test_a_page_that_is_shown_is_in_the_answer(shared: Engine) -> None:
    page = ExecutionRequest("html", (SourceFile("index.html", b"<p>hi"),))
    with shared.client.submit_and_wait(page, ME) as pending:
        (display,) = pending.result(10.0).displays
    assert "text/html" in display.media_types
    assert display.data is not None


def test_displays_are_shown_as_in_their_events_or_described() -> None:
    data = {"image/png": "aGk="}
    result = Result("x", Verdict.ACCEPTED, displays=(KeptDisplay(2, ("image/png",), 4, data),))
    shown = {"seq": 2, "media_types": ["image/png"], "size_bytes": 4, "data": data}
    assert encode_result(result)["displays"] == [shown]
    assert encode_execute_reply(result, "base64")["displays"] == [shown]
    described = result.with_displays_described()
    assert encode_execute_reply(described)["displays"] == [{**shown, "data": None}]
