"""Whoever opens a folder of the sandbox finds in its head what each file is."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "vibecell"
HEADS = sorted([*PACKAGE.glob("sandbox/**/__init__.py"), PACKAGE / "cell" / "__init__.py"])


LINE = re.compile(r"^(\w+(?:\.py|\.js|/)) {2,}\S", re.MULTILINE)


@pytest.mark.parametrize("head", HEADS, ids=lambda p: str(p.parent.relative_to(PACKAGE)))
def test_a_head_maps_its_folder(head: Path) -> None:
    mapped = LINE.findall(ast.get_docstring(ast.parse(head.read_text())) or "")
    files = {p.name for p in head.parent.iterdir() if p.suffix in (".py", ".js")}
    wings = {f"{p.parent.name}/" for p in head.parent.glob("*/__init__.py")}
    assert sorted(mapped) == sorted(files - {"__init__.py"} | wings)
