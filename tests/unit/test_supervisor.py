"""The supervisor: a child that dies is started again, one that never starts ends it all."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from vibecell.cli import supervisor as supervision
from vibecell.cli.supervisor import Child, GaveUp, StartFailed, Stopped, Supervisor
from vibecell.model.errors import PlatformError

STOP_S = 4.0
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def child(command: list[str]) -> Child:
    return Child("sleeper", lambda: subprocess.Popen(command), STOP_S)


def test_a_child_that_dies_is_started_again_at_once() -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    sleeper = child(SLEEP)
    pids: list[int] = []

    def watch() -> None:
        assert sleeper.process is not None
        pids.append(sleeper.process.pid)
        sleeper.process.kill()
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            process = sleeper.process
            if process is not None and process.pid != pids[0]:
                pids.append(process.pid)
                break
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with supervisor.signals():
        supervisor.add(sleeper)
        thread = threading.Thread(target=watch)
        thread.start()
        supervisor.run()
        thread.join()
        supervisor.stop()
    assert len(pids) == 2
    assert said == ["sleeper ended with status -9; starting it again"]
    assert sleeper.process is not None
    assert sleeper.process.returncode == -signal.SIGTERM


def test_pauses_grow_while_a_child_keeps_dying() -> None:
    fleeting = child([sys.executable, "-S", "-c", ""])
    pauses = []
    for _ in range(3):
        fleeting.start()
        assert fleeting.process is not None
        fleeting.process.wait()
        assert fleeting.tend() is not None
        pauses.append(round(fleeting.due_at_s - time.monotonic(), 1))
    assert pauses == [0.0, 0.2, 0.5]


NO_PROCESS = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def failing(
    failures: int, error: Exception = NO_PROCESS, command: list[str] = SLEEP
) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts once, then fails so often, then starts again."""
    calls = iter(range(failures + 1))

    def spawn() -> subprocess.Popen[bytes]:
        if 0 < next(calls, 0) <= failures:
            raise error
        return subprocess.Popen(command)

    return spawn


@pytest.mark.parametrize(
    "error", [NO_PROCESS, PlatformError("start a child process", "Cannot allocate memory")]
)
def test_a_start_that_fails_is_tried_again(error: Exception) -> None:
    said: list[str] = []
    supervisor = Supervisor(said.append)
    sleeper = Child("sleeper", failing(3, error), STOP_S, pauses_s=(0.0, 0.01))

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 4:  # three starts have failed, the next one will not
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

    supervisor = Supervisor(say)
    with supervisor.signals():
        supervisor.add(sleeper)
        assert sleeper.process is not None
        sleeper.process.kill()
        supervisor.run()
        alive = sleeper.process is not None and sleeper.process.poll() is None
        supervisor.stop()
    assert alive
    assert said == [
        "sleeper ended with status -9; starting it again",
        *[f"sleeper could not be started: {error}; starting it again"] * 3,
    ]


def test_a_start_that_fails_counts_like_a_death() -> None:
    sleeper = Child("sleeper", failing(10), STOP_S)
    sleeper.start()
    assert sleeper.process is not None
    sleeper.process.kill()
    sleeper.process.wait()
    pauses = []
    for _ in range(3):
        assert sleeper.tend() is not None
        pauses.append(round(sleeper.due_at_s - time.monotonic(), 1))
        sleeper.due_at_s = 0.0
    assert pauses == [0.0, 0.2, 0.5]


@pytest.mark.parametrize("command", [SLEEP, [sys.executable, "-S", "-c", ""]])
def test_what_fails_again_and_again_is_given_up_with_its_reason(command: list[str]) -> None:
    """Whether it cannot be started, or is started and dies."""
    said: list[str] = []
    supervisor = Supervisor(said.append)
    failures = supervision.MAX_FAILURES if command is SLEEP else 0
    hopeless = Child("hopeless", failing(failures, command=command), STOP_S, pauses_s=(0.0,))
    sound = child(SLEEP)
    with supervisor.signals():
        supervisor.add(hopeless)
        supervisor.add(sound)
        assert hopeless.process is not None
        hopeless.process.kill()
        reason = "temporarily unavailable" if command is SLEEP else "ended with status 0"
        with pytest.raises(GaveUp, match=f"hopeless .*{reason}, the 10th failure within 120 s"):
            supervisor.run()
        supervisor.stop()
    assert len(said) == supervision.MAX_FAILURES - 1
    assert sound.process is not None
    assert sound.process.returncode == -signal.SIGTERM, "the other child is told, not killed"


