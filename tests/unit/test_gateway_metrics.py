"""What is counted per request, as it is shown."""

from vibecell.gateway.metrics import Metrics
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict


def test_requests_are_counted_by_rule_and_timed() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 100.0):
        metrics.answered("POST", "/execute", 200, seconds)
    metrics.answered("BREW", None, 405, 0.0)
    metrics.finished(Result("a", Verdict.ACCEPTED))
    metrics.websockets(1)
    lines = metrics.text(None, 3).decode().splitlines()
    name = "vibecell_http_request"
    for line in (
        f'{name}s_total{{method="POST",route="/execute",status="200"}} 4.0',
        f'{name}s_total{{method="other",route="none",status="405"}} 1.0',
        f'{name}_seconds_bucket{{le="0.001",route="/execute"}} 2.0',
        f'{name}_seconds_bucket{{le="0.5",route="/execute"}} 3.0',
        f'{name}_seconds_bucket{{le="+Inf",route="/execute"}} 4.0',
        f'{name}_seconds_count{{route="/execute"}} 4.0',
        'vibecell_executions_total{verdict="accepted"} 1.0',
        "vibecell_websockets 1.0",
        "vibecell_open_requests 3.0",
        "vibecell_ready 0.0",
    ):
        assert line in lines
