"""Contenders in turns: A, B, A, B …, each turn about equally long.

Owns warming up, the alternation and the accounts of a turn; refuses to
compare what ran at different times.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.account import settled_cpu_time
from bench.case import Bench
from bench.contender import Contender
from bench.drive import Ask, drive
from bench.reference import reference
from bench.rows import Goal, Row
from bench.statistics import Round, Series, Spread, ratios
from bench.vibecell_service import running

_MOST_REQUESTS = 4000


def take_turns(
    bench: Bench, contenders: Sequence[Contender], asks: Sequence[Ask], clients: int
) -> dict[str, Series]:
    """All rounds of all contenders, by their names.

    How many requests a contender gets in a turn is what it answered in its
    warm-up, so that a slow one does not take the longer turns.

    Raises:
        BenchFailed: a contender answered wrongly.
    """
    requests = {c.name: _warmed_up(bench, c, asks, clients) for c in contenders}
    found: dict[str, list[Round]] = {c.name: [] for c in contenders}
    for number in range(bench.rounds):
        for contender in contenders:
            turn = one_turn(contender, asks, clients, requests[contender.name])
            found[contender.name].append(turn)
            bench.say(
                f"round {number + 1} {contender.name}: p50 {turn.p50_ms:.1f} ms, "
                f"{turn.per_s:.1f}/s, {1000 * turn.cpu_s / turn.runs:.1f} ms CPU"
            )
    return {name: Series(name, tuple(rounds)) for name, rounds in found.items()}


def one_turn(contender: Contender, asks: Sequence[Ask], clients: int, requests: int) -> Round:
    """One turn of one contender, from rest to rest; raises ``BenchFailed``."""
    before = settled_cpu_time(*contender.accounts)
    found = drive(
        contender.address, asks, clients=clients, requests=requests, owners=contender.shown
    )
    after = settled_cpu_time(*contender.accounts)
    return Round(
        found.all_latencies_ms,
        found.seconds,
        after.accounts_s - before.accounts_s,
        after.kernel_s - before.kernel_s,
        found.client_cpu_s,
    )


def _warmed_up(bench: Bench, contender: Contender, asks: Sequence[Ask], clients: int) -> int:
    """How many requests make a turn, judged by the second of two warm-ups."""
    for _ in range(2):
        found = drive(
            contender.address,
            asks,
            clients=clients,
            requests=max(3, clients),
            owners=contender.shown,
        )
    per_turn = round(bench.turn_s * len(found.all_latencies_ms) / found.seconds)
    return min(_MOST_REQUESTS, max(5, clients, per_turn))


def against_reference(bench: Bench, ask: Ask, clients: int) -> tuple[Series, Series]:
    """Vibecell's and the reference's rounds; raises ``BenchFailed``."""
    with ExitStack() as stack:
        theirs = stack.enter_context(reference(bench))
        ours = stack.enter_context(running(bench))
        found = take_turns(bench, [theirs, ours], [ask], clients)
    return found[ours.name], found[theirs.name]


def latency_row(bench: Bench, label: str, ask: Ask, goal: Goal) -> Row:
    """The median latency of one client, as a ratio to the reference's."""
    return latency_ratio_row(label, *against_reference(bench, ask, clients=1), goal)


def latency_ratio_row(label: str, ours: Series, theirs: Series, goal: Goal) -> Row:
    """The median latency of ours as a ratio to theirs, round by round."""
    ratio = ratios([r.p50_ms for r in ours.rounds], [r.p50_ms for r in theirs.rounds])
    measured = (ours.p50_ms.text("ms"), theirs.p50_ms.text("ms"))
    return _ratio_row(label, measured, ratio, goal, (ours, theirs))


def throughput_row(bench: Bench, label: str, ask: Ask, clients: int, goal: Goal) -> Row:
    """Answers per second under many clients, as a ratio to the reference's."""
    return throughput_ratio_row(label, *against_reference(bench, ask, clients), goal)


def throughput_ratio_row(label: str, ours: Series, theirs: Series, goal: Goal) -> Row:
    """Answers of ours per second as a ratio to theirs, round by round."""
    ratio = ratios([r.per_s for r in ours.rounds], [r.per_s for r in theirs.rounds])
    measured = (ours.per_s.text("/s"), theirs.per_s.text("/s"))
    return _ratio_row(label, measured, ratio, goal, (ours, theirs))


def _ratio_row(
    label: str, measured: tuple[str, str], ratio: Spread, goal: Goal, series: tuple[Series, Series]
) -> Row:
    """A row of two contenders, ours first."""
    return Row(
        label,
        measured=measured[0],
        reference=measured[1],
        ratio=ratio.text("×", 2),
        value=ratio.median,
        goal=goal,
        series=series,
    )


def by_request(latencies_ms: Mapping[str, Sequence[float]]) -> dict[str, int]:
    """How many right answers of each kind there were."""
    return {name: len(some) for name, some in sorted(latencies_ms.items())}
