"""What is counted here, and all that is told to who operates the service.

Owns the gateway's own numbers, and asking the executor for its; refuses labels that a client
could multiply without bound: routes are rules, methods and problems are known ones.
"""

from collections import Counter
from collections.abc import Callable
from http import HTTPMethod

from vibecell.executor import Executor
from vibecell.gateway.exposition import exposition
from vibecell.gateway.http.connection import Ending, Traffic
from vibecell.model import families
from vibecell.model.errors import VibecellError
from vibecell.model.execution import Result
from vibecell.model.measures import OTHER, Measured, Tally, gauge, gauges, merged
from vibecell.model.verdicts import Verdict

_METHODS = frozenset(HTTPMethod)


class Metrics:
    """Those of one gateway.

    Args:
        restarts: how often a gateway was started again before this one, as who starts them says.
        audited: asks what became of what this gateway was to audit.
    """

    def __init__(
        self,
        restarts: int = 0,
        audited: Callable[[], tuple[Measured, ...]] = tuple,
    ) -> None:
        self._restarts, self._audited = restarts, audited
        self._requests = Tally(families.REQUESTS)
        self._seconds = Tally(families.REQUEST_SECONDS)
        self._problems = Tally(families.PROBLEMS)
        self._results = Tally(families.RESULTS, [(verdict.value,) for verdict in Verdict])
        self._websocket_seconds = Tally(families.WEBSOCKET_SECONDS)
        self._websockets = 0
        self._endings: Counter[Ending] = Counter()
        self._traffic = Traffic()

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """An HTTP request was answered; ``route`` is its rule."""
        rule = route or "none"
        self._requests.add(method if method in _METHODS else OTHER, rule, str(status))
        self._seconds.observe(seconds, rule)

    def refused(self, kind: str) -> None:
        """A client was told a problem of this kind (``problems.Problem.kind``)."""
        self._problems.add(kind)

    def watch(self, endings: Counter[Ending], traffic: Traffic) -> None:
        """From now on, show what a server counts."""
        self._endings, self._traffic = endings, traffic

    def finished(self, result: Result) -> None:
        """A client was told a result."""
        self._results.add(result.verdict.value)

    def websocket_opened(self) -> None:
        """A WebSocket was opened."""
        self._websockets += 1

    def websocket_ended(self, seconds: float) -> None:
        """One has ended, after so long."""
        self._websockets -= 1
        self._websocket_seconds.observe(seconds)

    def text(self, executor: Executor, open_requests: int) -> bytes:
        """The exposition, with what the executor has to tell: it is asked once."""
        try:
            return exposition(merged((*executor.measures(), *self._measured(open_requests))))
        except VibecellError:  # whatever the reason, it is not ready
            return exposition((gauge(families.READY, 0), *self._measured(open_requests)))

    def _measured(self, open_requests: int) -> tuple[Measured, ...]:
        ended = (((reason.value,), self._endings[reason]) for reason in Ending)
        return (
            gauge(families.GATEWAY_RESTARTS, self._restarts),
            self._requests.measured(),
            self._seconds.measured(),
            self._problems.measured(),
            self._results.measured(),
            gauge(families.CONNECTIONS, self._traffic.connections),
            gauges(families.CONNECTIONS_ENDED, ended),
            gauge(families.RECEIVED_BYTES, self._traffic.received_bytes),
            gauge(families.SENT_BYTES, self._traffic.sent_bytes),
            gauge(families.OPEN_REQUESTS, open_requests),
            gauge(families.WEBSOCKETS, self._websockets),
            self._websocket_seconds.measured(),
            *self._audited(),
        )
