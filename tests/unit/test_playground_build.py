"""The built pages belong to their sources and are small: a stale, edited or large build fails."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WEB = REPOSITORY / "web"
DIST = REPOSITORY / "src/vibecell/gateway/playground/dist"
DOCUMENTATION = REPOSITORY / "src/vibecell/gateway/documentation/dist"
each_page = pytest.mark.parametrize("dist", [DIST, DOCUMENTATION], ids=["editor", "documentation"])
#: the same list as in web/vite.config.js
SOURCES = (
    ".npmrc",
    "docs.html",
    "index.html",
    "package.json",
    "package-lock.json",
    "src",
    "tsconfig.json",
    "vite.config.js",
)


def _record(dist: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((dist / "build.json").read_text())
    return loaded


def _hashes(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    files: list[Path] = []
    for name in names:
        path = root / name
        files += [path] if path.is_file() else [x for x in path.rglob("*") if x.is_file()]
    hashes = {
        x.relative_to(root).as_posix(): hashlib.sha256(x.read_bytes()).hexdigest() for x in files
    }
    return dict(sorted(hashes.items()))


@each_page
def test_was_built_from_the_sources_as_they_are(dist: Path) -> None:
    lines = "".join(f"{path} {digest}\n" for path, digest in _hashes(WEB, SOURCES).items())
    now = hashlib.sha256(lines.encode()).hexdigest()
    assert _record(dist)["sources_sha256"] == now, "stale: run `npm ci && npm run build` in web/"


@each_page
def test_holds_exactly_the_files_that_were_built(dist: Path) -> None:
    names = tuple(x.name for x in dist.iterdir() if x.name != "build.json")
    assert _record(dist)["files"] == _hashes(dist, names)


@each_page
def test_needs_nothing_from_elsewhere_and_nothing_inline(dist: Path) -> None:
    (entry,) = dist.glob("*.html")
    page = entry.read_text()
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page), "an inline script"
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page), "an inline event handler"
    styles = list(dist.glob("*/*.css"))
    assert styles
    for style in styles:
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text())
    assert not list(dist.rglob("*.map")), "a source map"


def _loaded_at_once(name: str) -> set[str]:
    """A built file, and all that a browser loads because of it before it can paint."""
    path = DIST / name
    if path.suffix not in (".html", ".css", ".js"):
        return {name}
    text = path.read_text()
    patterns = {
        ".html": r'(?:src|href)="\./([^"]+)"',
        ".css": r"url\(\s*[\"']?\./([^\"')]+)",
        # static imports alone: import(…) is asked for later
        ".js": r'(?:from|import)\s*"\./([^"]+)"',
    }
    folder = path.parent.relative_to(DIST)
    found = {name}
    for other in re.findall(patterns[path.suffix], text):
        found |= _loaded_at_once((folder / other).as_posix())
    return found


def test_the_first_paint_takes_60_kb_at_most() -> None:
    at_once = _loaded_at_once("index.html")
    kinds = {Path(x).suffix for x in at_once}
    assert kinds >= {".html", ".js", ".css", ".woff2", ".svg"}, "something was not looked at"
    sizes = {x: len(gzip.compress((DIST / x).read_bytes(), 9)) for x in at_once}
    assert sum(sizes.values()) <= 60_000, sizes
    later = {x.name for x in (DIST / "assets").glob("*.js")} - {Path(x).name for x in at_once}
    for part in ("codemirror", "xterm"):
        assert any(x.startswith(part) for x in later), f"{part} is not split off"


@each_page
def test_whatever_is_worth_it_lies_there_in_both_codings(dist: Path) -> None:
    for path in dist.glob("*/*"):
        if path.suffix in (".js", ".css", ".txt") and path.stat().st_size >= 1024:
            coded = path.with_name(path.name + ".gz").read_bytes()
            assert gzip.decompress(coded) == path.read_bytes()
            assert path.with_name(path.name + ".br").stat().st_size < len(coded)


def test_nothing_of_the_documentation_is_in_the_editors_page() -> None:
    kept = {x.name for x in DIST.rglob("*")}
    assert not {x for x in kept if x.startswith("swagger")}
    assert "swagger" not in (DIST / "assets/licenses.txt").read_text()
    owed = (DOCUMENTATION / "docs/licenses.txt").read_text()
    assert re.search("^swagger-ui-dist [0-9.]+$", owed, re.MULTILINE)
    assert "Apache License" in owed


def test_no_package_runs_a_program_when_it_is_installed() -> None:
    """One that Swagger UI depends on would tell a host elsewhere of this one."""
    assert "ignore-scripts=true" in (WEB / ".npmrc").read_text().splitlines()
