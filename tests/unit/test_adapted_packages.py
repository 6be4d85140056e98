"""Packages are changed where they are as they are known, and nothing is built where not."""

from pathlib import Path

import pytest

from vibecell.sandbox.images.adapted_packages import _CHANGES, adapt

SITE = Path("usr/lib/packages")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / SITE).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", _CHANGES)
def test_a_module_that_is_not_known_stops_the_build(root: Path, name: str) -> None:
    path = root / SITE / name
    path.parent.mkdir(parents=True)
    path.write_text("something_new()\n")
    with pytest.raises(ValueError, match=path.name):
        adapt(root, SITE)
    path.write_text(f"first()\n{_CHANGES[name][0]}")
    adapt(root, SITE)
    assert path.read_text().endswith(_CHANGES[name][1])


def test_fonts_are_where_programs_look_for_them_and_their_packages_are_gone(root: Path) -> None:
    package = root / SITE / "manimgx_fonts"
    package.mkdir()
    for name in ("NotoEmoji[wght].ttf", "NotoSans[wght].ttf", "NotoSansThai[wght].ttf"):
        (package / name).write_bytes(b"font")
    (root / SITE / "manimgx_fonts-1.dist-info").mkdir()
    adapt(root, SITE)
    found = {path.name for path in (root / "usr/share/fonts/truetype/noto").iterdir()}
    assert found == {"NotoEmoji[wght].ttf", "NotoSansThai[wght].ttf"}
    assert [path.name for path in (root / SITE).iterdir()] == ["vibecell_display.pth"]
