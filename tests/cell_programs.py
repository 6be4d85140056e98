"""The programs that run in cells, as modules for tests to import.

They know each other by their plain names, as they do in a cell; and one of them is a
``sitecustomize``. So their directory is never left on ``sys.path``: an interpreter that a
test starts with that path would be a zygote.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vibecell.cell

DIRECTORY = str(Path(vibecell.cell.__file__).parent)


def cell_program(name: str) -> ModuleType:
    """The module of that name; whoever asks for it again is given the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, DIRECTORY])
        return importlib.import_module(name)
