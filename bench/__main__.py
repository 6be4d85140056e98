"""The command: ``python -m bench``, which ``make bench`` calls.

Owns the choice of cases, the order of things and the exit status; refuses to
hide: a case that failed is a line that says why, and the status is 1. A
missed goal is no failure of the benchmark.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import against
from bench.case import Bench, BenchFailed, Case, NotHad, discover, open_bench
from bench.machine import describe_machine
from bench.report import Report, write
from bench.rows import Row
from vibecell.config import load
from vibecell.model.errors import VibecellError

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).with_name("results")
DOCUMENTATION = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit status."""
    cases = discover()
    options = _parser(cases).parse_args(arguments)
    if options.against is not None:
        return _compare(options.against, options.case, options.quick)
    chosen = [c for c in cases if not options.case or c.name in options.case]
    whole = len(chosen) == len(cases) and not options.quick
    return run(chosen, options.quick, DOCUMENTATION if whole else None)


def run(
    chosen: Sequence[Case], quick: bool, documentation: Path | None = None, strict: bool = False
) -> int:
    """Measure cases, print and write what came of it; the exit status.

    Args:
        documentation: where to write it, too, unless a case failed.
        strict: a goal that is missed is a failure.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        bench, image = open_bench(load(dict(os.environ)), quick, _say)
    except VibecellError as error:
        _say(f"the benchmark cannot start: {error}")
        return 2
    try:
        rows, failed = measure_all(bench, chosen)
    finally:
        image.release()
    report = Report(began, _revision(), quick, describe_machine(_node(bench)), tuple(rows))
    documentation = None if failed else documentation
    path = write(report, RESULTS, documentation)
    print(report.as_markdown())
    _say(f"written to {path}" + (f" and {documentation}" if documentation else ""))
    missed = strict and any(row.passed is False for _, row in rows)
    return 1 if failed or missed else 0


def _compare(checkout: Path, names: Sequence[str] | None, quick: bool) -> int:
    """Measure this checkout beside another; 1 where it is slower than it may be."""
    if unknown := sorted(set(names or ()) - set(against.COMPARED)):
        _say(f"not compared with another checkout: {', '.join(unknown)}")
        return 2
    try:
        other = against.checked(checkout)
        bench, image = open_bench(load(dict(os.environ)), quick, _say)
    except (BenchFailed, VibecellError) as error:
        _say(f"the benchmark cannot start: {error}")
        return 2
    try:
        rows = list(against.measure(bench, other, tuple(names or against.COMPARED)))
    except BenchFailed as error:
        _say(f"the comparison failed: {error}")
        return 1
    finally:
        image.release()
    print("| | this | other | ratio | goal | |\n|---|---|---|---|---|---|")
    for row in rows:
        goal = row.goal.text() if row.goal is not None else ""
        cells = (row.label, row.measured, row.reference, row.ratio, goal, row.verdict or row.why)
        print(f"| {' | '.join(cells)} |")
    return 0 if all(row.passed is not False for row in rows) else 1


def measure_all(bench: Bench, cases: Sequence[Case]) -> tuple[list[tuple[str, Row]], bool]:
    """The rows of all cases, and whether one of them failed."""
    rows: list[tuple[str, Row]] = []
    failed = False
    for case in cases:
        bench.say(f"--- {case.name}: {case.title}")
        try:
            rows += [(case.name, row) for row in case.measure(bench)]
        except NotHad as lacking:
            rows.append((case.name, Row(case.title, why=f"not had: {lacking}")))
        except BenchFailed as error:
            failed = True
            rows.append((case.name, Row(case.title, why=str(error), failed=True)))
            bench.say(f"{case.name} failed: {error}")
    return rows, failed


def _parser(cases: Sequence[Case]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Vibecell beside what it replaces.")
    names = [case.name for case in cases]
    parser.add_argument(
        "--case", action="append", choices=names, help="only this one; may be repeated"
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="this checkout beside another one, in turns, instead of what it replaces",
    )
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    return parser


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _node(bench: Bench) -> Path | None:
    try:
        return bench.program("node")
    except NotHad:
        return None


def _revision() -> str:
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return asked.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
