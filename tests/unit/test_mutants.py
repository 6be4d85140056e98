"""The lists of mutants are true, and the command tells what the tests noticed and what not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mutants import table
from mutants.listed import ListError, Mutant, faults, mutated, read_lists
from mutants.tree_copy import tree_copy
from mutants.trial import Examiner, Trial

SOURCE = "def half(x):\n    return x // 2\n"
TESTS = """
import time
from vibecell.halves import half

def test_half():
    assert half(4) == 2

def test_that_never_passes():
    assert half(4) == 5

def test_that_waits():
    time.sleep(half(4) * 0.01)
"""


def test_every_mutant_still_applies_and_its_tests_are_there() -> None:
    assert faults(read_lists()) == []


def mutant(old: str = "x // 2", new: str = "x // 3", tests: str = "::test_half") -> Mutant:
    return Mutant("a-half", "halves.py", "Halves are no halves.", old, new, (f"tests.py{tests}",))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("checkout")
    package = top / "src/vibecell"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "halves.py").write_text(SOURCE)
    (top / "tests.py").write_text(TESTS)
    (top / "pytest.ini").write_text("[pytest]\n")
    return top


@pytest.fixture(scope="module")
def examiner(tree: Path) -> Iterator[Examiner]:
    """One for all: each set of tests runs once without a mutant."""
    with tree_copy(tree) as copy:
        yield Examiner(copy)
    assert not copy.root.exists()


def test_a_fault_that_a_test_notices_is_killed_and_the_test_is_named(
    examiner: Examiner, tree: Path
) -> None:
    # of one size, and within one second: what is compiled of one must not pass for another
    tried = [examiner.try_mutant(mutant(new=new)) for new in ("x // 3", "2 * x // 4", "x // 1")]
    assert [trial.fate for trial in tried] == ["killed", "survived", "killed"]
    assert [trial.why for trial in tried] == ["tests.py::test_half", "", "tests.py::test_half"]
    assert (tree / "src/vibecell/halves.py").read_text() == SOURCE


def test_tests_that_do_not_end_have_noticed(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutants.trial.SLACK_S", 0.5)
    trial = examiner.try_mutant(mutant(new="x * 99_999", tests="::test_that_waits"))
    assert trial.fate == "killed"
    assert trial.why.startswith("not done in")


def test_tests_that_fail_anyhow_or_are_not_there_tell_nothing(examiner: Examiner) -> None:
    assert examiner.try_mutant(mutant(tests="::test_that_never_passes")).fate == "not tried"
    assert examiner.try_mutant(mutant(tests="::test_of_nothing")).fate == "not tried"
    unimportable = mutant(old="def half", new="def other")
    assert examiner.try_mutant(unimportable).fate == "not tried"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("x // 4", "x", "0 times"),
        ("x", "y", "2 times"),
        ("x // 2", "x // 2", "changes nothing"),
        ("x // 2", "x //", "is no Python"),
    ],
)
def test_a_mutant_that_does_not_apply_is_an_error(tree: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ListError, match=why):
        mutated(mutant(old, new), tree)


def test_tests_that_are_gone_are_an_error(tree: Path) -> None:
    assert faults([mutant(tests="::test_gone")], tree) == [
        "a-half: there is no tests.py::test_gone"
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('id = "a-b"', "has file, id"),
        ('id = "a-b"\nfile = "y/x.py"\nmeans = ""\nold = "1"\nnew = "2"\ntests = ["t"]', "of room"),
        ('id = "A"\nfile = "room/x.py"\nmeans = ""\nold = "1"\nnew = "2"\ntests = ["t"]', "an id"),
        ('id = "a-b"\nfile = "room/x.py"\nmeans = ""\nold = 1\nnew = "2"\ntests = []', "texts"),
    ],
)
def test_an_entry_that_is_not_whole_is_an_error(tmp_path: Path, entry: str, why: str) -> None:
    (tmp_path / "room.toml").write_text(f"[[mutant]]\n{entry}\n")
    with pytest.raises(ListError, match=why):
        read_lists(tmp_path)


def test_two_mutants_have_two_names(tmp_path: Path) -> None:
    entry = 'id = "a-b"\nfile = "{0}/x.py"\nmeans = ""\nold = "1"\nnew = "2"\ntests = ["t"]'
    for room in ("one", "two"):
        (tmp_path / f"{room}.toml").write_text("[[mutant]]\n" + entry.format(room))
    with pytest.raises(ListError, match="more than one mutant is called a-b"):
        read_lists(tmp_path)


def test_a_row_is_written_anew_when_its_module_was_tried_whole(tmp_path: Path) -> None:
    document = tmp_path / "mutants.md"
    row = "| `{}` | 3 | {} | `x-y` |\n"
    before = row.format("halves.py", 2) + row.format("other.py", 3) + row.format("gone.py", 3)
    document.write_text(f"before\n<!-- table -->\n{before}<!-- end of table -->\nafter\n")
    other = [Mutant(f"other-{n}", "other.py", "", "a", "b", ("t",)) for n in range(3)]
    listed = [mutant(), mutant(), *other]
    trials = [Trial(mutant(), "killed", "t", 1.0), Trial(mutant(), "survived", "", 1.0)]
    table.write([*trials, Trial(other[0], "killed", "t", 1.0)], listed, document)
    assert document.read_text().splitlines() == [
        "before", "<!-- table -->", "",
        "| module | killed | of | not killed |",
        "|---|---|---|---|",
        "| `halves.py` | 1 | 2 | `a-half` |",
        "| `other.py` | 3 | 3 | `x-y` |",
        "| all | 4 | 5 | |",
        "", "<!-- end of table -->", "after",
    ]  # fmt: skip
    assert table.score(trials) == 0.5
    table.write([Trial(mutant(), "killed", "t", 1.0)] * 2, listed, document)
    assert "| `halves.py` | 2 | 2 | |" in document.read_text()
