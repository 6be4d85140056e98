"""What is said of mutants: the table, and those that survived.

Owns the words and the place in ``docs/mutants.md``; refuses to judge.
"""

from collections.abc import Sequence
from pathlib import Path

from mutants.trial import Trial

GOAL = 0.9
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"


def score(trials: Sequence[Trial]) -> float:
    """The part that was killed; of none, all."""
    return sum(t.fate == "killed" for t in trials) / len(trials) if trials else 1.0


def as_markdown(trials: Sequence[Trial]) -> str:
    """Killed and all by module, then those that were not killed."""
    lines = ["| module | killed | of |", "|---|---|---|"]
    modules = sorted({t.mutant.file for t in trials})
    for module in modules:
        lines.append(_row(f"`{module}`", [t for t in trials if t.mutant.file == module]))
    lines.append(_row("all", trials))
    left = [t for t in trials if t.fate != "killed"]
    if left:
        lines += ["", "Not killed:", ""]
    for trial in left:
        why = f": {trial.why}" if trial.why else ""
        lines.append(f"- `{trial.mutant.id}` {trial.fate}{why}. {trial.mutant.means}")
    return "\n".join(lines) + "\n"


def write(trials: Sequence[Trial], document: Path) -> None:
    """Put the table into a document, between its two marks.

    Raises:
        ValueError: the marks are not there.
    """
    head, _, rest = document.read_text().partition(_BEGIN)
    _, mark, tail = rest.partition(_END)
    if not mark:
        raise ValueError(f"{document} has no place for the table")
    document.write_text(f"{head}{_BEGIN}\n{as_markdown(trials)}\n{_END}{tail}")


def _row(name: str, trials: Sequence[Trial]) -> str:
    return f"| {name} | {sum(t.fate == 'killed' for t in trials)} | {len(trials)} |"
