"""What is said of mutants: one row for each module, in ``docs/mutants.md``.

Owns the rows and their place in the document; refuses to judge. A row is written anew
when all mutants of its module were tried, so the parts of the table can be made apart.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants.listed import Mutant
from mutants.trial import Trial

GOAL = 0.9
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"
_HEAD = "| module | killed | of | not killed |\n|---|---|---|---|\n"
_ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| (\d+) \| (.*?) ?\|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one module.

    Attributes:
        killed: so many mutants of it.
        of: so many there are.
        left: the others, as they are told.
    """

    killed: int
    of: int
    left: str


def score(trials: Sequence[Trial]) -> float:
    """The part that was killed; of none, all."""
    return sum(t.fate == "killed" for t in trials) / len(trials) if trials else 1.0


def rows_of(trials: Iterable[Trial]) -> dict[str, Row]:
    """The rows of the modules that were tried."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.mutant.file, []).append(trial)
    return {file: _row(of_file) for file, of_file in found.items()}


def _row(trials: Sequence[Trial]) -> Row:
    left = [trial for trial in trials if trial.fate != "killed"]
    told = "; ".join(
        f"`{t.mutant.id}`" + (" (not tried)" if t.fate == "not tried" else "") for t in left
    )
    return Row(len(trials) - len(left), len(trials), told)


def as_markdown(rows: Mapping[str, Row]) -> str:
    """The table, with a last row for all."""
    lines = [f"| `{file}` | {row.killed} | {row.of} | {row.left} |" for file, row in rows.items()]
    killed, of = sum(row.killed for row in rows.values()), sum(row.of for row in rows.values())
    lines = [*sorted(lines), f"| all | {killed} | {of} | |"]
    return _HEAD + "\n".join(lines).replace("|  |", "| |") + "\n"


def write(trials: Sequence[Trial], listed: Sequence[Mutant], document: Path) -> None:
    """Put the rows of modules that were tried whole into a document, between its two marks.

    A row whose number is not that of the lists any more goes.

    Raises:
        ValueError: the marks are not there.
    """
    head, _, rest = document.read_text().partition(_BEGIN)
    before, mark, tail = rest.partition(_END)
    if not mark:
        raise ValueError(f"{document} has no place for the table")
    known = {
        file: Row(int(killed), int(of), left) for file, killed, of, left in _ROW.findall(before)
    }
    tried = rows_of(t for t in trials if t.fate != "not tried")
    counts = Counter(mutant.file for mutant in listed)
    kept = known | {file: row for file, row in tried.items() if row.of == counts[file]}
    rows = {file: row for file, row in kept.items() if row.of == counts[file]}
    document.write_text(f"{head}{_BEGIN}\n{as_markdown(rows)}\n{_END}{tail}")
