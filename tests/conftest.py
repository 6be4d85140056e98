"""The real service, for every test that wants one.

Owns the fixtures of the whole suite; refuses stand-ins: ``service_url`` is a
``vibecell serve`` as a person starts it, with the bubblewrap backend.
"""

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest

from host import Service, lacking
from vibecell.cli.composition.deployment import prepare
from vibecell.config import Settings, load
from vibecell.languages.catalogue import Catalogue
from vibecell.sandbox.images.rootfs import Image

pytest_plugins = ["docker_engine_fixture", "two_at_once"]
# a machine that has more to do is no fault of an example
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 60.0
_ADDRESS = re.compile(r"ready after .*: (http://[^\s\"]+)")


@pytest.fixture(scope="session", autouse=True)
def signals_are_as_by_default() -> Iterator[None]:
    """For what the tests start, even where they were started with nohup(1), or with ``&``.

    They themselves go on ignoring what they ignored: a handler is not inherited by what is
    executed, an ignored signal is. What an interpreter ignores stays.

    Source: execve(2)
    """
    own = {signal.SIGPIPE, signal.SIGXFSZ}
    ignored = [n for n in signal.valid_signals() - own if signal.getsignal(n) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda _number, _frame: None)
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """As the environment of the tests gives them."""
    return load(dict(os.environ), Path(os.devnull))


@pytest.fixture(scope="session")
def prepared(settings: Settings) -> tuple[Image, Catalogue]:
    """The runtime image and the languages it can run."""
    return prepare(settings)


@pytest.fixture(scope="session")
def run_dir() -> Iterator[Path]:
    """A short path, because a socket's name is bounded (unix(7): 107 bytes)."""
    directory = Path(tempfile.mkdtemp(prefix="vibecell-test-"))
    yield directory / "run"
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def running_service(run_dir: Path, prepared: tuple[Image, Catalogue]) -> Iterator[Service]:
    """One service for the whole run, on a free loopback port."""
    with _served(run_dir, {}) as service:
        yield service


@pytest.fixture(scope="module")
def start_service(
    prepared: tuple[Image, Catalogue],
) -> Iterator[Callable[[Mapping[str, str]], Service]]:
    """Starts a service like that with variables of its own; all end with the module."""
    with contextlib.ExitStack() as ends:

        def start(variables: Mapping[str, str]) -> Service:
            directory = ends.enter_context(tempfile.TemporaryDirectory(prefix="vibecell-test-"))
            return ends.enter_context(_served(Path(directory) / "run", variables))

        yield start


@contextlib.contextmanager
def _served(run_dir: Path, variables: Mapping[str, str]) -> Iterator[Service]:
    if not shutil.which("bwrap", path=f"{os.defpath}:/usr/bin:{Path(sys.executable).parent}"):
        lacking("bubblewrap")
    command = [sys.executable, "-m", "vibecell.cli.main", "serve", "--port", "0"]
    environ = {**os.environ, "VIBECELL_RUN_DIR": str(run_dir), "PYTHONUNBUFFERED": "1"}
    # what goes wrong, where whoever reads a failed test finds it
    environ |= {"VIBECELL_LOG_LEVEL": "warning", "VIBECELL_LOG_FORMAT": "text"}
    environ = {**environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), **variables}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        lines = _until_ready(process)
        match = _ADDRESS.search(lines[-1])
        assert match is not None, f"the service printed {lines}"
        yield Service(match.group(1), run_dir, process, tuple(lines))
    finally:
        process.terminate()
        try:
            status = process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert process.stdout is not None
        process.stdout.close()
    assert status == 0
    assert not (run_dir / "engine.sock").exists()


@pytest.fixture(scope="session")
def service_url(running_service: Service) -> str:
    """Where the service listens, without a slash at its end."""
    return running_service.url


def _until_ready(process: subprocess.Popen[str]) -> list[str]:
    found: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    assert stdout is not None

    def read() -> None:
        for line in stdout:
            found.put(line.rstrip("\n"))
        found.put("")

    threading.Thread(target=read, daemon=True).start()
    lines: list[str] = []
    while not (lines and _ADDRESS.search(lines[-1])):
        line = found.get(timeout=START_DEADLINE_S)
        assert line, f"the service ended with status {process.wait()} after {lines}"
        lines.append(line)
    return lines
