"""What is displayed ends in files of our names, or is told of."""

from pathlib import Path

import pytest

from vibecell.cli.shown_files import ShownFiles
from vibecell.model.errors import MalformedRequest


def test_each_display_is_a_file_of_its_best_form(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "shown"
    shown = ShownFiles(folder)
    assert shown.take({"image/png": "aGk="}) is None
    assert shown.take({"text/plain": "a table", "text/html": "<table>"}) == "a table"
    assert shown.take({"application/../../etc": "x"}) is None
    assert shown.take({"image/png": "a"}) is None
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {
        "display-1.png": b"hi", "display-2.html": b"<table>", "display-3.txt": b"x",
    }  # fmt: skip
    assert list(tmp_path.rglob("*")) == [folder.parent, folder, *folder.iterdir()]
    said = list(shown.report())
    assert said[0] == f"display 1 is {folder}/display-1.png"
    assert said[3] == "display 4 is not what it says it is (image/png)"


def test_without_a_directory_it_is_said_what_cannot_be_seen() -> None:
    shown = ShownFiles(None)
    assert shown.take({"text/plain": "seen", "text/html": "x"}) == "seen"
    assert list(shown.report()) == []
    shown.take({"image/png": "aGk="})
    (line,) = shown.report()
    assert line.startswith("1 display was not shown here (image/png); run --displays DIR")
    shown.take({"text/html": "x"})
    assert next(shown.report()).startswith("2 displays were not shown here (image/png, text/html)")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MalformedRequest, match="file"):
        ShownFiles(tmp_path / "file" / "x")
    shown = ShownFiles(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    shown.take({"text/plain": "x"})
    assert list(shown.report()) == [f"{tmp_path}/gone/display-1.txt: No such file or directory"]
