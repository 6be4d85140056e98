"""What a day has, beyond the life of an engine: killed, started again, and with a bad file."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.conftest import ENVIRONMENT, PROGRAM
from owners import wait_for_a_day
from vibecell.engine.client import EngineClient
from vibecell.model.caller import Account, Grant, Owner
from vibecell.model.errors import LimitReached
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.verdicts import Verdict
from vibecell.sharing.sqlite_ledger import FILE_NAME

ACCOUNT = Account(
    Owner("shop", "ann"),
    key_grant=Grant(cpu_ms_per_day=5000),
    user_grant=Grant(cpu_ms_per_day=1000),
)
START_S = 20.0


@contextmanager
def engine(run_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, PROGRAM, "engine", run_dir, "{}"], env=ENVIRONMENT)
    try:
        deadline = time.monotonic() + START_S
        while not (run_dir / "engine.sock").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()
        (run_dir / "engine.sock").unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def day() -> None:
    """What is used up by one is so still when it is looked at."""
    wait_for_a_day()


@pytest.fixture
def run_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vibecell-test-") as made:
        yield Path(made)


def run(run_dir: Path, code: str) -> Verdict:
    client = EngineClient(run_dir / "engine.sock")
    request = ExecutionRequest("python", (SourceFile("main.py", code.encode()),))
    try:
        return client.submit_and_wait(request, ACCOUNT).result().verdict
    finally:
        client.close()


def test_an_engine_that_is_killed_forgets_no_more_than_its_last_second(run_dir: Path) -> None:
    with engine(run_dir) as process:
        assert run(run_dir, "work(0.7)") is Verdict.ACCEPTED
        time.sleep(1.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with engine(run_dir):
        assert run(run_dir, "work(0.7)") is Verdict.TIME_LIMIT_EXCEEDED
        with pytest.raises(LimitReached, match="the user's processor time"):
            run(run_dir, "print(1)")


def test_an_engine_that_is_stopped_forgets_nothing(run_dir: Path) -> None:
    with engine(run_dir) as process:
        assert run(run_dir, "work(0.999)") is Verdict.TIME_LIMIT_EXCEEDED
        process.terminate()
        assert process.wait(START_S) == 0
    with engine(run_dir), pytest.raises(LimitReached):
        run(run_dir, "print(1)")


def test_a_service_with_a_damaged_ledger_does_not_start_and_says_why(run_dir: Path) -> None:
    folder = run_dir / "usage"
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(b"no database\n" * 1000)
    done = subprocess.run(
        [sys.executable, "-m", "vibecell.cli.main", "serve", "--port", "0",
         "--state-dir", run_dir, "--run-dir", run_dir / "run"],
        env={**ENVIRONMENT, "VIBECELL_BACKEND": "fake"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "open the ledger of usage" in done.stderr
    assert (folder / FILE_NAME).read_bytes() == b"no database\n" * 1000


def test_a_program_that_is_run_by_hand_needs_no_ledger(run_dir: Path) -> None:
    """Nor does it meet one that is damaged."""
    folder = run_dir / "usage"
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).write_bytes(b"no database\n" * 1000)
    program = run_dir / "hello.py"
    program.write_text("print('hello')")
    done = subprocess.run(
        [sys.executable, "-m", "vibecell.cli.main", "run", program,
         "--state-dir", run_dir, "--run-dir", run_dir / "run"],
        env={**ENVIRONMENT, "VIBECELL_BACKEND": "fake"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert sorted(os.listdir(folder)) == [FILE_NAME]
