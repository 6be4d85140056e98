"""What a recorder holds beside its log: a program's last words, and little else."""

import asyncio

from vibecell.engine.event_log import EventLog
from vibecell.engine.recorder import MAX_PIECES, Recorder
from vibecell.engine.verdict import HINT_TAIL_BYTES


def test_last_words_are_the_last_and_few() -> None:
    async def scenario() -> None:
        recorder = Recorder(EventLog())
        recorder.begin_stage("run")
        for number in range(1000):
            recorder.output("stderr", b"%09d\n" % number)
        assert len(recorder.tail) == HINT_TAIL_BYTES
        assert recorder.tail.endswith(b"000000999\n")
        recorder.flush()

    asyncio.run(scenario())


def test_each_stage_has_last_words_of_its_own() -> None:
    async def scenario() -> None:
        recorder = Recorder(EventLog())
        recorder.begin_stage("compile")
        recorder.output("stderr", b"command not found\n")
        assert recorder.tail == b"command not found\n"
        recorder.begin_stage("run")
        assert recorder.tail == b""
        recorder.output("stdout", b"hello\n")
        assert recorder.tail == b"hello\n"
        recorder.flush()

    asyncio.run(scenario())


def test_two_streams_in_turn_cost_no_event_for_each_byte() -> None:
    async def scenario() -> None:
        log = EventLog()
        recorder = Recorder(log)
        recorder.begin_stage("run")
        for _ in range(5000):  # the loop has no turn: no window is over
            recorder.output("stdout", b"o")
            recorder.output("stderr", b"e")
        recorder.flush()
        assert log.last_seq <= 2 * MAX_PIECES
        assert recorder.kept.stdout == b"o" * 5000
        assert recorder.kept.stderr == b"e" * 5000

    asyncio.run(scenario())