def test_failures_far_from_each_other_are_not_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "WINDOW_S", 0.05)
    fleeting = Child("fleeting", failing(1000), STOP_S, pauses_s=(0.01,))
    fleeting.start()
    assert fleeting.process is not None
    fleeting.process.kill()
    fleeting.process.wait()
    for _ in range(3 * supervision.MAX_FAILURES):
        assert fleeting.tend() is not None
        time.sleep(0.011)


def test_a_child_that_the_service_does_not_need_is_tried_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "SAY_EVERY_S", 0.3)
    said: list[tuple[float, str]] = []
    starts: list[float] = []

    def spawn() -> subprocess.Popen[bytes]:
        starts.append(time.monotonic())
        if len(starts) == 5 * supervision.MAX_FAILURES:
            os.kill(os.getpid(), signal.SIGTERM)
        if len(starts) == 1:
            return subprocess.Popen(SLEEP)
        raise NO_PROCESS

    supervisor = Supervisor(lambda line: said.append((time.monotonic(), line)))
    needless = Child("needless", spawn, STOP_S, pauses_s=(0.0, 0.02), is_needed=False)
    sound = child(SLEEP)
    with supervisor.signals():
        supervisor.add(needless)
        supervisor.add(sound)
        assert needless.process is not None and sound.process is not None
        needless.process.kill()
        supervisor.run()
        assert sound.process.poll() is None, "and nobody else is disturbed"
        supervisor.stop()
    assert 3 <= len(said) <= 3 + (starts[-1] - starts[0]) / 0.3, "the first ones, then now and then"
    assert said[0][1] == "needless ended with status -9; starting it again"
    late = [at_s for at_s, _ in said[2:]]
    assert all(after - before >= 0.3 for before, after in pairwise(late))


def test_pauses_for_one_that_is_not_needed_grow_to_a_minute() -> None:
    pauses = supervision.LONG_PAUSES_S
    assert list(pauses) == sorted(pauses) and pauses[-1] == 60.0


def test_a_child_that_ends_before_it_is_ready_is_a_failed_start() -> None:
    supervisor = Supervisor(lambda _line: None)
    supervisor.add(child([sys.executable, "-S", "-c", "raise SystemExit(3)"]))
    with pytest.raises(StartFailed, match="sleeper did not start"):
        supervisor.wait_until(lambda: False, 10.0)


def test_a_signal_ends_the_wait_for_readiness() -> None:
    supervisor = Supervisor(lambda _line: None)
    with supervisor.signals():
        supervisor.add(child(SLEEP))
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            supervisor.wait_until(lambda: False, 10.0)
        supervisor.stop()


def test_a_signal_during_the_start_ends_what_waits_there() -> None:
    supervisor = Supervisor(lambda _line: None)
    with supervisor.signals():
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began_s = time.monotonic()
        with pytest.raises(Stopped), supervisor.interruptible():
            time.sleep(30)
        assert time.monotonic() - began_s < 20
        with pytest.raises(Stopped), supervisor.interruptible():
            pytest.fail("it was asked to stop before")


def test_a_second_signal_disturbs_nobody_who_tidies_up() -> None:
    supervisor = Supervisor(lambda _line: None)
    tidied = False
    with supervisor.signals():
        try:
            with pytest.raises(Stopped), supervisor.interruptible():
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(30)
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.05)
                    tidied = True
        finally:
            supervisor.stop()
    assert tidied


def test_a_hangup_that_nohup_ignores_is_left_alone() -> None:
    supervisor = Supervisor(lambda _line: None)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with supervisor.signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with supervisor.signals():
            supervisor.add(child(SLEEP))
            os.kill(os.getpid(), signal.SIGHUP)
            supervisor.run()
            supervisor.stop()
    finally:
        signal.signal(signal.SIGHUP, before)
