"""Between agent and program: what is held, what is told, and where a reader keeps its place."""

import importlib
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

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
        self.sent: list[tuple[int, Any]] = []
        self.poll = select.poll()
        self.stdin, stdin = os.pipe()
        stdout, self.stdout = os.pipe()
        stderr, self.stderr = os.pipe()
        self.shown, self.display = os.pipe()
        os.set_blocking(self.shown, False)
        os.set_blocking(self.stdin, False)
        self.streams = module.Streams(self.poll, self._tell, self._tell)
        self.streams.connect(self.shown)
        ends = SimpleNamespace(stdin=stdin, stdout=stdout, stderr=stderr)
        self.streams.attach(ends, None)

    def _tell(self, kind: int, what: Any) -> None:
        self.sent.append((kind, what))

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
        return [what["bytes"] for kind, what in self.sent if kind == frames.TAKEN]

    def close(self) -> None:
        for fd in (self.stdout, self.stderr):
            os.close(fd)
        self.streams.finish()
        for fd in (self.stdin, self.shown, self.display):
            os.close(fd)


@pytest.fixture
def program(module: ModuleType) -> Iterator[Program]:
    program = Program(module)
    yield program
    program.close()


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
