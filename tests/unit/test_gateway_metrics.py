"""What is counted per request, and how it is shown."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vibecell.gateway.exposition import exposition
from vibecell.gateway.metrics import Metrics
from vibecell.model import families
from vibecell.model.errors import EngineUnavailable, ProtocolViolation
from vibecell.model.execution import Result
from vibecell.model.families import FAMILIES
from vibecell.model.measures import Measured, Series, Tally, gauge, gauges
from vibecell.model.verdicts import Verdict


class _Executor:
    def __init__(self, *measured: Measured, failure: Exception | None = None) -> None:
        self.measured, self.failure, self.asked = measured, failure, 0

    def measures(self) -> tuple[Measured, ...]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.measured


def shown(metrics: Metrics, executor: _Executor | None = None) -> list[str]:
    asked = executor or _Executor(failure=EngineUnavailable("reach the engine"))
    return metrics.text(asked, 3).decode().splitlines()  # type: ignore[arg-type]


def test_requests_are_counted_by_rule_and_timed() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 100.0):
        metrics.answered("POST", "/execute", 200, seconds)
    metrics.answered("BREW", None, 405, 0.0)
    metrics.finished(Result("a", Verdict.ACCEPTED))
    metrics.websocket_opened()
    metrics.refused("queue-full")
    lines = shown(metrics)
    name = "vibecell_http_request"
    for line in (
        f'{name}s_total{{method="POST",route="/execute",status="200"}} 4.0',
        f'{name}s_total{{method="other",route="none",status="405"}} 1.0',
        f'{name}_seconds_bucket{{le="0.001",route="/execute"}} 2.0',
        f'{name}_seconds_bucket{{le="0.5",route="/execute"}} 3.0',
        f'{name}_seconds_bucket{{le="+Inf",route="/execute"}} 4.0',
        f'{name}_seconds_count{{route="/execute"}} 4.0',
        'vibecell_results_told_total{verdict="accepted"} 1.0',
        'vibecell_problems_total{problem="queue-full"} 1.0',
        "vibecell_websockets 1.0",
        "vibecell_websocket_seconds_count 0.0",
        "vibecell_open_requests 3.0",
        "vibecell_ready 0.0",
    ):
        assert line in lines


def test_a_websocket_is_timed_by_its_life_and_apart_from_requests() -> None:
    metrics = Metrics()
    metrics.websocket_opened()
    metrics.websocket_ended(100.0)
    lines = shown(metrics)
    assert "vibecell_websockets 0.0" in lines
    assert 'vibecell_websocket_seconds_bucket{le="60.0"} 0.0' in lines
    assert 'vibecell_websocket_seconds_bucket{le="300.0"} 1.0' in lines
    assert "vibecell_websocket_seconds_sum 100.0" in lines
    assert not any(line.startswith("vibecell_http_request_seconds_") for line in lines)


def test_the_executor_is_asked_once_and_what_it_tells_is_shown_beside_ours() -> None:
    waited = Tally(families.QUEUE_SECONDS)
    waited.observe(2.0)
    executor = _Executor(gauge(families.READY, 1), waited.measured())
    lines = shown(Metrics(), executor)
    assert executor.asked == 1
    assert "vibecell_ready 1.0" in lines
    assert 'vibecell_queue_wait_seconds_bucket{le="1.0"} 0.0' in lines
    assert 'vibecell_queue_wait_seconds_bucket{le="5.0"} 1.0' in lines
    assert "vibecell_open_requests 3.0" in lines


@pytest.mark.parametrize(
    "measured",
    [
        Measured("made_up", (Series((), 1.0),)),
        Measured("vibecell_ready", (Series(("label",), 1.0),)),
        Measured("vibecell_queue_wait_seconds", (Series((), 1.0, (1, 2)),)),
        Measured("vibecell_ready", (Series((), 1.0, (1,)),)),
    ],
    ids=["no-family", "labels", "buckets", "buckets-of-a-gauge"],
)
def test_an_executor_that_tells_what_is_no_family_is_none_that_is_ready(
    measured: Measured,
) -> None:
    lines = shown(Metrics(), _Executor(measured))
    assert "vibecell_ready 0.0" in lines
    assert not any("made_up" in line for line in lines)
    with pytest.raises(ProtocolViolation):
        exposition((measured,))


def test_every_family_can_be_shown_and_read_and_has_one_fact_a_label() -> None:
    tallies = [Tally(each, [each.labels]) for each in FAMILIES.values()]
    text = exposition(tally.measured() for tally in tallies).decode()
    read = {found.name: found for found in text_string_to_metric_families(text)}
    for family in FAMILIES.values():
        assert read[family.name].type == family.kind
        assert read[family.name].documentation == family.help
        assert len(set(family.labels)) == len(family.labels)
        assert list(family.bounds) == sorted(set(family.bounds))


def test_what_both_processes_measure_is_one_family() -> None:
    acts = gauges(families.AUDIT_ACTS, [(("engine", "written"), 3)])
    mine = gauges(families.AUDIT_ACTS, [(("gateway", "lost"), 1)])
    lines = shown(Metrics(audited=lambda: (mine,)), _Executor(acts))
    assert [line for line in lines if line.startswith("# TYPE vibecell_audit_acts")] == [
        "# TYPE vibecell_audit_acts_total counter"
    ]
    told = {line for line in lines if line.startswith("vibecell_audit_acts_total{")}
    assert told == {
        'vibecell_audit_acts_total{outcome="written",process="engine"} 3.0',
        'vibecell_audit_acts_total{outcome="lost",process="gateway"} 1.0',
    }
