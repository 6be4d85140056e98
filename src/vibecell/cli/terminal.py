"""This side's terminal.

Owns its mode while a program at the other end has one of its own; refuses to
leave it changed.
"""

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator

from vibecell.model.execution import MAX_TERMINAL_CELLS


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Pass every key on as it is typed: the program's terminal does the rest.

    Source: termios(3), cfmakeraw
    """
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def terminal_size() -> tuple[int, int]:
    """Columns and rows of standard output's terminal; 80 and 24 where it has none."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return 80, 24
    # a fresh terminal is 0 by 0
    return min(size.columns or 80, MAX_TERMINAL_CELLS), min(size.lines or 24, MAX_TERMINAL_CELLS)
