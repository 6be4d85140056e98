"""The command: ``python -m bench.load``, which ``make load`` calls.

Owns the choice of phases; refuses to call a missed goal anything but a failure: these say
whether the service is right, and only two of them how fast it is.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from bench.__main__ import run
from bench.case import Bench, Case
from bench.leftovers import Family, host_mounts
from bench.load.fairness import OWNERS, fairness
from bench.load.owners import served_to
from bench.load.phases import left_row, mixed_phase
from bench.rows import Row

PHASES = ("mixed", "fairness")
# What is kept of finished executions grows until the first are forgotten: sooner than the
# memory is looked at.
SETTINGS = {"result_ttl_s": "15"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the phases, print, write; return the exit status."""
    options = _parser().parse_args(arguments)
    clients = options.clients or [100, 500]
    owners = [f"owner-{number}" for number in range(1, options.owners + 1)]
    cases = {
        "mixed": Case(
            "mixed",
            10,
            f"clients of {len(owners)} owners, everything mixed",
            lambda bench: mixed_rows(bench, owners, clients, options.duration_s),
        ),
        "fairness": Case(
            "fairness",
            20,
            "equal owners, one that floods, one that sleeps",
            lambda bench: fairness_rows(bench, options.duration_s),
        ),
    }
    return run([cases[name] for name in options.only or PHASES], quick=False, strict=True)


def mixed_rows(
    bench: Bench, owners: Sequence[str], clients: Sequence[int], seconds: float
) -> Iterator[Row]:
    """Of one phase for each number of clients, with one service for all of them."""
    mounts = host_mounts()
    with served_to(bench, owners, **SETTINGS) as owned:
        for count in clients:
            bench.say(f"{count} clients of {len(owners)} owners, {seconds:.0f} s")
            yield from mixed_phase(owned, count, seconds).rows()
        family = Family.of(owned.service)
    yield left_row("mixed", family.left_behind(mounts))


def fairness_rows(bench: Bench, seconds: float) -> Iterator[Row]:
    """Of the one phase of it."""
    mounts = host_mounts()
    with served_to(bench, OWNERS, **SETTINGS) as owned:
        bench.say(f"{len(OWNERS)} owners, {seconds:.0f} s")
        yield from fairness(owned, seconds).rows()
        family = Family.of(owned.service)
    yield left_row("fairness", family.left_behind(mounts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.load", description="Many users at once.")
    parser.add_argument(
        "--clients", action="append", type=int, help="a phase of so many; may be repeated"
    )
    parser.add_argument("--owners", type=int, default=20)
    parser.add_argument("--duration-s", type=float, default=120.0, help="of each phase")
    parser.add_argument("--only", action="append", choices=PHASES, help="may be repeated")
    return parser


if __name__ == "__main__":
    sys.exit(main())
