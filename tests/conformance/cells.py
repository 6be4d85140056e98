"""A backend with cells, as the tests of the sandbox use one.

Owns the set-up (catalogue, runtime image, backend on an event loop of its
own) and the reading of a whole run; refuses to judge what it read.
"""

import asyncio
import contextlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from docker.errors import NotFound

from vibecell.cli.composition.backends import provider
from vibecell.cli.composition.image_spec import image_spec
from vibecell.config import Settings, load
from vibecell.config.settings import DEFAULT_DOCKER_HOST
from vibecell.languages.catalogue import describe
from vibecell.model.execution import OmittedFile, OutputFile, SourceFile
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import (
    Backend,
    Cell,
    DisplayData,
    DisplayLeftOut,
    Exit,
    Output,
    Process,
    ProcessSpec,
)
from vibecell.sandbox.docker.client import connect
from vibecell.sandbox.docker.container import OWNER_LABEL
from vibecell.sandbox.docker.roster import FOLDER
from vibecell.sandbox.docker.strays import owner_token
from vibecell.sandbox.fake.scripted_backend import FakeBackend
from vibecell.sandbox.host.shares import Host
from vibecell.sandbox.outer_walls import Walls
from vibecell.sandbox.places import Places
from vibecell.sandbox.zygote_backend import ZygoteBackend

T = TypeVar("T")
REAL_KINDS = ("bubblewrap-shared", "bubblewrap-fresh", "docker-shared", "docker-fresh")
KINDS = ("fake", *REAL_KINDS)
RUN_DEADLINE_S = 60.0
SETTLE_S = 30.0
QUICK_LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=5_000)


