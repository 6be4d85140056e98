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
from dataclasses import dataclass, field
from pathlib import Path

from bench.account import Account

IMAGE_VARIABLE = "BENCH_DOCKER_IMAGE"  # what docker run is to start
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DOCKER_HOST", IMAGE_VARIABLE)
_REAPER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py")))
STOP_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Contender:
    """A running service.

    Attributes:
        name: in tables.
        address: where it listens.
        headers: that every request to it carries.
        account: of its own processes; the topmost is a ``reaper``.
        owners: header fields of each of whoever asks, if there are several.
        metrics_headers: that a request for its metrics carries.
        helpers: likewise of what works for it and is not below it, a Docker engine.
    """

    name: str
    address: tuple[str, int]
    headers: Mapping[str, str]
    account: Account
    helpers: tuple[Account, ...] = ()
    owners: tuple[Mapping[str, str], ...] = ()
    metrics_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Mapping[str, str], ...]:
        """What the header of a request has, for each of whoever asks."""
        return tuple({**self.headers, **fields} for fields in self.owners or ({},))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Of everything whose time is its time."""
        return (self.account, *self.helpers)


def clean_environment(**more: str) -> dict[str, str]:
    """What every contender starts with: nothing of the developer's shell slows or speeds one."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **more}


def launcher(cgroup: Path | None) -> list[str]:
    """What starts the command that follows it, and is the parent of all orphaned below.

    Args:
        cgroup: which it joins first.
    """
    return [*_REAPER, *(("--cgroup", str(cgroup)) if cgroup is not None else ())]


def command_of(cgroup: Path | None, *arguments: str) -> list[str]:
    """What starts our interpreter with these arguments, as ``launcher`` starts it."""
    return [*launcher(cgroup), sys.executable, *arguments]


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
