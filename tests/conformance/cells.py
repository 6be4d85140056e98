"""A backend with cells, as the tests of the sandbox use one.

Owns the set-up (catalogue, runtime image, backend on an event loop of its
own) and the reading of a whole run; refuses to judge what it read.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from vibecell.cli.composition import prepare
from vibecell.config import load
from vibecell.languages.catalogue import describe
from vibecell.model.execution import OutputFile, SourceFile
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import (
    Backend,
    Cell,
    DisplayData,
    Exit,
    Output,
    Process,
    ProcessSpec,
)
from vibecell.sandbox.bubblewrap.backend import BubblewrapBackend
from vibecell.sandbox.fake import FakeBackend

T = TypeVar("T")
RUN_DEADLINE_S = 60.0
QUICK_LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=5_000)


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run, read to its end."""

    exit: Exit
    stdout: bytes = b""
    stderr: bytes = b""
    displays: tuple[bytes, ...] = ()
    files: tuple[OutputFile, ...] = ()

    @property
    def observable(self) -> tuple[int | None, int | None, bytes, bytes]:
        """What a user could tell two runs apart by."""
        return self.exit.exit_code, self.exit.signal, self.stdout, self.stderr


@dataclass(slots=True)
class Gathered:
    """Output as it arrives."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    displays: list[bytes] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)


async def gather(process: Process, into: Gathered | None = None) -> Gathered:
    """Read a process to its end."""
    gathered = into if into is not None else Gathered()
    async with asyncio.timeout(RUN_DEADLINE_S):
        async for occurrence in process.read():
            match occurrence:
                case Output("stdout", data):
                    gathered.stdout += data
                case Output(_, data):
                    gathered.stderr += data
                case DisplayData(data):
                    gathered.displays.append(data)
                case Exit():
                    gathered.exits.append(occurrence)
    assert len(gathered.exits) == 1
    return gathered


class Cells:
    """A backend of one kind, driven from plain test functions."""

    def __init__(self, kind: str, profiles: tuple[str, ...] = (), pool_size: int = 2) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self.languages = {d.language.name: d.language for d in describe()}
        wanted = tuple(
            p
            for language in self.languages.values()
            for p in language.profiles
            if not profiles or p.name in profiles
        )
        self.profiles = {p.name: p for p in wanted}
        self.backend: Backend = self._make(kind, wanted, pool_size)

    def _make(self, kind: str, profiles: tuple[WarmProfile, ...], pool_size: int) -> Backend:
        if kind == "fake":
            return FakeBackend()
        settings = replace(load(os.environ), pool_min_idle=pool_size, pool_max_idle=pool_size)
        image, _ = prepare(settings)
        return BubblewrapBackend(settings, image.root, profiles)

    def __enter__(self) -> Self:
        self.do(self.backend.open())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.do(self.backend.close())
        finally:
            self._runner.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine on the backend's loop."""
        return self._runner.run(work)

    def profile(self, name: str = "python-light") -> WarmProfile:
        """A warm profile by name."""
        return self.profiles[name]

    @contextlib.asynccontextmanager
    async def cell(self, profile: str = "python-light") -> AsyncIterator[Cell]:
        """A fresh cell, destroyed at the end."""
        cell = await self.backend.acquire(self.profile(profile))
        try:
            yield cell
        finally:
            await cell.destroy()

    async def run(self, spec: ProcessSpec, profile: str = "python-light") -> Run:
        """One process in a cell of its own, to its end."""
        async with self.cell(profile) as cell:
            seen = await gather(await cell.start(spec))
            files = await cell.collect(64, 4 * 1024 * 1024)
        return Run(
            seen.exits[0], bytes(seen.stdout), bytes(seen.stderr), tuple(seen.displays), files
        )

    def run_python(self, source: str | bytes, **changes: Any) -> Run:
        """A program given as text, in place."""
        return self.do(self.run(python(source, **changes)))


def python(source: str | bytes, **changes: Any) -> ProcessSpec:
    """The start of a Python program in place."""
    content = source.encode() if isinstance(source, str) else source
    spec = ProcessSpec(
        mode="in_place",
        entrypoint="main.py",
        argv=(),
        files=(SourceFile("main.py", content),),
        limits=QUICK_LIMITS,
    )
    return replace(spec, **changes)


def host_mounts() -> list[str]:
    """The mounts of this process's namespace."""
    return Path("/proc/self/mountinfo").read_text().splitlines()


def pid_namespaces() -> dict[str, list[int]]:
    """Pid namespaces of the machine and the processes in them, as far as we may look."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.setdefault(os.readlink(entry / "ns/pid"), []).append(int(entry.name))
    return found


def cell_cgroups() -> set[str]:
    """Cgroups of the cells of this process, in every hierarchy."""
    return {
        str(Path(directory) / name)
        for directory, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if Path(directory).name == f"vibecell.{os.getpid()}"
    }


def empty_cgroups() -> set[str]:
    """Cgroups of ours with no process in them: a cell made or unmade, or left behind."""
    found = set()
    for directory in cell_cgroups():
        with contextlib.suppress(OSError):
            if not (Path(directory) / "cgroup.procs").read_text():
                found.add(directory)
    return found


def descendants(pid: int) -> set[int]:
    """A process and everything started below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found
