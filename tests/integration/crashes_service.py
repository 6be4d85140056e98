"""A ``vibecell serve`` of a test's own, and the sight of everything under it.

Owns starting it with other settings, finding its processes by what they are,
and telling what it has left behind. Looks from outside only: /proc and
/sys/fs/cgroup, never the service's own word.
"""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests

from bench.leftovers import cgroups_of as cgroups_of
from bench.rest import counts_in
from host import host_mounts

SOURCES = Path(__file__).parents[2] / "src"
START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 60.0
_ADDRESS = re.compile(r"ready after .*: (http://[^\s\"]+)")
LOCK = "engine.lock"
_UID_RANGE = 1024 * 1024
T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """A process as /proc shows it."""

    pid: int
    parent: int
    name: str
    state: str
    uid: int
    command: str


def processes() -> dict[int, Seen]:
    """Every process of this host, zombies too."""
    seen = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, KeyError):
            status = dict(
                line.split(":\t", 1)
                for line in (entry / "status").read_text(errors="replace").splitlines()
                if ":\t" in line
            )
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            seen[int(entry.name)] = Seen(
                pid=int(entry.name),
                parent=int(status["PPid"]),
                name=status["Name"],
                state=status["State"][:1],
                uid=int(status["Uid"].split()[0]),
                command=command,
            )
    return seen


def until(condition: Callable[[], T], deadline_s: float = 60.0) -> T:
    """Wait until a condition is true; returns its value, the last one after the deadline."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()) and time.monotonic() < end_s:
        time.sleep(0.02)
    return value


@dataclass
class LiveService:
    """A running service with settings of its own."""

    process: subprocess.Popen[str]
    url: str
    run_dir: Path
    uid_base: int
    mounts_before: set[str]
    engines: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)

    def run(
        self, code: str | None = None, timeout_s: float = 60.0, **request: Any
    ) -> dict[str, Any]:
        """POST /execute; the answer's JSON with its status as ``status``."""
        body = request if code is None else {"code": code, **request}
        answer = requests.post(f"{self.url}/execute", json=body, timeout=timeout_s)
        return {"status": answer.status_code, **answer.json()}

    def count(self, name: str) -> int:
        """One of the engine's counts, as ``/metrics`` has it."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        return counts_in(text).get(name, 0)

    def children(self, pid: int, name: str | None = None) -> list[Seen]:
        """Direct children, of one name if it is given."""
        return [
            p for p in processes().values() if p.parent == pid and (name is None or p.name == name)
        ]

    def role(self, role: str) -> int:
        """The pid of the engine or of the gateway, once there is one."""

        def found() -> list[int]:
            return [
                p.pid
                for p in self.children(self.process.pid)
                if f"internal {role}" in p.command and p.state != "Z"
            ]

        pids = until(found)
        assert len(pids) == 1, f"{len(pids)} processes are the {role}"
        if role == "engine":
            self.engines.add(pids[0])
        self.known |= self.family()
        return pids[0]

    def family(self) -> set[int]:
        """Every process under this service, at this moment."""
        seen, members = processes(), {self.process.pid}
        while more := {p.pid for p in seen.values() if p.parent in members} - members:
            members |= more
        return members - {self.process.pid}

    def walls(self) -> list[int]:
        """Every bubblewrap."""
        return [p.pid for p in self.children(self.role("engine"), "bwrap")]

    def zygotes(self) -> list[int]:
        """Every zygote: the one child of its bubblewrap, or that one's as an ordinary user."""
        first = [p.pid for wall in self.walls() for p in self.children(wall)]
        if os.geteuid() == 0:
            return first
        # it has gone on in a namespace of its own: cell/nesting.py
        return [p.pid for pid in first for p in self.children(pid)]

    def agents(self) -> list[int]:
        """Every agent, of waiting cells too."""
        return [p.pid for zygote in self.zygotes() for p in self.children(zygote)]

    def marked(self, mark: str) -> Seen:
        """The process that runs a program which named itself ``mark``."""

        def found() -> list[Seen]:
            return [p for p in processes().values() if p.name == mark and p.state != "Z"]

        seen = until(found)
        assert len(seen) == 1, f"{len(seen)} processes are named {mark}"
        return seen[0]

    def cells(self) -> list[Path]:
        """The cgroups of this service's cells."""
        self.role("engine")
        return [cell for pid in self.engines for d in cgroups_of(pid) for cell in d.glob("cell-*")]

    def is_whole(self) -> bool:
        """It runs a program."""
        with contextlib.suppress(requests.RequestException, ValueError):
            return self.run("print('hello')", timeout_s=5.0).get("output") == "hello\n"
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as a person does; the exit status."""
        self.role("engine")
        self.process.send_signal(number)
        return self.process.wait(STOP_DEADLINE_S)

    def left_behind(self) -> list[str]:
        """Whatever is still there of a service that has ended."""
        left = [
            f"process {p.pid} {p.name} ({p.state})"
            for p in processes().values()
            if self.uid_base <= p.uid < self.uid_base + _UID_RANGE or p.pid in self.known
        ]
        left += [f"cgroup {path}" for pid in self.engines for path in cgroups_of(pid)]
        left += [f"file {path.name}" for path in self.run_dir.iterdir() if path.name != LOCK]
        left += [f"mount {line}" for line in sorted(host_mounts() - self.mounts_before)]
        return left


def descriptors(pid: int) -> dict[str, int]:
    """What a process has open, by what it is, and how often; no numbers of the kernel's."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one of this very list
            found[os.readlink(f"/proc/{pid}/fd/{descriptor}").split(":[")[0]] += 1
    return dict(found)


@contextlib.contextmanager
def serving(
    uid_base: int = 1_950_000_000, umask: int = -1, stderr: int | None = None, **settings: str
) -> Iterator[LiveService]:
    """Start a service of one's own; end it hard if the test has not ended it.

    Args:
        uid_base: of its cells, so that they can be told from another service's.
        umask: it is started with; -1 is ours.
        stderr: where it complains; ``None`` is where we do.
        settings: ``VIBECELL_`` variables without their prefix, in small letters.
    """
    with tempfile.TemporaryDirectory(prefix="vibecell-test-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o711)
        environ = {**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONUNBUFFERED": "1"}
        environ |= {"VIBECELL_RUN_DIR": name, "VIBECELL_UID_BASE": str(uid_base)}
        environ |= {"VIBECELL_LOG_LEVEL": "warning", "VIBECELL_LOG_FORMAT": "text"}
        environ |= {f"VIBECELL_{k.upper()}": v for k, v in settings.items()}
        command = [sys.executable, "-m", "vibecell.cli.main", "serve", "--port", "0"]
        mounts_before = host_mounts()
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=stderr, text=True, umask=umask
        )
        try:
            url = _until_ready(process)
            service = LiveService(process, url, Path(name), uid_base, mounts_before)
            service.role("engine")
            yield service
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_DEADLINE_S)
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _until_ready(process: subprocess.Popen[str]) -> str:
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    assert stdout is not None

    def read() -> None:
        with contextlib.suppress(ValueError):  # closed under us at the end
            for line in stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    said = []
    while line := lines.get(timeout=START_DEADLINE_S):
        said.append(line)
        if match := _ADDRESS.search(line):
            return match.group(1)
    raise AssertionError(f"the service ended with status {process.wait()} after {said}")
