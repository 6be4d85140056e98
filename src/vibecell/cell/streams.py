"""The program's standard streams, and what it displays.

Owns the pipes or the terminal between agent and program, in both directions;
refuses to interpret a byte. A stream that brings little at a time is read at once,
and then rests for a moment: a program that prints piece by piece would wake us, and
the engine, for each. Reading stops while the engine's socket is full, since sending
blocks. Listening to the engine never stops: it sends no more input than it was told
there is room for, so a control is heard whatever the program reads.
"""

import contextlib
import errno
import math
import os
import select
import time
from collections.abc import Callable

import displays
import frames
import runner
from pseudo_terminal import PseudoTerminal

CHUNK_BYTES = 64 * 1024
READ_EVENTS = select.POLLIN | select.POLLHUP | select.POLLERR
REST_MS = 4
_LITTLE_BYTES = 16 * 1024
_MAX_DRAINED_CHUNKS = 16


class Streams:
    """Standard input, output and error of one program after the other.

    Args:
        poll: the agent's; descriptors come and go in it.
        send: sends one frame to the engine, blocking.
        send_whole: the same for frames that are made already.
    """

    def __init__(
        self,
        poll: select.poll,
        send: Callable[[int, bytes], None],
        send_whole: Callable[[bytes], None],
    ) -> None:
        self._poll = poll
        self._display = -1
        self._send = send
        self._send_whole = send_whole
        self._displays = displays.Displays()
        self._outputs: dict[int, int] = {}
        self._resting: int | None = None
        self._rest_ends_s = 0.0
        self._stdin: int | None = None
        self._pending_stdin = bytearray()
        self._untold_bytes = 0
        self._eof_requested = False
        self._terminal: PseudoTerminal | None = None

    def connect(self, display: int) -> None:
        """Take the display FIFO's read end."""
        self._display = display

    def attach(self, program: runner.Runner, terminal: PseudoTerminal | None) -> None:
        """Begin with a program: its pipes, or its terminal."""
        self._terminal = terminal
        self._eof_requested = False
        if terminal is not None:
            for fd in (program.stdin, program.stdout, program.stderr):
                os.close(fd)
            self._outputs = {terminal.master: frames.STDOUT}
            self._stdin = os.dup(terminal.master)
        else:
            self._outputs = {program.stdout: frames.STDOUT, program.stderr: frames.STDERR}
            self._stdin = program.stdin
        for fd in (*self._outputs, self._stdin):
            os.set_blocking(fd, False)
        for fd in (*self._outputs, self._display):
            self._poll.register(fd, READ_EVENTS)

    def handle(self, fd: int) -> None:
        """Do what a descriptor that became ready asks for."""
        if fd == self._stdin:
            self._feed()
            return
        # what another stream has brought meanwhile was there before this
        alone = self._resting is None
        self.end_rest()
        if fd == self._display:
            self._relay_display()
        elif fd in self._outputs and 0 < self._relay(fd) < _LITTLE_BYTES and alone:
            self._poll.unregister(fd)
            self._resting, self._rest_ends_s = fd, time.monotonic() + REST_MS / 1000

    # in

    def push_stdin(self, data: bytes) -> None:
        """Give the program input, as soon as it takes it.

        Raises:
            FrameError: it is more than there was room for.
        """
        if len(self._pending_stdin) + len(data) > frames.INPUT_WINDOW_BYTES:
            raise frames.FrameError("more input than there is room for")
        self.end_rest()  # what answers it is waited for
        self._pending_stdin += data
        self._feed()

    def end_stdin(self) -> None:
        """End its input once all of it has been taken."""
        self._eof_requested = True
        self._feed()

    def _feed(self) -> None:
        if self._stdin is None:
            self._has_left(len(self._pending_stdin))  # its end was closed: nobody will read it
            return
        self._write_pending(self._stdin)
        if self._pending_stdin:
            self._poll.register(self._stdin, select.POLLOUT)
        else:
            self._forget(self._stdin)
            if self._eof_requested:
                self._end_input(self._stdin)

    def _write_pending(self, stdin: int) -> None:
        try:
            while self._pending_stdin:
                self._has_left(self._write(stdin, self._pending_stdin))
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self._has_left(len(self._pending_stdin))  # nobody will ever read it
            self._eof_requested |= self._terminal is None

    def _write(self, stdin: int, data: bytearray) -> int:
        return os.write(stdin, data) if self._terminal is None else self._terminal.type(data)

    def _has_left(self, size_bytes: int) -> None:
        """Make room, and tell of it before the engine may need it: not of every key."""
        del self._pending_stdin[:size_bytes]
        self._untold_bytes += size_bytes
        if self._untold_bytes > frames.INPUT_UNTOLD_BYTES:
            told, self._untold_bytes = self._untold_bytes, 0
            self._send_whole(frames.encode_control(frames.TAKEN, {"bytes": told}))

    def _end_input(self, stdin: int) -> None:
        if self._terminal is not None:
            self._eof_requested = False
            self._terminal.end_input()
            return
        os.close(stdin)
        self._stdin = None

    # out

    def wait_ms(self) -> int | None:
        """How long until ``look_after`` has something to do; ``None``: nothing."""
        waits_s = []
        if self._resting is not None:
            waits_s.append(self._rest_ends_s - time.monotonic())
        if self._terminal is not None and (wait_s := self._terminal.wait_s()) is not None:
            waits_s.append(wait_s)
        return max(0, math.ceil(min(waits_s) * 1000)) if waits_s else None

    def look_after(self) -> None:
        """Do what is due: for a stream that rests, and for who reads from the terminal."""
        self._go_on()
        if self._terminal is not None:
            self._terminal.tell_of_end()

    def _go_on(self) -> None:
        """Read a stream that has rested long enough, and let it rest again if it brings little."""
        fd, now_s = self._resting, time.monotonic()
        if fd is None or now_s < self._rest_ends_s:
            return
        if 0 < self._relay(fd) < _LITTLE_BYTES:
            self._rest_ends_s = now_s + REST_MS / 1000
        else:
            self.end_rest()

    def end_rest(self) -> None:
        """Read what a stream that rests has brought, and wait for more."""
        fd, self._resting = self._resting, None
        if fd is not None:
            self._poll.register(fd, READ_EVENTS)
            self._relay(fd)

    def _relay(self, fd: int) -> int:
        """Pass on one piece of output; returns its size, 0 when there is none now."""
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # every slave of the terminal is closed
        if not data:
            self._forget(fd)
        else:
            self._send(self._outputs[fd], data)
        return len(data)

    def _relay_display(self) -> bool:
        """Pass on what is displayed in one piece; false when there is nothing now."""
        try:
            data = os.read(self._display, CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._send_whole(self._displays.feed(data))
        return True

    # the terminal

    def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size, which tells the program by SIGWINCH."""
        if self._terminal is not None:
            self._terminal.resize(columns, rows)

    def foreground_group(self) -> int | None:
        """The process group that has the terminal; ``None`` without one."""
        if self._terminal is None:
            return None
        with contextlib.suppress(OSError):
            return self._terminal.foreground_group() or None
        return None

    # the end

    def finish(self) -> None:
        """Drain what pipes still hold, once nobody can write; let them go."""
        self._resting = None
        if self._terminal is not None:
            self._terminal.let_go_of_slave()
        for fd in self._outputs:
            left = _MAX_DRAINED_CHUNKS
            while left and self._relay(fd):
                left -= 1
        left = _MAX_DRAINED_CHUNKS
        while left and self._relay_display():
            left -= 1
        self._displays.reset()
        for fd in (*self._outputs, *([] if self._stdin is None else [self._stdin])):
            self._forget(fd)
            os.close(fd)
        self._forget(self._display)
        self._outputs, self._stdin, self._terminal = {}, None, None
        self._pending_stdin.clear()
        self._untold_bytes = 0

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(fd)
