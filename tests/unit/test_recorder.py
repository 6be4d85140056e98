"""What a program displays is read with suspicion, and at a bounded price."""

import json

import pytest

from vibecell.engine.event_log import EventLog
from vibecell.engine.recorder import MAX_DISPLAYS_BYTES, MAX_ONE_DISPLAY_BYTES, Recorder
from vibecell.model.events import Display, NumberedEvent


class _Log(EventLog):
    def __init__(self) -> None:
        super().__init__(lambda *_: None)
        self.seen: list[object] = []

    def append(self, event: object) -> NumberedEvent | None:  # type: ignore[override]
        self.seen.append(event)
        return None


def displays(*contents: bytes) -> list[object]:
    log = _Log()
    recorder = Recorder(log)
    for content in contents:
        recorder.display(content)
    assert recorder.displays_left_out == len(contents) - len(log.seen), "nothing vanishes unsaid"
    assert recorder.truncated == bool(recorder.displays_left_out)
    return log.seen


@pytest.mark.parametrize(
    "content",
    [
        {"image/png": "aGVsbG8="},
        {"text/html": '<b class="x">\\ "é"</b>', "text/plain": ""},
        {f"text/x{n}": "x" * 50_000 for n in range(16)},
    ],
)
def test_a_flat_object_of_texts_is_shown(content: dict[str, str]) -> None:
    (event,) = displays(json.dumps(content, indent=1).encode())
    assert isinstance(event, Display)
    assert dict(event.data) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"text/plain":1}',
        b'{"text/plain":{"a":"b"}}',
        b'{"no type":"x"}',
        b'{"text/plain":"a","text/plain":"b"}',
        b'{"text/plain":"' + b"\\" * 1001,
        b"[" + b"[]," * (MAX_ONE_DISPLAY_BYTES // 3 - 2) + b"[]]",
        b'{"text/plain":[' + b"[]," * 600_000 + b"[]]}",
        b'{"a/b":"' + b"x" * MAX_ONE_DISPLAY_BYTES + b'"}',
    ],
    ids=lambda content: content[:20].decode(),
)
def test_anything_else_is_left_out(content: bytes) -> None:
    assert displays(content) == []


def test_all_displays_together_are_bounded() -> None:
    one = b'{"a/b":"' + b"x" * (MAX_ONE_DISPLAY_BYTES - 10) + b'"}'
    assert len(displays(*[one] * 9)) == MAX_DISPLAYS_BYTES // MAX_ONE_DISPLAY_BYTES


def test_what_is_refused_is_paid_for_too() -> None:
    assert displays(*[b"[]"] * 1000, b'{"text/plain":"late"}') == []
