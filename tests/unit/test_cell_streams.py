"""Between agent and program: what is held, what is told, and where a reader keeps its place."""

import importlib
import json
import os
import select
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import vibecell.cell
from vibecell.cell import frames

CELL = Path(vibecell.cell.__file__).parent


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``cell/streams.py`` as it is imported behind the walls, by its bare name."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(CELL))
    yield importlib.import_module("streams")
    for name in set(sys.modules) - before:
        del sys.modules[name]


class Program:
    """The far ends of what the streams hold, and what the engine is told."""

    def __init__(self, module: ModuleType) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.poll = select.poll()
        self.stdin, stdin = os.pipe()
        stdout, self.stdout = os.pipe()
        stderr, self.stderr = os.pipe()
        self.fifo, self.display = os.pipe()
        os.set_blocking(self.fifo, False)
        os.set_blocking(self.stdin, False)
        self._parser = frames.FrameParser(frames.TO_ENGINE)
        self.streams = module.Streams(self.poll, self._tell, self._tell_whole)
        self.streams.connect(self.fifo)
        ends = SimpleNamespace(stdin=stdin, stdout=stdout, stderr=stderr)
        self.streams.attach(ends, None)

    def again(self) -> None:
        """This program ends and another begins."""
        for fd in (self.stdout, self.stderr, self.stdin):
            os.close(fd)
        self.streams.finish()
        self.stdin, stdin = os.pipe()
        stdout, self.stdout = os.pipe()
        stderr, self.stderr = os.pipe()
        self.streams.attach(SimpleNamespace(stdin=stdin, stdout=stdout, stderr=stderr), None)

    def _tell(self, kind: int, payload: bytes) -> None:
        self.sent.append((kind, payload))

    def _tell_whole(self, data: bytes) -> None:
        self.sent += [(kind, payload) for kind, _, payload in self._parser.feed(data)]

    def show(self, *pieces: bytes) -> None:
        """Write to the FIFO, as fast as it is read."""
        for piece in pieces:
            for at in range(0, len(piece), 32 * 1024):
                os.write(self.display, piece[at : at + 32 * 1024])
                self.turn()

    def turn(self) -> None:
        """Let the streams do what is to be done now."""
        while ready := self.poll.poll(0):
            for fd, _ in ready:
                self.streams.handle(fd)

    def read(self) -> bytes:
        """Read all input there is."""
        read = b""
        try:
            while data := os.read(self.stdin, 1 << 20):
                read += data
                self.turn()
        except BlockingIOError:
            pass
        return read

    def taken(self) -> list[int]:
        return [json.loads(what)["bytes"] for kind, what in self.sent if kind == frames.TAKEN]

    def shown(self) -> list[bytes]:
        return [what for kind, what in self.sent if kind == frames.DISPLAY]

    def omitted(self) -> tuple[int, int]:
        """How many displays were passed over, and bytes of them."""
        said = [json.loads(what) for kind, what in self.sent if kind == frames.OMITTED]
        return sum(each["displays"] for each in said), sum(each["bytes"] for each in said)

    def close(self) -> None:
        for fd in (self.stdout, self.stderr):
            os.close(fd)
        self.streams.finish()
        for fd in (self.stdin, self.fifo, self.display):
            os.close(fd)


@pytest.fixture
def program(module: ModuleType) -> Iterator[Program]:
    program = Program(module)
    yield program
    program.close()


