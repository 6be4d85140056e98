"""The rules of the house, tried: rooms, sizes, names, and what may be read where."""

import ast
import re
import subprocess
import sys
from collections.abc import Set
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from vibecell.languages.catalogue import FOLDER

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "vibecell"
MODULES = sorted(
    p for p in PACKAGE.rglob("*.py") if "languages" not in p.relative_to(PACKAGE).parts[:-2]
)
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
# One in several rooms, where it is the same thing: an execution as what is asked for, as a
# life and as an endpoint; the main loop of a process.
SAME_IN_MANY_ROOMS = {"__init__", "execution", "executions", "languages", "daemon"}
FORBIDDEN_NAMES = {"utils", "util", "core", "common", "services", "service", "helpers", "misc"}
MAY_READ_ENVIRONMENT = {"config", "cli", "cell"}
# Written apart, so that this file does not contain what it looks for.
FORBIDDEN_TEXT = [
    re.compile(pattern)
    for pattern in (
        r"/ro" r"ot/[\w.]",
        r"/wo" r"rk/",
        r"/ho" r"me/\w",
        r"pypi\." r"org",
        r"pythonho" r"sted",
        r"registry\." r"npmjs",
        r"npm" r"mirror",
        r"artif" r"actory",
    )
]
TEXT_SUFFIXES = {
    ".py", ".toml", ".md", ".txt", ".json", ".js", ".ts", ".css", ".html", ".sh", ".yml",
    ".service", "",
}  # fmt: skip


def tree_files() -> list[Path]:
    """Every text file that git keeps or would keep."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("the tree is no git repository")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [p for p in paths if p.is_file() and p.suffix in TEXT_SUFFIXES]


def test_rooms_import_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_cell_programs_import_the_standard_library_and_each_other_only() -> None:
    ours = {p.stem for p in (PACKAGE / "cell").glob("*.py")}
    # what shows figures and pictures is imported by the packages that made them
    drawing = {"matplotlib", "PIL"}
    for path in (PACKAGE / "cell").glob("*.py"):
        allowed = sys.stdlib_module_names | ours
        if path.stem in ("vibecell_display", "figure_windows"):
            allowed = allowed | drawing
        imported = imports(path)
        assert imported <= allowed, f"{path.name} imports {imported - allowed}"


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_is_short_named_well_and_explained(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert path.stem not in FORBIDDEN_NAMES
    assert path.parent.name not in FORBIDDEN_NAMES
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module says what it owns and refuses"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_function_is_long(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


def test_no_two_modules_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        if path.stem not in SAME_IN_MANY_ROOMS and "cell" not in path.relative_to(PACKAGE).parts:
            places.setdefault(path.stem, []).append(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_modules_import_each_other_in_no_circle() -> None:
    """Every import counts: within functions, and for the type checker alone."""
    names = {module_name(path): path for path in MODULES}
    graph = {name: imported_modules(path, names.keys()) - {name} for name, path in names.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises where there is a circle
    assert order.index("vibecell.model.events") < order.index("vibecell.cli.main")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, known: Set[str]) -> set[str]:
    """Those of ``known`` that a module imports, each by its own name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in known else node.module for name in named}
    return found & known


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_configuration_and_command_read_the_environment(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] in MAY_READ_ENVIRONMENT:
        return
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            read = node.value.id == "os" and node.attr in ("environ", "getenv", "environb")
            assert not read, f"line {node.lineno}"


HEADS = [
    ".ci/README.md",
    "bench/__init__.py",
    "deploy/README.md",
    "docs/README.md",
    "mutants/__init__.py",
    "tests/README.md",
    "web/README.md",
    *(str(p.relative_to(ROOT)) for p in sorted(PACKAGE.glob("*/**/__init__.py"))),
]


@pytest.mark.parametrize("head", HEADS)
def test_a_directory_that_has_parts_tells_what_they_are(head: str) -> None:
    directory = (ROOT / head).parent
    text = (ROOT / head).read_text()
    kept = {p.relative_to(directory) for p in tree_files() if p.is_relative_to(directory)}
    kept -= {Path(head).relative_to(directory.relative_to(ROOT)), Path("__init__.py")}
    # a language's folder is found by itself, and what npm reads is no part of the page
    found = {p.parts[0] for p in kept} - {d.name for d in FOLDER.iterdir() if d.is_dir()}
    found -= {".npmrc", ".gitignore", "package.json", "package-lock.json"}
    assert found
    untold = {name for name in found if not re.search(rf"\b{re.escape(Path(name).stem)}\b", text)}
    assert not untold
    if head.startswith("src/"):  # and nothing that has gone or is elsewhere
        told = re.findall(r"^(\w+\.py|\w+/) ", text, re.MULTILINE)
        assert [name for name in told if not (directory / name).exists()] == []


def test_nothing_is_left_to_do_later() -> None:
    marks = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
    for path in MODULES:
        assert not marks.search(path.read_text()), path


def test_the_tree_names_no_place_of_the_machine_it_was_written_on() -> None:
    found = []
    for path in tree_files():
        if path.parent.name.endswith("attacks"):
            continue  # what they try to reach must be named
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [
            f"{path.relative_to(ROOT)}: {match.group()}"
            for pattern in FORBIDDEN_TEXT
            for match in pattern.finditer(text)
        ]
    assert not found
