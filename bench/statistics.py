"""Numbers of one contender in one case, and the arithmetic over rounds.

Owns percentiles, medians and spreads; refuses to judge: goals are in ``rows``.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that ``share`` of all do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median of rounds, with the lowest and highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Over one value of each round; raises ``StatisticsError`` where there is none."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, unit: str = "", digits: int = 1) -> str:
        """For a table: ``16.2 ms (15.9–17.0)``."""
        unit = f" {unit}" if unit else ""
        return f"{self.median:,.{digits}f}{unit} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Round:
    """What one contender did in one round.

    Attributes:
        latencies_ms: of each request, from its first byte sent to its last received.
        seconds: from the first request to the last answer.
        cpu_s: user and system time of the contender's whole tree, refilling included.
        kernel_cpu_s: of the kernel's own threads meanwhile, whoever caused it.
        client_cpu_s: of the load generator.
    """

    latencies_ms: tuple[float, ...]
    seconds: float
    cpu_s: float
    kernel_cpu_s: float
    client_cpu_s: float

    @property
    def runs(self) -> int:
        """Requests answered."""
        return len(self.latencies_ms)

    @property
    def p50_ms(self) -> float:
        """Median latency of this round."""
        return percentile(self.latencies_ms, 0.5)

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.runs / self.seconds


@dataclass(frozen=True, slots=True)
class Series:
    """All rounds of one contender."""

    contender: str
    rounds: tuple[Round, ...]

    @property
    def p50_ms(self) -> Spread:
        """The median latency of each round."""
        return Spread.of([r.p50_ms for r in self.rounds])

    @property
    def per_s(self) -> Spread:
        """Throughput of each round."""
        return Spread.of([r.per_s for r in self.rounds])

    @property
    def cpu_ms_per_run(self) -> Spread:
        """Processor time of the contender's tree for one run."""
        return Spread.of([1000 * r.cpu_s / r.runs for r in self.rounds])

    @property
    def kernel_ms_per_run(self) -> Spread:
        """Processor time of kernel threads for one run."""
        return Spread.of([1000 * r.kernel_cpu_s / r.runs for r in self.rounds])

    def pooled_ms(self, share: float) -> float:
        """A percentile over the requests of all rounds together."""
        return percentile([ms for r in self.rounds for ms in r.latencies_ms], share)

    def client_share(self, processors: int) -> float:
        """What part of the machine's processors the load generator used."""
        used_s = sum(r.client_cpu_s for r in self.rounds)
        return used_s / (processors * sum(r.seconds for r in self.rounds))

    def as_json(self, processors: int) -> dict[str, object]:
        """Everything but the single latencies."""
        return {
            "contender": self.contender,
            "rounds": len(self.rounds),
            "runs": sum(r.runs for r in self.rounds),
            "p50_ms": asdict(self.p50_ms),
            "p95_ms": self.pooled_ms(0.95),
            "p99_ms": self.pooled_ms(0.99),
            "runs_per_s": asdict(self.per_s),
            "cpu_ms_per_run": asdict(self.cpu_ms_per_run),
            "kernel_threads_ms_per_run": asdict(self.kernel_ms_per_run),
            "load_generator_share": self.client_share(processors),
        }


def jain_index(shares: Sequence[float]) -> float:
    """How alike shares are: 1 where all are the same, 1/n where one has everything.

    Source: Jain, Chiu, Hawe, "A Quantitative Measure of Fairness and Discrimination for
    Resource Allocation in Shared Computer Systems", DEC-TR-301 (1984).

    Raises:
        ValueError: there is no share, or one is below zero, or all are nothing.
    """
    if not shares or min(shares) < 0 or not any(shares):
        raise ValueError("an index of nothing")
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second grows with the first, by least squares.

    Raises:
        StatisticsError: there are fewer than two points, or all at one place.
    """
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Round by round, so that a machine that slows down slows both."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])
