"""The built page belongs to its sources: a stale or edited build fails here."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WEB = REPOSITORY / "web"
DIST = REPOSITORY / "src/vibecell/gateway/playground/dist"
#: the same list as in web/vite.config.js
SOURCES = (
    ".npmrc",
    "index.html",
    "package.json",
    "package-lock.json",
    "src",
    "tsconfig.json",
    "vite.config.js",
)


@pytest.fixture
def record() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DIST / "build.json").read_text())
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


def test_was_built_from_the_sources_as_they_are(record: dict[str, Any]) -> None:
    lines = "".join(f"{path} {digest}\n" for path, digest in _hashes(WEB, SOURCES).items())
    now = hashlib.sha256(lines.encode()).hexdigest()
    assert record["sources_sha256"] == now, "stale: run `npm ci && npm run build` in web/"


def test_holds_exactly_the_files_that_were_built(record: dict[str, Any]) -> None:
    assert record["files"] == _hashes(DIST, ("index.html", "assets"))


def test_needs_nothing_from_elsewhere_and_nothing_inline() -> None:
    page = (DIST / "index.html").read_text()
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page), "an inline script"
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page), "an inline event handler"
    for style in (DIST / "assets").glob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text())
    assert not list(DIST.rglob("*.map")), "a source map"
