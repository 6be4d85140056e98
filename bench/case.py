"""What a case is, and finding them all.

Owns ``Case``, ``Bench`` (what a case is given) and the discovery of the files
in ``cases/``; refuses a register: a new case is a new file and nothing else.
"""

import importlib
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.rows import Row
from vibecell.cli.composition.deployment import prepare
from vibecell.config import Settings
from vibecell.sandbox.images.rootfs import Image


class BenchFailed(Exception):
    """A case cannot be measured; the message says why."""


class NotHad(BenchFailed):
    """A contender cannot be had on this host; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case is given.

    Attributes:
        quick: seconds rather than minutes; numbers are rougher.
        settings: of the host's Vibecell; where its runtime image lies.
        packages: directory of the Python packages that cells have.
        say: tells whoever waits what is going on.
        checkout: where the Vibecell lies that is measured; with an interpreter of its own, if
            it has one, since it may need other packages.
    """

    quick: bool
    settings: Settings
    packages: Path
    say: Callable[[str], None]
    checkout: Path = Path(__file__).parent.parent

    @property
    def interpreter(self) -> str:
        """What starts it."""
        own = self.checkout / ".venv/bin/python"
        return str(own) if own.exists() else sys.executable

    @property
    def rounds(self) -> int:
        """How often contenders take turns."""
        return 3 if self.quick else 5

    @property
    def turn_s(self) -> float:
        """About how long one contender's turn is."""
        return 0.5 if self.quick else 2.0

    def program(self, name: str) -> Path:
        """A program of the host, found where Vibecell looks for what cells get.

        Raises:
            NotHad: the host does not have it.
        """
        found = shutil.which(name, path=self.settings.program_path)
        if found is None:
            raise NotHad(f"no program {name} in {self.settings.program_path}")
        return Path(found).resolve()


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Attributes:
        name: what ``CASE=`` takes.
        order: its place in the table.
        title: what is measured, in one line.
        measure: does it; starts and stops what it needs.
    """

    name: str
    order: int
    title: str
    measure: Callable[[Bench], Iterable[Row]]


def discover() -> tuple[Case, ...]:
    """Every case of the folder, in the order of the table.

    Raises:
        BenchFailed: two have one name.
    """
    package = importlib.import_module("bench.cases")
    found = [
        importlib.import_module(f"bench.cases.{module.name}").CASE
        for module in pkgutil.iter_modules(package.__path__)
    ]
    if len({case.name for case in found}) != len(found):
        raise BenchFailed("two cases have one name")
    return tuple(sorted(found, key=lambda case: (case.order, case.name)))


def open_bench(settings: Settings, quick: bool, say: Callable[[str], None]) -> tuple[Bench, Image]:
    """What cases need, and the runtime image, held until it is released.

    Raises:
        SandboxFailure: the image cannot be built.
    """
    # as the command does it: what the system keeps up to date comes first
    beside_us = Path(sys.executable).parent
    settings = replace(settings, program_path=f"{settings.program_path}:{beside_us}")
    image, _ = prepare(settings)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = image.root / "usr/local/lib" / version / "site-packages"
    return Bench(quick, settings, packages, say), image
