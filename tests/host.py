"""The host that tests run on: the service there, and what to say when something is lacking.

On a laptop that is a skip with its reason; in continuous integration (``CI``
in the environment) it is a failure, so that nothing is skipped for ever.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

# What an engine mounts for itself and its containers comes and goes with them.
_MOUNT_OF_AN_ENGINE = re.compile(
    r"/overlay2/[0-9a-f]+|/containers/[0-9a-f]+/|/netns/|/docker/engine-\d+|/vibecell-docker-"
)


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


def host_mounts() -> set[str]:
    """The mounts of this process's namespace, but for those that Docker engines make and end."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line for line in lines if not _MOUNT_OF_AN_ENGINE.search(line)}


def lacking(reason: str) -> NoReturn:
    """End the test: the host lacks what ``reason`` names."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false", "no"):
        pytest.fail(f"this host lacks {reason}", pytrace=False)
    pytest.skip(f"this host lacks {reason}")
