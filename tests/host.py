"""The host that tests run on: the service there, and what to say when something is lacking.

On a laptop that is a skip with its reason; in continuous integration (``CI``
in the environment) it is a failure, so that nothing is skipped for ever.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from bench.leftovers import host_mounts as host_mounts


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        url: where it listens.
        run_dir: with its sockets.
        process: the supervisor.
        lines: what it printed until it was ready.
    """

    url: str
    run_dir: Path
    process: subprocess.Popen[str]
    lines: tuple[str, ...]


def lacking(reason: str) -> NoReturn:
    """End the test: the host lacks what ``reason`` names."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false", "no"):
        pytest.fail(f"this host lacks {reason}", pytrace=False)
    pytest.skip(f"this host lacks {reason}")
