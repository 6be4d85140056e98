"""What cannot be a display is not even parsed: that would hold up everybody."""

import pytest

from vibecell.engine import recorder as recorder_module
from vibecell.engine.event_log import EventLog
from vibecell.engine.recorder import Recorder


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"text/plain":' * 10_000,
        b'{"text/plain":[' + b"[]," * 10_000 + b"[]]}",
        b'{"text/plain":' + b"9" * 100_000 + b"}",
        b'{"text/plain":"a"}' + b" " * 10 + b"{",
        b"{" + b'"a/b":"",' * 1000 + b'"a/b":""}',
    ],
)
def test_it_is_left_out_unread(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    read = []
    monkeypatch.setattr(recorder_module, "strict_json_loads", read.append)
    log = EventLog()
    Recorder(log).display(data)
    assert not read
    assert log.last_seq == 0