def docker_host_for(kind: str, request: pytest.FixtureRequest) -> str:
    """The engine of the tests with its image in it, if this kind needs one."""
    if not kind.startswith("docker"):
        return ""
    request.getfixturevalue("docker_image")
    return str(request.getfixturevalue("docker_host"))


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run, read to its end."""

    exit: Exit
    stdout: bytes = b""
    stderr: bytes = b""
    displays: tuple[bytes, ...] = ()
    displays_left_out: int = 0
    files: tuple[OutputFile, ...] = ()
    omitted: tuple[OmittedFile, ...] = ()
    left_out: int = 0

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
    displays_left_out: int = 0
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
                case DisplayLeftOut():
                    gathered.displays_left_out += 1
                case Exit():
                    gathered.exits.append(occurrence)
    assert len(gathered.exits) == 1
    return gathered


async def until(process: Process, text: bytes, seen: Gathered) -> None:
    """Read until the program has printed a text."""
    if text in seen.stdout:
        return
    async with asyncio.timeout(30):
        async for occurrence in process.read():
            assert not isinstance(occurrence, Exit), occurrence
            if isinstance(occurrence, Output):
                seen.stdout += occurrence.data
            if text in seen.stdout:
                return


class Cells:
    """A backend of one kind, driven from plain test functions.

    Args:
        kind: one of ``KINDS``.
        profiles: the warm profiles it has; none named: every one.
        bounds: warm cells per profile at least, in all at most.
        docker_host: the engine of the tests; for containers only.
        more: profiles of other places, which stand behind walls of the same kind.
        settings: what else differs from the settings of the environment.
    """

    def __init__(
        self,
        kind: str,
        profiles: tuple[str, ...] = (),
        bounds: tuple[int, int] = (2, 2),
        docker_host: str = "",
        more: tuple[WarmProfile, ...] = (),
        **settings: Any,
    ) -> None:
        self.docker_host = docker_host
        self.kind = kind
        self.owner = ""  # label value of its containers
        self.run_dir: Path | None = None
        self._runner = asyncio.Runner()
        self.languages = {d.language.name: d.language for d in describe()}
        wanted = tuple(
            p
            for language in self.languages.values()
            for p in language.profiles
            if not profiles or p.name in profiles
        )
        self.profiles = {p.name: p for p in (*wanted, *more)}
        self.backend: Backend = FakeBackend() if kind == "fake" else self._make(bounds, settings)

    def _make(self, bounds: tuple[int, int], changes: dict[str, Any]) -> Backend:
        name, _, wall = self.kind.partition("-")
        self.run_dir = Path(tempfile.mkdtemp(prefix="vibecell-test-"))
        self.run_dir.chmod(0o711)
        settings = replace(
            load(os.environ),
            backend=name,
            wall="fresh" if wall == "fresh" else "shared",
            run_dir=self.run_dir,
            docker_host=self.docker_host or DEFAULT_DOCKER_HOST,
            pool_min_idle=bounds[0],
            pool_max_idle=bounds[1],
            **changes,
        )
        host = Host(settings)
        here = dict.fromkeys(["", *(p.place for p in self.profiles.values())])
        walls = self._walls(settings, host, tuple(here))
        backends = {
            place: ZygoteBackend(
                settings,
                walls[place],
                settings.default_place.chosen_wall,
                host,
                tuple(p for p in self.profiles.values() if p.place == place),
            )
            for place in here
        }
        return Places(backends, host)

    def _walls(
        self, settings: Settings, host: Host, places: tuple[str, ...]
    ) -> Mapping[str, Walls]:
        """What makes the walls of each place, all alike."""
        spec = image_spec(describe(), settings.program_path)
        provided = provider(settings.backend, settings, spec)
        provided.catalogues({"": describe()})
        return provided.walls(dict.fromkeys(places, settings.default_place))

    def __enter__(self) -> Self:
        self.do(self.backend.open())
        if self.docker_host:
            self.owner = owner_token(Path(str(self.run_dir)) / FOLDER)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            mounts = container_mounts(self)
            self.do(self.backend.close())
            self.wait_until(lambda: not containers_of(self) and not mounts & all_mounts())
            left = [(each["Name"], each["State"]) for each in containers_of(self)]
            assert not left, left
            assert not mounts & all_mounts()
        finally:
            self._runner.close()
            if self.run_dir is not None:
                shutil.rmtree(self.run_dir)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine on the backend's loop."""
        return self._runner.run(work)

    def wait_until(self, happened: Callable[[], bool], deadline_s: float = SETTLE_S) -> None:
        """Look again and again, while the backend's loop goes on; for so long at most."""
        deadline = time.monotonic() + deadline_s
        while not happened() and time.monotonic() < deadline:
            self.do(asyncio.sleep(0.05))

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
            collected = await cell.collect(64, 4 * 1024 * 1024)
        return Run(
            seen.exits[0],
            bytes(seen.stdout),
            bytes(seen.stderr),
            tuple(seen.displays),
            seen.displays_left_out,
            collected.files,
            collected.omitted,
            collected.left_out,
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


def containers_of(cells: Cells) -> list[dict[str, Any]]:
    """The containers that a Docker engine has for a backend, as ``docker inspect`` shows them.

    Empty for other kinds, and before the backend is open.
    """
    found = []
    if cells.owner:
        with contextlib.closing(connect(cells.docker_host)) as client:
            for listed in client.containers(
                all=True, filters={"label": f"{OWNER_LABEL}={cells.owner}"}
            ):
                with contextlib.suppress(NotFound):  # it was used up meanwhile
                    found.append(client.inspect_container(listed["Id"]))
    return found


def container_mounts(cells: Cells) -> set[str]:
    """Where its containers' root file systems, shared memory and network namespaces are."""
    places = set()
    for container in containers_of(cells):
        if where := container["GraphDriver"]["Data"]:  # not told of one that is being removed
            root = where["MergedDir"]
            data = root.partition("/overlay2/")[0]
            places |= {root, f"{data}/containers/{container['Id']}/mounts/shm"}
        places.add(container["NetworkSettings"]["SandboxKey"])
    return places - {""}


def all_mounts() -> set[str]:
    """The places of all mounts of this process's namespace."""
    return {line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def pid_namespaces() -> dict[str, list[int]]:
    """Pid namespaces of the machine and the processes in them, as far as we may look."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.setdefault(os.readlink(entry / "ns/pid"), []).append(int(entry.name))
    return found


def oldest_ticks(pids: list[int]) -> float:
    """When the first of these processes began, in clock ticks since boot; none is left: never.

    Source: proc_pid_stat(5), field 22
    """
    began = [math.inf]
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            began.append(int(fields[19]))
    return min(began)


def cell_cgroups(engine: int | None = None) -> set[str]:
    """Cgroups of the cells and walls of an engine, in every hierarchy; of this process."""
    return {
        str(Path(directory) / name)
        for directory, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if Path(directory).name == f"vibecell.{engine or os.getpid()}"
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
