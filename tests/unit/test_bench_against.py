"""Another checkout beside this one: what is refused before anything is started."""

from pathlib import Path

import pytest

from bench import against
from bench.__main__ import main
from bench.case import BenchFailed, discover


def test_only_a_checkout_is_compared_with(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="no checkout"):
        against.checked(tmp_path)
    (tmp_path / "src/vibecell").mkdir(parents=True)
    assert against.checked(tmp_path) == tmp_path


def test_a_case_that_is_not_compared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--against", str(tmp_path), "--case", "mixed"]) == 2
    assert "mixed" in capsys.readouterr().err


def test_a_checkout_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--against", str(tmp_path)]) == 2
    assert "no checkout" in capsys.readouterr().err


def test_what_is_compared_are_cases() -> None:
    assert set(against.COMPARED) <= {case.name for case in discover()}
