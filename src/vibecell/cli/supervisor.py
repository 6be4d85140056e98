"""Keeps engine and gateway alive, and ends them together.

Owns the two child processes; refuses to look at what they do. A child that
dies is started again at once, then with growing pauses if it keeps dying. A
child that dies before it was ever ready ends the service: it has said why.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vibecell.model.stopping import STOP_S

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_AFTER_S = 30.0
_POLL_S = 0.02


class StartFailed(Exception):
    """A child ended, or said nothing in time, before it was ready."""


class Stopped(Exception):
    """A signal asked us to stop while we waited."""


@dataclass
class Child:
    """A child process that is to be kept alive.

    Attributes:
        name: for messages.
        spawn: starts its process.
    """

    name: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    began_at_s: float = 0.0
    due_at_s: float = field(default=0.0)

    def start(self) -> None:
        """Start it now."""
        self.process = self.spawn()
        self.began_at_s = time.monotonic()

    def poll(self) -> str | None:
        """Notice a death and plan the next start; say what happened."""
        if self.process is None or self.process.poll() is None:
            return None
        status, self.process = self.process.returncode, None
        now_s = time.monotonic()
        self.deaths = 1 if now_s - self.began_at_s > _STEADY_AFTER_S else self.deaths + 1
        pause_s = _PAUSES_S[min(self.deaths - 1, len(_PAUSES_S) - 1)]
        self.due_at_s = now_s + pause_s
        return f"{self.name} ended with status {status}; starting it again"

    def start_if_due(self) -> None:
        """Start it if it is dead and its pause is over."""
        if self.process is None and time.monotonic() >= self.due_at_s:
            self.start()


class Supervisor:
    """Children and the signals that concern them.

    Args:
        say: takes one line for a person.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self._stopping = False

    def add(self, child: Child) -> None:
        """Start a child and keep it."""
        child.start()
        self._children.append(child)

    def wait_until(self, ready: Callable[[], bool], deadline_s: float) -> None:
        """Wait for a first start.

        Raises:
            StartFailed: a child ended, or it took too long.
            Stopped: we were asked to stop.
        """
        end_s = time.monotonic() + deadline_s
        while not ready():
            if self._stopping:
                raise Stopped
            for child in self._children:
                if child.process is None or child.process.poll() is not None:
                    raise StartFailed(f"the {child.name} did not start")
            if time.monotonic() > end_s:
                raise StartFailed("it took too long")
            time.sleep(_POLL_S)

    def run(self) -> None:
        """Keep the children alive until a signal says stop."""
        with _wakeups() as wait:
            while not self._stopping:
                for child in self._children:
                    message = child.poll()
                    if message is not None:
                        self._say(message)
                    child.start_if_due()
                wait(self._pause_s())

    def _pause_s(self) -> float | None:
        due = [c.due_at_s for c in self._children if c.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take stop signals as wishes, and hear of children's deaths."""

        def stop(_number: int, _frame: object) -> None:
            self._stopping = True

        previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _n, _f: None)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End every child, last started first; kill what does not go in time."""
        end_s = time.monotonic() + STOP_S
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"the {child.name} did not stop in time; killing it")
                child.process.kill()
                child.process.wait()


@contextlib.contextmanager
def _wakeups() -> Iterator[Callable[[float | None], None]]:
    """A wait that any handled signal ends, without a race.

    Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
    """
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    previous = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(reading, selectors.EVENT_READ)

    def wait(timeout_s: float | None) -> None:
        # A bound, for a signal that came before the wake-up descriptor was set.
        if selector.select(0.5 if timeout_s is None else min(timeout_s, 0.5)):
            with contextlib.suppress(BlockingIOError):
                os.read(reading.fileno(), 4096)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(previous)
        selector.close()
        reading.close()
        writing.close()
