"""What is counted.

Owns the gateway's own registry of metrics; refuses labels that a client could
multiply without bound: routes are rules, methods and languages are known ones.
Counts that grow with every request are plain numbers, made into metrics when
somebody asks for them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from vibecell.gateway.http.connection import Ending
from vibecell.model.execution import Result
from vibecell.model.status import Health

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}
_BOUNDS = (*(str(float(x)) for x in _SECONDS), "+Inf")


class _Durations:
    """A histogram: how many fell into which bucket, and their sum."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        shown, total = [], 0
        for bound, count in zip(_BOUNDS, self.counts, strict=True):
            total += count
            shown.append((bound, float(total)))
        return shown


class _PerRequest(Collector):
    """The counts that grow with every request."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, _Durations] = {}
        self.verdicts: Counter[str] = Counter()
        self.endings: Counter[Ending] = Counter()

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """See ``Collector.collect``."""
        requests = CounterMetricFamily(
            "vibecell_http_requests",
            "HTTP requests answered",
            labels=("method", "route", "status"),
        )
        for (method, route, status), count in self.requests.items():
            requests.add_metric((method, route, str(status)), count)
        seconds = HistogramMetricFamily(
            "vibecell_http_request_seconds", "Time to the response's header", labels=("route",)
        )
        for route, durations in self.seconds.items():
            seconds.add_metric((route,), durations.buckets(), durations.sum_s)
        verdicts = CounterMetricFamily(
            "vibecell_executions", "Executions seen to finish, by verdict", labels=("verdict",)
        )
        for verdict, count in self.verdicts.items():
            verdicts.add_metric((verdict,), count)
        endings = CounterMetricFamily(
            "vibecell_connections_ended",
            "Connections that ended by no request's wish, by reason",
            labels=("reason",),
        )
        for reason in Ending:
            endings.add_metric((reason.value,), self.endings[reason])
        yield endings
        yield requests
        yield seconds
        yield verdicts


class Metrics:
    """Counters of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counts = _PerRequest()
        self._registry.register(self._counts)
        self._websockets = Gauge("vibecell_websockets", "Open WebSockets", registry=self._registry)
        self._open = Gauge(
            "vibecell_open_requests", "Requests and streams being served", registry=self._registry
        )
        self._ready = Gauge(
            "vibecell_ready", "Whether the engine is ready", registry=self._registry
        )
        self._engine = Gauge(
            "vibecell_engine", "Counts of the engine", ("count",), registry=self._registry
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """An HTTP request was answered; ``route`` is its rule."""
        known = method if method in _METHODS else "other"
        rule = route or "none"
        self._counts.requests[known, rule, status] += 1
        durations = self._counts.seconds.get(rule)
        if durations is None:
            durations = self._counts.seconds[rule] = _Durations()
        durations.observe(seconds)

    def count_endings(self, endings: Counter[Ending]) -> None:
        """From now on, show these counts of a server."""
        self._counts.endings = endings

    def finished(self, result: Result) -> None:
        """An execution was seen to finish."""
        self._counts.verdicts[result.verdict.value] += 1

    def websockets(self, change: int) -> None:
        """A WebSocket was opened (1) or closed (-1)."""
        self._websockets.inc(change)

    def text(self, health: Health | None, open_requests: int) -> bytes:
        """The exposition, with the engine's counts as of now."""
        self._ready.set(1 if health is not None and health.ready else 0)
        self._open.set(open_requests)
        for name, value in (health.counts if health is not None else {}).items():
            self._engine.labels(name).set(value)
        return generate_latest(self._registry)
