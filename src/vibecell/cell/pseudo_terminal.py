"""The terminal of a program, at its master's end: what a keyboard and a screen would do.

Owns its size, what is typed into it and how the end of input is told; refuses to interpret
output. The agent keeps the slave open as well, for two questions that the master has no
answer to: in which mode the terminal is, and whether what was typed has been read.

While a terminal edits lines (canonical mode), its end of input is a mark that one read sees:
as nothing where a line begins, and in mid-line as the end of a piece. So after the end
the mark is set again whenever the last one was read, for whoever reads next. In any
other mode there is no such mark. A program that edits lines by itself (readline, Node.js)
knows the character for it, and gets it once, as from a keyboard, and again only after it
was in canonical mode in between.

The kernel holds 4095 bytes of a line and drops what comes beyond. So a longer one is given in
pieces, each ended by a mark, which in mid-line no reader of lines can tell from a short read.

Source: termios(3), "Canonical and noncanonical mode"; n_tty.c, n_tty_receive_char_special()
"""

import fcntl
import os
import select
import struct
import termios
import time

_IUTF8 = 0x4000  # source: asm-generic/termbits.h; unknown to Python's termios
_MOST_OF_A_LINE_BYTES = 4000
_LOOKS_S = (0.002, 0.064)  # soon after a mark, and seldom while nobody reads
_OFF = b"\0"  # source: _POSIX_VDISABLE
_DELETE = 0x7F
_CONTROLS_END = 0x20
_DISCIPLINE_GONE = (OSError, termios.error)


class PseudoTerminal:
    """A program's terminal.

    Args:
        master, slave: its two ends; they are closed with it.
    """

    def __init__(self, master: int, slave: int) -> None:
        self.master = master
        self._slave = slave
        self._unread = select.poll()
        self._unread.register(slave, select.POLLIN)
        self._line_bytes = 0  # of one that was begun, since the last mark in it
        self._last_byte = 0
        self._looks_at_s: float | None = None  # once the input has ended
        self._pause_s = 0.0
        self._has_typed_end = False

    def set_up(self, columns: int, rows: int) -> None:
        """Give it its size, and have it erase characters, where else it erases bytes.

        Source: termios(3), IUTF8
        """
        attributes = termios.tcgetattr(self._slave)
        attributes[0] |= _IUTF8
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Set its size, which tells the program by SIGWINCH.

        Source: ioctl_tty(2), TIOCSWINSZ
        """
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def foreground_group(self) -> int:
        """The process group that has it; 0: none. Raises OSError where it is gone."""
        return os.tcgetpgrp(self.master)

    def type(self, data: bytes | bytearray) -> int:
        """Type some of this; return how many bytes of it.

        Raises:
            OSError: ``BlockingIOError`` while it takes none.
        """
        room = _MOST_OF_A_LINE_BYTES - self._line_bytes
        # a mark must not come where all of a piece may have been erased again
        if room <= 0 and _CONTROLS_END <= self._last_byte != _DELETE:
            if end := self._end_of_line_editing():
                os.write(self.master, end)
            self._line_bytes, room = 0, _MOST_OF_A_LINE_BYTES
        typed = os.write(self.master, data[: max(1, room)])
        began = max(data.rfind(b"\n", 0, typed), data.rfind(b"\r", 0, typed)) + 1
        self._line_bytes = typed - began + (0 if began else self._line_bytes)
        self._last_byte = data[typed - 1]
        return typed

    def _end_of_line_editing(self) -> bytes:
        """The character that ends a line or the input; nothing in another mode."""
        try:
            attributes = termios.tcgetattr(self._slave)
        except termios.error:
            return b""  # hung up
        end: bytes = attributes[6][termios.VEOF]
        return end if attributes[3] & termios.ICANON and end != _OFF else b""

    def end_input(self) -> None:
        """No more is typed, and whoever reads is to know."""
        self._pause_s = _LOOKS_S[0]
        self._looks_at_s = time.monotonic()
        self.tell_of_end()

    def wait_s(self) -> float | None:
        """How long until it is to be looked after again; ``None``: not."""
        return None if self._looks_at_s is None else self._looks_at_s - time.monotonic()

    def tell_of_end(self) -> None:
        """Where the input has ended, tell who reads next, unless that is told already."""
        now_s = time.monotonic()
        if self._looks_at_s is None or now_s < self._looks_at_s:
            return
        try:
            has_told = not self._unread.poll(0) and self._tell()
        except BlockingIOError:  # it takes nothing at the moment
            has_told = False
        except _DISCIPLINE_GONE:  # hung up: every read ends, and by itself
            self._looks_at_s = None
            return
        self._pause_s = _LOOKS_S[0] if has_told else min(2 * self._pause_s, _LOOKS_S[1])
        self._looks_at_s = now_s + self._pause_s

    def _tell(self) -> bool:
        attributes = termios.tcgetattr(self._slave)
        edits_lines = bool(attributes[3] & termios.ICANON)
        end = attributes[6][termios.VEOF]
        if end == _OFF or (self._has_typed_end and not edits_lines):
            return False
        os.write(self.master, end)
        self._has_typed_end = not edits_lines
        return True

    def let_go_of_slave(self) -> None:
        """Before its output is drained: what then is read has an end."""
        if self._slave >= 0:
            os.close(self._slave)
            self._slave, self._looks_at_s = -1, None
