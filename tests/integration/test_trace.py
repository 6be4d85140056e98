"""``vibecell trace``, really; and that nothing is noted where nobody asked."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from host import Service as RealService
from integration.live import Service
from integration.test_command import vibecell
from vibecell.cli.trace_table import PATH
from vibecell.engine.client import EngineClient
from vibecell.gateway.timing import read_server_timing

BODY = {"code": "print(1)", "language": "python"}


def test_a_trace_covers_the_whole_time_in_order(running_service: RealService) -> None:
    done = vibecell(running_service, "trace", "--count", "5", "--json")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert (table["count"], table["language"], table["verdicts"]) == (5, "python", ["accepted"])
    assert [row["stage"] for row in table["path"]] == [what for _, _, what in PATH]
    assert sum(row["share"] for row in table["path"]) == pytest.approx(1.0)
    for row in (*table["path"], *table["off_path"]):
        assert 0 <= row["p50_us"] <= row["p95_us"], row
    stages_us = sum(row["p50_us"] for row in table["path"])
    assert 0.3 < stages_us / table["total"]["p50_us"] < 1.7
    assert len(table["off_path"]) == 2
    assert all(row["p50_us"] > 0 for row in table["off_path"])


def test_a_trace_for_people(running_service: RealService, tmp_path: Path) -> None:
    program = tmp_path / "silent.sh"
    program.write_text("exit 3\n")
    done = vibecell(running_service, "trace", "--count", "2", "--file", str(program))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 executions of bash, one after the other: runtime_error\n")
    assert "total, as the client saw it" in done.stdout
    assert "first output heard" not in done.stdout


def test_a_service_that_notes_nothing_says_so(running_service: RealService) -> None:
    done = vibecell(running_service, "trace", "--count", "1", "--url", running_service.url)
    assert done.returncode == 2
    assert "start it with VIBECELL_TRACE=true" in done.stderr


@pytest.mark.parametrize("options", [("--count", "0"), ("--url", "ftp://x"), ("--file", "none.py")])
def test_wrong_options(running_service: RealService, options: tuple[str, str]) -> None:
    done = vibecell(running_service, "trace", *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def answers(service: Service) -> list[requests.Response]:
    """One by each of the two ways through the gateway."""
    kinds = ("application/json", "application/json; charset=utf-8")
    return [
        requests.post(
            f"{service.url}/execute",
            data=json.dumps(BODY),
            headers={"Content-Type": kind},
            timeout=10,
        )
        for kind in kinds
    ]


def test_without_the_setting_nothing_is_noted_and_no_header_is_sent(
    service: Service, request: pytest.FixtureRequest
) -> None:
    for answer in answers(service):
        assert answer.status_code == 200
        assert "Server-Timing" not in answer.headers
    if not service.live:
        run_dir = request.getfixturevalue("engine_run_dir")
        assert EngineClient(run_dir / "engine.sock").traces() is None


def test_with_the_setting_the_gateway_tells_its_moments(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(policy={"trace": True})
    for answer in answers(service):
        told = read_server_timing(answer.headers["Server-Timing"])
        assert told is not None
        assert list(told) == ["request", "body", "checked", "heard", "encoded"]
        assert list(told.values()) == sorted(told.values())
        assert 0 < time.monotonic_ns() - told["request"] < 60 * 10**9
    refused = requests.post(f"{service.url}/execute", json={"code": 1}, timeout=10)
    assert refused.status_code == 422 or refused.status_code == 400
    assert "Server-Timing" not in refused.headers
