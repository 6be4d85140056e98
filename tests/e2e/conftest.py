"""A browser, for the tests that need a real one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import lacking

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("VIBECELL_TEST_CHROMIUM", "/usr/bin/chromium")


def _missing() -> str | None:
    """What this host lacks for a browser test; ``None`` if nothing."""
    if shutil.which("node") is None:
        return "node"
    if not Path(CHROMIUM).exists():
        return CHROMIUM
    if not (REPOSITORY / "web/node_modules/playwright-core").is_dir():
        return "playwright-core (npm ci --prefix web)"
    return None


@pytest.fixture(scope="session", autouse=True)
def browser_is_there() -> None:
    """Skip on a laptop, fail in CI, where the host lacks a browser."""
    missing = _missing()
    if missing is not None:
        lacking(missing)


@pytest.fixture(scope="session", autouse=True)
def one_browser(browser_is_there: None) -> Iterator[None]:
    """Starting a browser takes longer than most of what a person does with it: they share one.

    What a test does in it is in windows of its own, without what others keep. Pages that may
    end a browser are tried in one of their own.
    """
    command = ["node", str(Path(__file__).with_name("browser_server.mjs"))]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        os.environ["SHARED_TEST_BROWSER"] = server.stdout.readline().strip()
        yield
    finally:
        os.environ.pop("SHARED_TEST_BROWSER", None)
        server.stdin.close()
        server.stdout.close()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise
