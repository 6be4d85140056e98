"""Vibecell, started as a person starts it: ``vibecell serve``.

Owns its settings, its address and its parts' pids; refuses shortcuts: no
part of it is started otherwise than in production.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import processes
from bench.account import Account, own_cgroup
from bench.case import Bench, BenchFailed
from bench.contender import Contender, clean_environment, ended_after, launcher
from vibecell.sandbox.host.shares import CGROUP_PARENT
from vibecell.sandbox.mechanisms.cgroup_layout import unified_mount

START_DEADLINE_S = 90.0
_IMAGES = "images"  # of a state directory
_ADDRESS = re.compile(r"ready after .*: http://([^:]+):(\d+)")
_LINES_KEPT = 40


@dataclass(frozen=True, slots=True)
class VibecellContender(Contender):
    """A running Vibecell, which is more than one process.

    Attributes:
        environment: that it was started with, for further commands of its own.
    """

    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, interpreter: str, *words: str) -> str:
        """What ``vibecell`` prints for these words, with the settings of this service.

        Raises:
            BenchFailed: it did not do it; quotes what it said.
        """
        done = subprocess.run(
            [interpreter, "-m", "vibecell.cli.main", *words],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchFailed(f"vibecell {words[0]} failed: {done.stderr.strip()[-400:]}")
        return done.stdout

    def part(self, role: str) -> int:
        """The pid of the ``gateway`` or the ``engine``.

        Raises:
            BenchFailed: there is none.
        """
        for process in processes.tree(self.account.root):
            words = processes.arguments(process.pid)
            if "internal" in words and role in words:
                return process.pid
        raise BenchFailed(f"the service has no {role}")


@contextlib.contextmanager
def running(
    bench: Bench, api_key: str | None = None, **settings: str
) -> Iterator[VibecellContender]:
    """A running service on a free port, with a run directory of its own.

    Args:
        api_key: sent with every request.
        settings: beside the defaults, by their names: ``max_concurrent="16"``.

    Raises:
        BenchFailed: it does not start; quotes what it said.
    """
    # short, because a socket's name has at most 107 bytes (unix(7))
    with (
        own_cgroup() as cgroup,
        tempfile.TemporaryDirectory(prefix="vibecell-bench-") as place,
    ):
        os.chmod(place, 0o711)  # as root the gateway is another user
        state = _own_state(bench, Path(place))
        variables = {f"VIBECELL_{name.upper()}": value for name, value in settings.items()}
        environment = clean_environment(
            PYTHONPATH=str(bench.checkout / "src"),
            PYTHONUNBUFFERED="1",
            VIBECELL_STATE_DIR=str(state),
            VIBECELL_RUN_DIR=f"{place}/run",
            VIBECELL_PORT="0",
            **variables,
        )
        process = subprocess.Popen(
            [*launcher(cgroup), bench.interpreter, "-m", "vibecell.cli.main", "serve"],
            env=environment,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with ended_after(process):
            address = _Lines(process).address()
            headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
            account = Account(process.pid)
            service = VibecellContender(
                "Vibecell", address, headers, account, environment=environment
            )
            cgroups = (cgroup, *_cgroups_elsewhere(cgroup, service.part("engine")))
            yield replace(service, account=Account.of(process.pid, *cgroups))


def _own_state(bench: Bench, place: Path) -> Path:
    """A state directory with the host's runtime images, and nobody's keys."""
    state = place / "state"
    state.mkdir(0o711)
    (state / _IMAGES).symlink_to(bench.settings.state_dir / _IMAGES)
    return state


def _cgroups_elsewhere(cgroup: Path | None, engine: int) -> list[Path]:
    """Those of the engine's cells that are not beneath this one.

    Where version 2 has the controllers, root's engine makes them at the root.
    """
    mount = unified_mount()
    found = mount.rglob(f"{CGROUP_PARENT}.{engine}") if mount is not None else ()
    return [place for place in found if cgroup not in place.parents]


class _Lines:
    """What the service says, read on, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._kept: deque[str] = deque(maxlen=_LINES_KEPT)
        self._found: tuple[str, int] | None = None
        self._told = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._kept.append(line)
                match = _ADDRESS.search(line)
                if match is not None:
                    self._found = match.group(1), int(match.group(2))
                    self._told.set()
        self._told.set()

    def address(self) -> tuple[str, int]:
        deadline_s = time.monotonic() + START_DEADLINE_S
        self._told.wait(deadline_s - time.monotonic())
        if self._found is None:
            last = " / ".join(line.strip() for line in list(self._kept)[-3:])
            raise BenchFailed(f"vibecell serve did not start: {last}")
        return self._found
