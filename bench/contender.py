"""A service that is measured: how it is reached, and which processes it is.

Owns the environment that contenders start in and their end; refuses to know
which one it is.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

IMAGE_VARIABLE = "BENCH_DOCKER_IMAGE"  # what docker run is to start
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DOCKER_HOST", IMAGE_VARIABLE)
# starts the command that follows it, and is the parent of all that is orphaned below
REAPER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py")))
STOP_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Contender:
    """A running service.

    Attributes:
        name: in tables.
        address: where it listens.
        root: pid of the topmost of its processes, a ``reaper``.
        headers: that every request to it carries.
        helpers: likewise pids of what works for it and is not below it, a Docker engine.
    """

    name: str
    address: tuple[str, int]
    root: int
    headers: Mapping[str, str]
    helpers: tuple[int, ...] = ()

    @property
    def roots(self) -> tuple[int, ...]:
        """The topmost of all processes whose time is its time."""
        return (self.root, *self.helpers)


def clean_environment(**more: str) -> dict[str, str]:
    """What every contender starts with: nothing of the developer's shell slows or speeds one."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **more}


def command_of(*arguments: str) -> list[str]:
    """What starts our interpreter with these arguments, below a reaper."""
    return [*REAPER, sys.executable, *arguments]


@contextlib.contextmanager
def ended_after(process: subprocess.Popen[str]) -> Iterator[None]:
    """Ask a process to end when the block does; insist after a while."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
