"""A live service for the tests of this folder.

By default the true engine over the fake backend and the true gateway, in
processes of their own. ``VIBECELL_TEST_URL`` points the tests at another,
already running service instead; its programs are then really executed.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from integration.live import Service

PROGRAM = Path(__file__).with_name("service_process.py")
START_S = 60.0
SOURCE = PROGRAM.parent.parent.parent / "src"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _engine(stack: ExitStack, **settings: Any) -> tuple[Path, subprocess.Popen[bytes]]:
    run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vibecell-test-")))
    command = [sys.executable, str(PROGRAM), "engine", str(run_dir), json.dumps(settings)]
    process = subprocess.Popen(command, env=ENVIRONMENT)
    stack.callback(_ended, process)
    deadline = time.monotonic() + START_S
    while not (run_dir / "engine.sock").exists():
        assert process.poll() is None, "the engine has ended"
        assert time.monotonic() < deadline, "the engine does not start"
        time.sleep(0.02)
    return run_dir, process


def _gateway(stack: ExitStack, run_dir: Path, changes: dict[str, Any]) -> Service:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    command = [sys.executable, str(PROGRAM), "gateway", str(run_dir), str(listener.fileno())]
    command.append(json.dumps(changes))
    process = subprocess.Popen(command, env=ENVIRONMENT, pass_fds=[listener.fileno()])
    listener.close()
    stack.callback(_ended, process)
    service = Service("127.0.0.1", port, False, process)
    requests.get(f"{service.url}/healthz", timeout=START_S).raise_for_status()
    return service


@pytest.fixture(scope="session")
def engine_run_dir() -> Iterator[Path]:
    with ExitStack() as stack:
        yield _engine(stack)[0]


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One service for all tests that leave it as it is."""
    given = os.environ.get("VIBECELL_TEST_URL")
    if given:
        host, _, port = given.removeprefix("http://").rstrip("/").partition(":")
        yield Service(host, int(port or 80), True)
        return
    run_dir = request.getfixturevalue("engine_run_dir")
    with ExitStack() as stack:
        yield _gateway(stack, run_dir, {"policy": {}, "server": {}, "websocket": {}})


def _making(request: pytest.FixtureRequest) -> Iterator[Callable[..., Service]]:
    if os.environ.get("VIBECELL_TEST_URL"):
        pytest.skip("needs a gateway of its own, not a live one")
    run_dir = request.getfixturevalue("engine_run_dir")
    with ExitStack() as stack:

        def make(**changes: dict[str, Any]) -> Service:
            whole = {"policy": {}, "server": {}, "websocket": {}, **changes}
            return _gateway(stack, run_dir, whole)

        yield make


@pytest.fixture
def make_service(request: pytest.FixtureRequest) -> Iterator[Callable[..., Service]]:
    """Services of the test's own, with other rules: ``make_service(policy={…})``."""
    yield from _making(request)


@pytest.fixture
def make_whole_service() -> Iterator[Callable[..., Service]]:
    """A service with an engine of its own: ``make_whole_service({…settings…}, policy={…})``."""
    if os.environ.get("VIBECELL_TEST_URL"):
        pytest.skip("needs an engine of its own, not a live one")
    with ExitStack() as stack:

        def make(settings: dict[str, Any], **changes: dict[str, Any]) -> Service:
            whole = {"policy": {}, "server": {}, "websocket": {}, **changes}
            return _gateway(stack, _engine(stack, **settings)[0], whole)

        yield make


@pytest.fixture
def doomed_engine() -> Iterator[tuple[Service, subprocess.Popen[bytes]]]:
    """A service of the test's own, with its engine, to be killed."""
    if os.environ.get("VIBECELL_TEST_URL"):
        pytest.skip("needs an engine of its own, not a live one")
    with ExitStack() as stack:
        run_dir, process = _engine(stack)
        yield _gateway(stack, run_dir, {"policy": {}, "server": {}, "websocket": {}}), process


@pytest.fixture(scope="module")
def make_shared_service(request: pytest.FixtureRequest) -> Iterator[Callable[..., Service]]:
    """The same, for all tests of a module."""
    yield from _making(request)
