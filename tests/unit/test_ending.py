"""Whether a program may have imported compiled code is told by what came after the start."""

import subprocess
import sys
from importlib.machinery import BuiltinImporter, ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vibecell.cell import ending

LOADERS: dict[str, Any] = {
    "source": SourceFileLoader,
    "compiled": ExtensionFileLoader,
    "builtin": lambda _name, _path: BuiltinImporter,
}


def module(name: str, kind: str) -> ModuleType:
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, LOADERS[kind](name, f"/{name}"))
    return made


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Those of an interpreter whose program has not begun."""
    there = {name: module(name, kind) for name, kind in (
        ("sys", "builtin"), ("_struct", "compiled"), ("os", "source"), ("site", "source"),
    )}  # fmt: skip
    for name in ("_newest_before", "_count_before", "_loaded_before"):
        monkeypatch.setattr(ending, name, getattr(ending, name))
    monkeypatch.setattr(sys, "modules", there)
    ending.note_modules({})
    return there


@pytest.mark.parametrize(
    ("kind", "expected"), [("source", False), ("compiled", True), ("builtin", True)]
)
def test_what_a_program_imports_is_looked_at(
    modules: dict[str, ModuleType], kind: str, expected: bool
) -> None:
    assert not ending.imported_libraries()
    modules["own"] = module("own", kind)
    modules["later"] = module("later", "source")
    assert ending.imported_libraries() is expected


def test_what_was_loaded_ahead_is_not_the_programs(modules: dict[str, ModuleType]) -> None:
    ahead = module("ahead", "compiled")
    ending.note_modules({"ahead": ahead})
    modules["ahead"] = ahead
    assert not ending.imported_libraries()


@pytest.mark.parametrize("again", ["site", "os"])
def test_what_was_there_and_is_imported_again_hides_nothing(
    modules: dict[str, ModuleType], again: str
) -> None:
    modules["own"] = module("own", "compiled")
    modules[again] = modules.pop(again)
    assert ending.imported_libraries()


def test_who_takes_everything_away_may_have_imported_anything(
    modules: dict[str, ModuleType],
) -> None:
    modules.clear()
    assert ending.imported_libraries()


AT_ITS_START = """
import builtins, sys
there = dict(sys.modules)
del there[__name__]
sys.path.append("CELL")
import ending
builtins.ending = ending
sys.modules.clear()
sys.modules.update(there)
ending.note_modules({})
"""


@pytest.mark.parametrize(
    ("program", "expected"),
    [("", "False"), ("import colorsys; ", "False"), ("import _ctypes; ", "True")],
)
def test_an_interpreter_that_has_just_started_has_imported_nothing(
    tmp_path: Path, program: str, expected: str
) -> None:
    """It ends its start, ``site``, only after what came before the program was noted."""
    cell = str(Path(ending.__file__).parent)
    (tmp_path / "sitecustomize.py").write_text(AT_ITS_START.replace("CELL", cell))
    done = subprocess.run(
        [sys.executable, "-c", f"{program}print(ending.imported_libraries())"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == expected, done.stderr
