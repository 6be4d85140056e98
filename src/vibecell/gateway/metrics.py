"""What is counted.

Owns the gateway's own registry of metrics; refuses labels that a client could
multiply without bound: routes are rules, methods and languages are known ones.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vibecell.engine.executor import Health
from vibecell.model.execution import Result

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}


class Metrics:
    """Counters of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vibecell_http_requests",
            "HTTP requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "vibecell_http_request_seconds",
            "Time to the response's header",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._verdicts = Counter(
            "vibecell_executions",
            "Executions seen to finish, by verdict",
            ("verdict",),
            registry=self._registry,
        )
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
        self._requests.labels(known, rule, str(status)).inc()
        self._seconds.labels(rule).observe(seconds)

    def finished(self, result: Result) -> None:
        """An execution was seen to finish."""
        self._verdicts.labels(result.verdict.value).inc()

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
