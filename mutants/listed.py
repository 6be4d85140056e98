"""What a mutant is, and the lists of them.

Owns the format of the lists and the rule that keeps them true: the text that a mutant
replaces is found in its file exactly once. Refuses to run anything.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LISTS = Path(__file__).parent
_SOURCES = "src/vibecell"
_FIELDS = {"id", "file", "means", "old", "new", "tests"}
_OPTIONS_WITH_VALUE = {"-k", "-m"}


class ListError(Exception):
    """A list is not what a list must be; names the mutant."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change that the tests should notice.

    Attributes:
        id: its name, unique in all lists; a few words joined by hyphens.
        file: what it changes, below ``src/vibecell``.
        means: what is wrong then, in the words of who would suffer from it.
        old: text that is in the file exactly once.
        new: what takes its place.
        tests: those nearest to it, as arguments of pytest: paths from the top of the
            tree, ``path::test_name``, and ``-k`` with an expression.
    """

    id: str
    file: str
    means: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        """The file, from the top of the tree."""
        return f"{_SOURCES}/{self.file}"


def read_lists(folder: Path = LISTS) -> list[Mutant]:
    """The mutants of all lists, in the order of the lists' names.

    Raises:
        ListError: a list cannot be read, or two mutants have one id.
    """
    found = [m for path in sorted(folder.glob("*.toml")) for m in _read(path)]
    ids = [mutant.id for mutant in found]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ListError(f"more than one mutant is called {', '.join(twice)}")
    return found


def _read(path: Path) -> list[Mutant]:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ListError(f"{path.name}: {error}") from error
    if set(table) != {"mutant"}:
        raise ListError(f"{path.name}: has [[mutant]] and nothing else")
    return [_mutant(path, number, given) for number, given in enumerate(table["mutant"], 1)]


def _mutant(path: Path, number: int, given: dict[str, Any]) -> Mutant:
    where = f"{path.name}: {given.get('id', f'mutant {number}')}"
    if set(given) != _FIELDS:
        raise ListError(f"{where}: has {', '.join(sorted(_FIELDS))}, each once")
    tests = given["tests"]
    texts = [*tests, *(v for k, v in given.items() if k != "tests")]
    if not isinstance(tests, list) or not tests or not all(isinstance(x, str) for x in texts):
        raise ListError(f"{where}: all are texts, and tests is a list of them")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", given["id"]):
        raise ListError(f"{where}: an id is a few words joined by hyphens")
    if Path(given["file"]).parts[0] != path.stem:
        raise ListError(f"{where}: {given['file']} is no module of {path.stem}/")
    return Mutant(**{**given, "tests": tuple(tests)})


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """The text of its file with the mutant in it.

    Raises:
        ListError: the file is gone, the text is not there exactly once, or what comes
            out is no Python.
    """
    path = root / mutant.path
    try:
        text = path.read_text()
    except OSError as error:
        raise ListError(f"{mutant.id}: {error}") from error
    if (times := text.count(mutant.old)) != 1:
        raise ListError(f"{mutant.id}: its old text is {times} times in {mutant.path}, not once")
    changed = text.replace(mutant.old, mutant.new)
    if changed == text:
        raise ListError(f"{mutant.id}: changes nothing")
    if path.suffix == ".py":
        try:
            compile(changed, mutant.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ListError(f"{mutant.id}: is no Python: {error}") from error
    return changed


def faults(mutants: Iterable[Mutant], root: Path = ROOT) -> list[str]:
    """What is wrong with mutants: those that no longer apply, and tests that are not there."""
    found = []
    for mutant in mutants:
        try:
            mutated(mutant, root)
        except ListError as error:
            found.append(str(error))
        found += [f"{mutant.id}: {fault}" for fault in _missing_tests(mutant, root)]
    return found


def _missing_tests(mutant: Mutant, root: Path) -> list[str]:
    missing = []
    before = ""
    for argument in mutant.tests:
        if not argument.startswith("-") and before not in _OPTIONS_WITH_VALUE:
            name, _, function = argument.partition("::")
            function = function.partition("[")[0]
            path = root / name
            if not path.exists() or (function and f"def {function}(" not in path.read_text()):
                missing.append(f"there is no {argument}")
        before = argument
    return missing
