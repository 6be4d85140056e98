"""What the two processes of the service are told."""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from vibecell.cli import children
from vibecell.config import Settings, unpack
from vibecell.model.errors import PlatformError

KEY = "k" * 32
GIVEN = Settings(state_dir=Path("/s"), run_dir=Path("/r"), host="0.0.0.0", api_keys=(KEY,))


def told(patch: pytest.MonkeyPatch, role: children.Role, settings: Settings) -> bytes:
    """What a child would read from its pipe."""
    seen = []

    def popen(command: list[str], **options: Any) -> None:
        assert KEY not in " ".join(command)
        assert KEY not in repr(options["env"])
        seen.append(os.read(options["pass_fds"][0], 100_000))

    patch.setattr("subprocess.Popen", popen)
    children.start(role, settings)
    return seen[0]


def test_the_gateway_is_told_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpack(told(monkeypatch, "gateway", GIVEN), Settings) == GIVEN


def test_the_engine_is_told_everything_but_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(monkeypatch, "engine", GIVEN)
    assert KEY.encode() not in data
    assert unpack(data, Settings) == Settings(state_dir=Path("/s"), run_dir=Path("/r"))


def test_only_a_courier_may_fail_for_ever_and_leave_the_service_as_it_is() -> None:
    with socket.socket() as listener:
        kept = (children.gateway(GIVEN, listener), children.courier(GIVEN, listener))
    assert {child.name: child.is_needed for child in (children.engine(GIVEN), *kept)} == {
        "engine": True,
        "gateway": True,
        "courier": False,
    }


def test_settings_that_no_pipe_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(f"{number:032}" for number in range(3000))
    with pytest.raises(PlatformError, match="the settings are too long"):
        told(monkeypatch, "gateway", Settings(api_keys=keys))


def test_a_host_without_descriptors_is_a_failure_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("os.pipe", pipe)
    with pytest.raises(PlatformError, match="Too many open files"):
        children.start("gateway", GIVEN)


@pytest.mark.parametrize("error", [OSError(errno.EAGAIN, "no process left"), MemoryError()])
def test_a_host_without_processes_or_memory_is_one_too(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def popen(*_args: Any, **_options: Any) -> None:
        raise error

    monkeypatch.setattr("subprocess.Popen", popen)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(PlatformError, match=r"no process left|no memory"):
        children.start("gateway", GIVEN)
    assert os.listdir("/proc/self/fd") == before


def test_a_pipe_that_is_too_small_is_a_failure_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel makes small ones for a user who has many."""
    make = os.pipe

    def small() -> tuple[int, int]:
        reading, writing = make()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        return reading, writing

    monkeypatch.setattr("os.pipe", small)
    keys = tuple(f"{number:032}" for number in range(300))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(PlatformError, match="too small"):
        children.start("gateway", Settings(api_keys=keys))
    assert os.listdir("/proc/self/fd") == before


def test_each_child_is_told_how_often_one_was_started_before_it() -> None:
    told: list[int] = []

    def spawn(restarts: int) -> Any:
        told.append(restarts)
        if len(told) == 2:
            raise OSError("no process is left")

    spawned = children._counting(spawn)
    spawned()
    with pytest.raises(OSError, match="no process"):
        spawned()
    spawned()
    spawned()
    assert told == [0, 1, 1, 2]
