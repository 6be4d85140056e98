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
    chosen = [c for c in cases if not options.case or c.name in options.case]
    began = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        bench, image = open_bench(load(dict(os.environ)), options.quick, _say)
    except VibecellError as error:
        _say(f"the benchmark cannot start: {error}")
        return 2
    try:
        rows, failed = measure_all(bench, chosen)
    finally:
        image.release()
    report = Report(began, _revision(), options.quick, describe_machine(_node(bench)), tuple(rows))
    whole = len(chosen) == len(cases) and not options.quick and not failed
    path = write(report, RESULTS, DOCUMENTATION if whole else None)
    print(report.as_markdown())
    _say(f"written to {path}" + (f" and {DOCUMENTATION}" if whole else ""))
    return 1 if failed else 0


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
