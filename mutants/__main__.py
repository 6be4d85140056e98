"""The command: ``python -m mutants``, which ``make mutants`` calls.

Owns the choice of mutants and the exit status: 0 where at least nine in ten are killed
and every one was tried, 1 where not, 2 where nothing could be tried. Refuses to write
into ``docs/mutants.md`` of a module that was not tried whole.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from mutants import table
from mutants.listed import ROOT, ListError, Mutant, faults, read_lists
from mutants.tree_copy import tree_copy
from mutants.trial import Examiner, Trial
from vibecell.config import load
from vibecell.model.errors import VibecellError

DOCUMENTATION = ROOT / "docs" / "mutants.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try mutants, print, write; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        listed = read_lists()
    except ListError as error:
        _say(str(error))
        return 2
    chosen = [m for m in listed if not options.only or _is_meant(m, options.only)]
    if wrong := faults(chosen):
        for line in wrong:
            _say(line)
        return 2
    if not chosen:
        _say(f"no mutant is called {' or '.join(options.only)}")
        return 2
    try:
        trials = _try_all(chosen)
    except VibecellError as error:
        _say(f"there is no runtime image to copy: {error}")
        return 2
    print(table.as_markdown(table.rows_of(trials)))
    for trial in (t for t in trials if t.fate != "killed"):
        why = f" ({trial.why})" if trial.why else ""
        _say(f"{trial.fate}: {trial.mutant.id}{why}: {trial.mutant.means}")
    table.write(trials, listed, DOCUMENTATION)
    tried = all(t.fate != "not tried" for t in trials)
    return 0 if tried and table.score(trials) >= table.GOAL else 1


def _try_all(mutants: Sequence[Mutant]) -> list[Trial]:
    trials = []
    began = time.monotonic()
    with tree_copy() as copy:
        copy.link_image(load(dict(os.environ)))
        examiner = Examiner(copy)
        for number, mutant in enumerate(mutants, 1):
            trial = examiner.try_mutant(mutant)
            trials.append(trial)
            why = f" ({trial.why})" if trial.why else ""
            _say(f"{number}/{len(mutants)} {mutant.id}: {trial.fate}{why}, {trial.time_s:.1f} s")
    _say(f"{len(trials)} mutants in {time.monotonic() - began:.0f} s")
    return trials


def _is_meant(mutant: Mutant, wanted: Sequence[str]) -> bool:
    return any(mutant.id == each or mutant.file.startswith(each) for each in wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mutants", description="Faults put in on purpose, and the tests that should notice."
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="a mutant's id, or how the names of files begin (engine/); may be repeated",
    )
    return parser


def _say(line: str) -> None:
    print(f"mutants: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # however it is told to end, the copy goes, and what the tests have started
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
