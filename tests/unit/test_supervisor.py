"""The supervisor: a child that dies is started again, one that never starts ends it all."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from vibecell.cli.supervisor import Child, StartFailed, Stopped, Supervisor
from vibecell.gateway.http.serving import ServerLimits
from vibecell.model.stopping import CONTAINERS_STOP_S, STOP_S

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def child(command: list[str]) -> Child:
    return Child("sleeper", lambda: subprocess.Popen(command))


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
        assert fleeting.poll() is not None
        pauses.append(round(fleeting.due_at_s - time.monotonic(), 1))
    assert pauses == [0.0, 0.2, 0.5]


def test_a_child_that_ends_before_it_is_ready_is_a_failed_start() -> None:
    supervisor = Supervisor(lambda _line: None)
    supervisor.add(child([sys.executable, "-S", "-c", "raise SystemExit(3)"]))
    with pytest.raises(StartFailed, match="sleeper did not start"):
        supervisor.wait_until(lambda: False, 10.0)


def test_what_children_do_when_they_are_told_to_stop_is_over_before_they_are_killed() -> None:
    assert ServerLimits().stop_s < STOP_S
    assert CONTAINERS_STOP_S < STOP_S


def test_a_signal_ends_the_wait_for_readiness() -> None:
    supervisor = Supervisor(lambda _line: None)
    with supervisor.signals():
        supervisor.add(child(SLEEP))
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            supervisor.wait_until(lambda: False, 10.0)
        supervisor.stop()
