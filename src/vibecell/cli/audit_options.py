"""What is asked of an audit on the command line.

Owns the words after ``vibecell audit`` and how a moment is written. Refuses a value with a sentence
that says how it is written.
"""

import argparse
import time
from datetime import UTC, datetime

from vibecell.cli.key_options import count, duration_s, key_id, written
from vibecell.model.verdicts import Verdict
from vibecell.sharing.audit import ACTS, US_PER_S, AuditQuery

_HOW = "must be as 2026-11-30, 2026-11-30T21:48 (UTC, or with +02:00), or as 90d, 12h, 30m ago"


def add_words(audit: argparse.ArgumentParser) -> None:
    """The words of ``vibecell audit`` and their options."""
    audit.description = (
        "Who ran what, when and from where, and what happened to keys. With `prune --before TIME`: "
        "remove what is older, for good."
    )
    audit.add_argument("audit_word", nargs="?", choices=("prune",), metavar="prune")
    for name, text in (
        ("--since", "at this time or later: 2026-11-30, 2026-11-30T21:48 (UTC), or 1h, 7d ago"),
        ("--until", "before this time"),
        ("--before", "with prune: what is older goes"),
    ):
        audit.add_argument(name, type=written(moment_us), metavar="TIME", help=text)
    audit.add_argument("--key", type=written(key_id), metavar="ID", help="of this key alone")
    audit.add_argument("--user", metavar="NAME", help="of this user alone")
    verdicts = [verdict.value for verdict in Verdict]
    audit.add_argument("--verdict", choices=verdicts, metavar="VERDICT", help="executions alone")
    audit.add_argument("--act", choices=ACTS, metavar="ACT", help=f"one of {', '.join(ACTS)}")
    audit.add_argument(
        "--limit", type=written(count), metavar="NUMBER", help="the newest alone (a table: 100)"
    )
    audit.add_argument("--json", action="store_true", help="for programs, a line each")


def wrong_together(options: argparse.Namespace) -> str | None:
    """What is wrong with options that are each right; ``None``: nothing."""
    if options.audit_word != "prune":
        return None if options.before is None else "--before goes with prune"
    if options.before is None:
        return "prune needs --before: 90d, or 2026-11-30"
    others = ("since", "until", "key", "user", "verdict", "act", "limit")
    if named := [f"--{name}" for name in others if getattr(options, name) is not None]:
        return f"prune removes all that is older; {', '.join(named)} would keep some"
    return None


def query_of(options: argparse.Namespace, newest: int | None) -> AuditQuery:
    """What is asked for."""
    return AuditQuery(
        since_us=options.since or 0,
        before_us=options.until,
        key=options.key,
        user=options.user,
        verdict=None if options.verdict is None else Verdict(options.verdict),
        act=options.act,
        newest=newest,
    )


def moment_us(text: str, now_s: float | None = None) -> int:
    """A moment, in microseconds of Unix time: a day, a time of one, or so long ago.

    Raises:
        ValueError: it is none.
    """
    try:
        ago_s = duration_s(text)
    except ValueError:
        return _date_us(text)
    return max(0, int(((time.time() if now_s is None else now_s) - ago_s) * US_PER_S))


def _date_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        found = round(aware.timestamp() * US_PER_S)
    except (ValueError, OverflowError) as error:
        raise ValueError(_HOW) from error
    if found < 0:
        raise ValueError(_HOW)
    return found
