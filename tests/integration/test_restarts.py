"""What fails once does not end the service: a start, a line to a log that is gone.

And what the two processes that are started are not told.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import host

from .crashes_service import SOURCES, STOP_DEADLINE_S, LiveService, serving, until

SETTLE_S = 30.0
WHOLE_S = 30.0  # on a machine that has more to do
KEY = "tell-nobody-" + "k" * 32


@pytest.fixture
def complaints() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as log:
        yield Path(log.name)


@contextlib.contextmanager
def no_descriptor_left(pid: int) -> Iterator[None]:
    """As long as this lasts a process can open nothing."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def _kill(service: LiveService, role: str) -> int:
    pid = service.role(role)
    os.kill(pid, signal.SIGKILL)
    return pid


def _comes_back(service: LiveService, role: str) -> bool:
    killed = _kill(service, role)
    return until(lambda: service.is_whole() and service.role(role) != killed, WHOLE_S)


@pytest.mark.parametrize("role", ["gateway", "engine"])
def test_a_child_that_cannot_be_started_for_a_moment_is_started_later(
    prepared: object, complaints: Path, role: str
) -> None:
    with complaints.open("wb") as log, serving(1_970_000_000, stderr=log.fileno()) as service:
        with no_descriptor_left(service.process.pid):
            killed = _kill(service, role)
            failed = f"{role} could not be started: start a child process"
            assert until(lambda: complaints.read_text().count(failed) >= 3), complaints.read_text()
            assert service.process.poll() is None
        assert until(service.is_whole, WHOLE_S), complaints.read_text()
        assert service.role(role) != killed
        assert service.stop() == 0
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()
    said = complaints.read_text()
    assert "Too many open files; starting it again" in said
    assert "Traceback" not in said


def _gone(reading: int, writing: int) -> None:
    os.close(reading)


def _full(reading: int, writing: int) -> None:
    """Nobody reads what has been written, and no byte more fits."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, b"x"):
            pass
    os.set_blocking(writing, True)


@pytest.mark.parametrize("happens", [_gone, _full])
def test_a_log_that_is_gone_or_full_ends_and_holds_up_nothing(
    prepared: object, happens: object
) -> None:
    """The reader of standard error leaves, or stops reading, while the service runs."""
    assert callable(happens)
    reading, writing = os.pipe()
    with serving(1_972_000_000, stderr=writing) as service:
        happens(reading, writing)
        for role in ("gateway", "engine", "gateway"):
            assert _comes_back(service, role), f"the {role} did not"
        assert service.stop() == 0
        assert until(lambda: not service.left_behind(), SETTLE_S), service.left_behind()


def test_a_service_whose_terminal_is_gone_before_it_is_ready_serves(prepared: object) -> None:
    """Nobody hears that it is ready, and nobody what it complains of."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="vibecell-test-") as run_dir:
        os.chmod(run_dir, 0o711)
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen(
            [sys.executable, "-m", "vibecell.cli.main", "serve", "--port", str(port)],
            env={**os.environ, "PYTHONPATH": str(SOURCES), "VIBECELL_RUN_DIR": run_dir,
                 "VIBECELL_UID_BASE": "1974000000"},
            stdout=writing, stderr=writing,
        )  # fmt: skip
        os.close(writing)

        def answers() -> bool:
            assert process.poll() is None, f"it ended with status {process.returncode}"
            with contextlib.suppress(requests.RequestException):
                answer = requests.post(
                    f"http://127.0.0.1:{port}/execute", json={"code": "print(6*7)"}, timeout=5
                )
                return bool(answer.json().get("output") == "42\n")
            return False

        try:
            assert until(answers, 120.0)
        finally:
            process.terminate()
            assert process.wait(STOP_DEADLINE_S) == 0


def _holds(pid: int, secret: bytes) -> bool:
    """Whether a secret is anywhere in what a process can write to, as the kernel shows it."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            where, rights, *rest = line.split()
            if not rights.startswith("rw") or rest[-1] == "[vvar]":
                continue
            begin, end = (int(number, 16) for number in where.split("-"))
            memory.seek(begin)
            with contextlib.suppress(OSError):  # a mapping that has no memory
                if secret in memory.read(end - begin):
                    return True
    return False


def test_the_engine_holds_no_api_key_and_the_gateway_shows_none(prepared: object) -> None:
    """Neither in its memory, which holds what came by the pipe, nor in what /proc tells."""
    if os.geteuid() != 0:
        host.lacking("root: the memory of a process is its user's own affair")
    with serving(1_976_000_000, api_keys=KEY) as service:
        answer = requests.post(f"{service.url}/execute", json={"code": "1"}, timeout=10)
        assert answer.status_code == 401, "there is a key that is asked for"
        engine, gateway = service.role("engine"), service.role("gateway")
        for pid in (engine, gateway):
            told = Path(f"/proc/{pid}/environ").read_bytes()
            told += Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"PYTHONPATH" in told and KEY.encode() not in told
        assert _holds(gateway, KEY.encode()), "this way of looking finds it where it is"
        assert not _holds(engine, KEY.encode())
        assert service.stop() == 0
