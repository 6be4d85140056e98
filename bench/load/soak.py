"""Thousands of executions, one like the other: what gateway and engine keep of each.

Owns the executions, looking between them, and the command (``python -m bench.load.soak``,
which ``make soak`` calls). Refuses to take for a leak what warms up, since pools and caches
fill first, and what is kept for readers, which is gone whenever memory is looked at. Programs of
every short kind, since a leak may be in an error's path.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from bench.__main__ import run
from bench.case import Bench, Case
from bench.cases.mixed import ASKS
from bench.drive import Ask, drive
from bench.leftovers import Family, host_mounts
from bench.load.phases import count_row, growth_row, left_row
from bench.load.vitals import PARTS, Holdings, holdings_of, parts_of, settled, vitals_of
from bench.rest import until_forgotten, until_rest
from bench.rows import Goal, Row
from bench.vibecell_service import running

KINDS = ("hello", "standard input", "files", "exception", "exit status", "does not parse")
GOAL = Goal("most", 64, "KB")
NO_MORE = Goal("most", 0, "more than after the warm-up")
SETTINGS = {"result_ttl_s": "1"}
_CLIENTS = 16
_WARM_UP_SHARE = 1 / 5
_PATIENCE_S = 90.0  # in which pools shrink to what they were


def soak_rows(bench: Bench, executions: int, blocks: int = 40, goal: Goal = GOAL) -> Iterator[Row]:
    """Of so many executions, those of the warm-up included.

    Args:
        blocks: after each of which memory is looked at.
        goal: of memory for 1,000 executions.

    Raises:
        BenchFailed: an answer was wrong.
    """
    asks = [ask for ask in ASKS if ask.name in KINDS]
    mounts = host_mounts()
    with running(bench, **SETTINGS) as service:
        pids = parts_of(service)
        done, seen = 0, []
        began: Holdings | None = None
        for block in range(blocks):
            size = executions * (block + 1) // blocks - done
            done += _send(service.address, asks, size)
            until_forgotten(service)
            seen.append(vitals_of(pids, done))
            bench.say(f"{done:,}: {_sizes(seen[-1].resident_bytes)}")
            if began is None and done >= _WARM_UP_SHARE * executions:
                until_rest(service)
                began = holdings_of(pids)
        assert began is not None
        until_rest(service)
        ended = settled(lambda: holdings_of(pids), began, _PATIENCE_S)
        steady = pids == parts_of(service)
        family = Family.of(service)
    for part in PARTS:
        yield growth_row(f"{executions:,} executions", seen, part, goal)
        yield _more_row(
            f"descriptors of the {part}", began.descriptors[part], ended.descriptors[part]
        )
    yield _more_row("cgroups", began.cgroups, ended.cgroups)
    yield count_row("soak: parts that were started anew", int(not steady))
    yield left_row("soak", family.left_behind(mounts))


def _send(address: tuple[str, int], asks: Sequence[Ask], requests: int) -> int:
    return len(drive(address, asks, clients=_CLIENTS, requests=requests).all_latencies_ms)


def _sizes(resident_bytes: dict[str, int]) -> str:
    return ", ".join(f"{part} {size / 1e6:.1f} MB" for part, size in resident_bytes.items())


def _more_row(what: str, before: int, after: int) -> Row:
    measured = f"{after} (after the warm-up: {before})"
    return Row(f"soak: {what}", measured=measured, value=float(after - before), goal=NO_MORE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, print, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench.load.soak", description="Does memory stay?")
    parser.add_argument("--executions", type=int, default=30_000)
    executions = parser.parse_args(arguments).executions
    title = f"{executions:,} executions"
    case = Case("soak", 10, title, lambda bench: soak_rows(bench, executions))
    return run([case], quick=False, strict=True)


if __name__ == "__main__":
    sys.exit(main())
