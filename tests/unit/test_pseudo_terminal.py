"""What a program reads from its terminal, on a real one of the kernel's."""

import contextlib
import os
import select
import termios
import tty
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from cell_programs import cell_program

module: ModuleType = cell_program("pseudo_terminal")


class Reading:
    """The far side: a program that reads, and a clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        clock = SimpleNamespace(monotonic=lambda: self.now_s)
        monkeypatch.setattr(module, "time", clock)
        master, self.slave = os.openpty()
        self._reader = os.dup(self.slave)
        os.set_blocking(master, False)
        self.terminal = module.PseudoTerminal(master, self.slave)
        self.terminal.set_up(80, 24)

    def type(self, data: bytes) -> None:
        while data:
            data = data[self.terminal.type(data) :]

    def pass_time(self) -> None:
        """Until it wants to be looked after again, and then do so."""
        self.now_s += (self.terminal.wait_s() or 0.0) + 0.0001
        self.terminal.tell_of_end()

    def read(self) -> bytes | None:
        """One read; ``None``: it would wait. What is echoed is read as well."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.terminal.master, 1 << 16)
        if not select.select([self._reader], [], [], 0)[0]:
            return None
        return os.read(self._reader, 1 << 16)

    def read_while_typing(self, data: bytes) -> bytes:
        """What is read until all is typed, by who reads only where there is no more room."""
        read = b""
        while data:
            try:
                data = data[self.terminal.type(data) :]
            except BlockingIOError:
                read += self.read() or b""
        return read

    def read_all(self) -> bytes:
        """As ``sys.stdin.read()`` does, while time passes."""
        read = b""
        while (piece := self.read()) != b"":
            read += piece or b""
            self.pass_time()
        return read

    def close(self) -> None:
        self.terminal.let_go_of_slave()
        os.close(self.terminal.master)
        os.close(self._reader)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    reading = Reading(monkeypatch)
    yield reading
    reading.close()


def test_its_size_is_told(reading: Reading) -> None:
    assert os.get_terminal_size(reading.slave) == (80, 24)
    reading.terminal.resize(132, 43)
    assert os.get_terminal_size(reading.slave) == (132, 43)


@pytest.mark.parametrize("character", ["é", "漢", "🙂", "a"])
def test_backspace_takes_a_character(reading: Reading, character: str) -> None:
    reading.type(f"caf{character}\x7fe\n".encode())
    assert reading.read() == b"cafe\n"


@pytest.mark.parametrize("typed", [b"", b"a line\n", b"no newline", b"a\nb", b"x" * 4000])
def test_input_ends_wherever_it_is_for_every_later_reader(reading: Reading, typed: bytes) -> None:
    reading.type(typed)
    reading.terminal.end_input()
    assert reading.read_all() == typed
    for _later in range(3):
        reading.pass_time()
        assert reading.read() == b""


def test_who_does_not_read_is_told_once(reading: Reading) -> None:
    reading.type(b"a line\n")
    reading.terminal.end_input()
    for _ in range(20):
        reading.pass_time()
    assert [reading.read(), reading.read()] == [b"a line\n", None]
    for _ in range(20):
        reading.pass_time()
    assert [reading.read(), reading.read()] == [b"", None]


def test_who_edits_lines_by_itself_gets_the_character_once(reading: Reading) -> None:
    tty.setraw(reading.slave)
    reading.type(b"key")
    assert reading.read() == b"key"
    reading.terminal.end_input()
    for _ in range(20):
        reading.pass_time()
    assert [reading.read(), reading.read()] == [b"\x04", None]
    for _ in range(20):
        reading.pass_time()
    assert reading.read() is None


def test_readers_of_both_kinds_after_each_other(reading: Reading) -> None:
    """As readline does, which edits lines by itself for as long as it reads one."""
    before = termios.tcgetattr(reading.slave)
    reading.terminal.end_input()
    for _ in range(3):
        assert reading.read() == b""
        tty.setraw(reading.slave)
        reading.pass_time()
        assert reading.read() == b"\x04"
        termios.tcsetattr(reading.slave, termios.TCSANOW, before)
        reading.pass_time()


def test_the_character_is_the_one_that_the_program_has_chosen(reading: Reading) -> None:
    attributes = termios.tcgetattr(reading.slave)
    attributes[6][termios.VEOF] = b"\x05"
    termios.tcsetattr(reading.slave, termios.TCSANOW, attributes)
    reading.type(b"\x04 is typed")
    reading.terminal.end_input()
    assert reading.read_all() == b"\x04 is typed"


@pytest.mark.parametrize("typed", [b"", b"a \x04 b\n", b"x" * 6000])
def test_where_a_program_has_taken_the_character_away_it_waits_until_it_wants_one(
    reading: Reading, typed: bytes
) -> None:
    """It has said that nothing typed ends its input; a NUL, which stands for that, is none, too."""
    chosen = termios.tcgetattr(reading.slave)
    without = termios.tcgetattr(reading.slave)
    without[6][termios.VEOF] = b"\0"
    termios.tcsetattr(reading.slave, termios.TCSANOW, without)
    reading.type(typed)
    reading.terminal.end_input()
    read = reading.read() or b""
    for _ in range(20):
        reading.pass_time()
    assert (read, reading.read()) == (typed if typed.endswith(b"\n") else b"", None)
    termios.tcsetattr(reading.slave, termios.TCSANOW, chosen)
    assert typed.startswith(read + reading.read_all())


def test_it_is_looked_after_seldom_while_nobody_reads_and_soon_after_who_did(
    reading: Reading,
) -> None:
    assert reading.terminal.wait_s() is None
    reading.terminal.end_input()
    for _ in range(10):
        reading.pass_time()
    assert reading.terminal.wait_s() == pytest.approx(0.064)
    assert reading.read() == b""
    reading.pass_time()
    assert reading.terminal.wait_s() == pytest.approx(0.002)


@pytest.mark.parametrize("size", [4094, 4095, 4096, 6000, 20_000])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_any_length_arrives_whole(reading: Reading, size: int, end: bytes) -> None:
    line = (b"0123456789abcdef" * (size // 16 + 1))[:size] + end
    read = reading.read_while_typing(line * 2)
    reading.terminal.end_input()
    assert read + reading.read_all() == line * 2


def test_a_long_line_that_is_erased_again_does_not_end_the_input(reading: Reading) -> None:
    for erased in (b"\x15", b"\x7f" * 5000):
        reading.type(b"x" * 3999 + erased)
        reading.type(b"kept\n")
        read = b""
        while piece := reading.read():
            read += piece
        assert piece is None
        assert read.endswith(b"kept\n")


def test_keys_are_passed_on_as_they_are(reading: Reading) -> None:
    tty.setraw(reading.slave)
    keys = bytes(range(256)) * 64
    read = reading.read_while_typing(keys)
    while len(read) < len(keys):
        read += reading.read() or b""
    assert read == keys


def test_who_hangs_up_needs_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(monkeypatch)

    def gone(_fd: int) -> list[object]:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(module.termios, "tcgetattr", gone)
    reading.terminal.end_input()
    assert reading.terminal.wait_s() is None
    reading.type(b"x" * 5000 + b"\n")
    reading.close()