class Clock:
    """The time that streams see."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def said(program: Program) -> list[bytes]:
    return [what for _, what in program.sent]


def test_what_is_printed_piece_by_piece_is_told_at_once_and_then_together(
    program: Program, module: ModuleType, clock: Clock
) -> None:
    os.write(program.stdout, b"first")
    program.turn()
    assert said(program) == [b"first"]
    for _ in range(100):
        os.write(program.stdout, b".")
        program.turn()
        program.streams.look_after()
    assert said(program) == [b"first"]
    assert program.streams.wait_ms() == module.REST_MS
    clock.now_s += module.REST_MS / 1000
    program.streams.look_after()
    assert said(program) == [b"first", b"." * 100]
    clock.now_s += module.REST_MS / 1000
    program.streams.look_after()
    assert program.streams.wait_ms() is None, "it wakes up for nothing"
    os.write(program.stdout, b"later")
    program.turn()
    assert said(program)[2:] == [b"later"]


def test_a_rest_is_over_at_the_end_of_the_program(program: Program, clock: Clock) -> None:
    os.write(program.stdout, b"first")
    program.turn()
    os.write(program.stdout, b"last")
    program.again()
    assert said(program) == [b"first", b"last"]
    os.write(program.stdout, b"of another")
    program.turn()
    assert said(program)[2:] == [b"of another"]


def test_the_order_of_two_streams_and_of_displays_is_kept(program: Program, clock: Clock) -> None:
    for to, piece in (
        *((program.stdout, b"1"), (program.stdout, b"2"), (program.stderr, b"3")),
        *((program.stdout, b"4"), (program.stderr, b"5"), (program.stdout, b"6")),
    ):
        os.write(to, piece)
        program.turn()
    program.show(struct.pack("!I", 2) + b"{}")
    assert said(program) == [b"1", b"2", b"3", b"4", b"5", b"6", b"{}"]


def test_who_types_is_answered_at_once(program: Program, clock: Clock) -> None:
    os.write(program.stdout, b"name? ")
    program.turn()
    program.streams.push_stdin(b"x")
    os.write(program.stdout, b"x")
    program.turn()
    assert said(program) == [b"name? ", b"x"]


def test_much_at_a_time_never_rests(program: Program, clock: Clock) -> None:
    for _ in range(5):
        os.write(program.stdout, b"x" * 32 * 1024)
        program.turn()
        assert program.streams.wait_ms() is None
    assert len(said(program)) == 5


def test_no_more_input_is_held_than_was_told(program: Program) -> None:
    room = frames.INPUT_WINDOW_BYTES
    program.streams.push_stdin(b"x" * room)
    in_the_pipe = len(os.read(program.stdin, 1 << 20))
    assert 0 < in_the_pipe < room
    with pytest.raises(Exception, match="more input than there is room for"):
        program.streams.push_stdin(b"x" * (in_the_pipe + 1))


def test_input_arrives_in_order_and_is_told_of(program: Program) -> None:
    piece = os.urandom(frames.INPUT_CHUNK_BYTES)
    program.streams.push_stdin(piece)
    program.streams.push_stdin(piece[::-1])
    program.streams.end_stdin()
    assert program.read() == piece + piece[::-1]
    assert os.read(program.stdin, 1) == b""
    # whatever is kept back, another piece has room
    assert 2 * len(piece) - sum(program.taken()) <= frames.INPUT_UNTOLD_BYTES


def test_single_keys_are_not_told_of(program: Program) -> None:
    for _ in range(1000):
        program.streams.push_stdin(b"k")
    assert program.read() == b"k" * 1000
    assert program.taken() == []


@pytest.mark.parametrize("when", ["before", "between"])
def test_input_that_nobody_can_read_makes_room(program: Program, when: str) -> None:
    reader, program.stdin = program.stdin, os.open(os.devnull, os.O_RDONLY)
    piece = b"x" * frames.INPUT_CHUNK_BYTES
    sent = 0
    if when == "between":
        program.streams.push_stdin(piece)
        program.streams.push_stdin(piece)
        sent = 2 * len(piece)
    os.close(reader)
    program.turn()
    for _ in range(20):
        assert sent + len(piece) - sum(program.taken()) <= frames.INPUT_WINDOW_BYTES
        program.streams.push_stdin(piece)
        sent += len(piece)
    program.streams.end_stdin()


def display(content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + content


TOO_LARGE = frames.MAX_DISPLAY_BYTES + 1


def test_displays_arrive_however_they_are_cut(program: Program) -> None:
    contents = [b"", b"a", b"x" * 100_000, b"b" * 65_532, b""]
    written = b"".join(map(display, contents))
    program.show(*(written[at : at + 7919] for at in range(0, len(written), 7919)))
    assert program.shown() == contents
    for byte in display(b"one by one"):
        program.show(bytes([byte]))
    assert program.shown()[-1] == b"one by one"
    assert program.omitted() == (0, 0)


def test_exactly_what_is_too_large_is_passed_over_and_told(program: Program) -> None:
    largest = os.urandom(frames.MAX_DISPLAY_BYTES)
    program.show(
        display(b"before"), display(b"z" * TOO_LARGE) + display(b"after"), display(largest)
    )
    assert program.shown() == [b"before", b"after", largest]
    assert program.omitted() == (1, TOO_LARGE)


def test_what_is_passed_over_is_told_as_it_comes_and_is_not_held(program: Program) -> None:
    program.show(struct.pack("!I", 2**32 - 1))
    for count in range(1, 101):
        program.show(b"z" * 30_000)
        assert program.omitted() == (1, count * 30_000)
    assert all(len(what) < 100 for _, what in program.sent)


def test_a_display_left_unfinished_is_not_the_next_programs(program: Program) -> None:
    for unfinished in (display(b"half a display")[:9], struct.pack("!I", TOO_LARGE) + b"zz", b"\0"):
        program.show(unfinished)
        program.again()
        program.show(display(b"whole"))
        assert program.shown()[-1] == b"whole"


def test_what_was_displayed_before_the_end_arrives(program: Program) -> None:
    contents = [bytes([n]) * 5_000 for n in range(10)]
    for content in contents:
        os.write(program.display, display(content))
    program.again()
    assert program.shown() == contents
