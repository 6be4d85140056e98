"""A browser, for the tests that need a real one."""

import os
import shutil
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
