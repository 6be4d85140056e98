"""Keeps the processes of the service alive, and ends them together.

Owns its child processes; refuses to look at what they do. A child that
dies is started again at once, then with growing pauses if it keeps dying. One that
cannot be started, because the host has no process, memory or descriptor left at
that moment, is tried again likewise. Only a child that fails again and again within a short
time ends the service, and only if that needs it: another is tried for ever, more and more
seldom, and that is said now and then. A child that dies before it was ever ready ends it at
once: it has said why.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vibecell.model.errors import PlatformError
from vibecell.model.stopping import DEATH_DEADLINE_S

# A terminal that is closed is one way of ending what runs in it.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MAX_FAILURES = 10
WINDOW_S = 120.0
PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
#: Of one without which the service goes on.
LONG_PAUSES_S = (*PAUSES_S, 20.0, 40.0, 60.0)
SAY_EVERY_S = 600.0
_STEADY_AFTER_S = 30.0
_POLL_S = 0.02


class StartFailed(Exception):
    """A child ended, or said nothing in time, before it was ready."""


class GaveUp(Exception):
    """A child has failed too often within a short time."""


class Stopped(BaseException):
    """A signal asked us to stop during the start; no failure, so nothing may take it for one."""


@dataclass
class Child:
    """A child process that is to be kept alive.

    Attributes:
        name: for messages.
        spawn: starts its process; raises ``PlatformError`` or an ``OSError`` where it cannot.
        stop_s: from SIGTERM to SIGKILL, when it is to stop.
        pauses_s: before it is started again after the first failure, the second, ….
        is_needed: whether the service ends where it fails again and again.
    """

    name: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    stop_s: float
    pauses_s: tuple[float, ...] = PAUSES_S
    is_needed: bool = True
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    began_at_s: float = 0.0
    due_at_s: float = 0.0
    _said_at_s: float = 0.0
    _failed_at_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))

    def start(self) -> None:
        """Start it now; raises what ``spawn`` does."""
        self.began_at_s = time.monotonic()
        self.process = self.spawn()

    def tend(self) -> str | None:
        """Notice its death, or start it if that is due; what failed, for a person.

        Raises:
            GaveUp: it was once too often.
        """
        if self.process is not None:
            if (status := self.process.poll()) is None:
                return None
            self.process = None
            return self._failed(f"{self.name} ended with status {status}")
        if time.monotonic() < self.due_at_s:
            return None
        try:
            self.start()
        except (PlatformError, OSError) as error:
            return self._failed(f"{self.name} could not be started: {error}")
        return None

    def _failed(self, how: str) -> str | None:
        """Plan the next start; how long it was alive decides how soon that is."""
        now_s = time.monotonic()
        self.deaths = 1 if now_s - self.began_at_s > _STEADY_AFTER_S else self.deaths + 1
        self.due_at_s = now_s + self.pauses_s[min(self.deaths, len(self.pauses_s)) - 1]
        self._failed_at_s.append(now_s)
        if self.is_needed:
            if len(self._failed_at_s) == MAX_FAILURES and now_s - self._failed_at_s[0] < WINDOW_S:
                raise GaveUp(f"{how}, the {MAX_FAILURES}th failure within {WINDOW_S:.0f} s")
        elif self.deaths > len(self.pauses_s) and now_s - self._said_at_s < SAY_EVERY_S:
            return None
        self._said_at_s = now_s
        return f"{how}; starting it again"


class Supervisor:
    """Children and the signals that concern them.

    Args:
        say: takes one line for a person; raises nothing.

    Attributes:
        has_killed: whether a child did not stop when it was told to.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self.has_killed = False
        self._stopping = False
        self._interrupts = False

    def add(self, child: Child) -> None:
        """Start a child and keep it; raises what its ``spawn`` does."""
        child.start()
        self._children.append(child)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a stop signal end at once what is done meanwhile, however long that waits.

        Raises:
            Stopped: one came, now or before.
        """
        self._interrupts = True
        try:
            if self._stopping:
                raise Stopped
            yield
        finally:
            self._interrupts = False

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
        """Keep the children alive until a signal says stop.

        Raises:
            GaveUp: one of them cannot be.
        """
        with _wakeups() as wait:
            while not self._stopping:
                for child in self._children:
                    if (message := child.tend()) is not None:
                        self._say(message)
                wait(self._pause_s())

    def _pause_s(self) -> float | None:
        due = [c.due_at_s for c in self._children if c.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take stop signals as wishes, and hear of children's deaths.

        A further one, during the stop, changes nothing: that has its deadlines.
        """

        def stop(_number: int, _frame: object) -> None:
            self._stopping = True
            if self._interrupts:
                self._interrupts = False  # once: what it ends may have to tidy up
                raise Stopped

        # nohup(1) ignores it, so that a command outlives its terminal
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        wanted = set(STOP_SIGNALS) - ignored
        previous = {number: signal.signal(number, stop) for number in wanted}
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _n, _f: None)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End every child; kill, and say so, what does not go in its time.

        All are told at once, the one started last first, and the time of each runs from then on.
        """
        began_s = time.monotonic()
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in sorted(self._children, key=lambda child: child.stop_s):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, began_s + child.stop_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.has_killed = True
                self._say(f"the {child.name} did not stop in {child.stop_s:g} s; killing it")
                self._kill(child.process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        try:
            process.wait(DEATH_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._say(f"process {process.pid} does not end, though it was killed")


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
