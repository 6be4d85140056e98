"""The arithmetic of the benchmark, its goals, its tables, and that its cases are found."""

import ast
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench import processes
from bench.case import Bench, discover
from bench.guard import ATTEMPTS, guarded
from bench.machine import Machine, describe_machine
from bench.report import BEGIN, END, Report, between_markers, write
from bench.rows import Goal, Row
from bench.statistics import Round, Series, Spread, percentile, ratios
from vibecell.config import Settings

CASES = Path(__file__).parents[2] / "bench" / "cases"
MACHINE = Machine(
    "a processor", 2, "8.0 GiB", "Linux", "CPython", "20", "madvise", "none", "root", "of cgroups"
)
GOAL = Goal("most", 0.4)


def test_a_percentile_is_a_value_that_occurred() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert percentile(hundred, 0.5) == 50
    assert percentile(hundred, 0.99) == 99
    assert percentile([7.0], 0.99) == 7
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def series(name: str, *p50s_ms: float) -> Series:
    rounds = (Round((ms, ms, ms), 3 * ms / 1000, 0.03, 0.003, 0.001) for ms in p50s_ms)
    return Series(name, tuple(rounds))


def test_a_series_has_medians_of_rounds_and_percentiles_of_everything() -> None:
    found = series("it", 10, 30, 20)
    assert found.p50_ms == Spread(20, 10, 30)
    assert found.per_s.median == pytest.approx(50)
    assert found.pooled_ms(0.99) == 30
    assert found.cpu_ms_per_run.median == pytest.approx(10)
    assert found.client_share(2) == pytest.approx(0.003 / (2 * 0.18))


def test_ratios_are_of_the_same_round() -> None:
    assert ratios([1, 20], [2, 40]) == Spread(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="zip"):
        ratios([1], [1, 2])


def test_a_goal_is_kept_at_its_bound_and_halved_to_its_easier_side() -> None:
    assert GOAL.met_by(0.4)
    assert not GOAL.met_by(0.41)
    assert GOAL.halved().value == pytest.approx(0.8)
    assert Goal("least", 2.5).halved().value == pytest.approx(1.25)
    assert Goal("least", 2.5).met_by(2.5)
    assert not Goal("least", 2.5).met_by(2.4)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("x", measured="1", value=0.4, goal=GOAL), "pass"),
        (Row("x", measured="1", value=0.5, goal=GOAL), "miss"),
        (Row("x", goal=GOAL, why="lacking"), "not measured"),
        (Row("x", why="lacking"), "not had"),
        (Row("x", measured="1"), ""),
        (Row("x", why="broke", failed=True), "FAILED"),
    ],
)
def test_a_row_says_what_came_of_it(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def a_report() -> Report:
    had = Row(
        "hello",
        measured="4 ms",
        reference="16 ms",
        ratio="0.25 ×",
        value=0.25,
        goal=GOAL,
        series=(series("Vibecell", 4), series("reference", 16)),
    )
    lacking = Row("docker run --rm", why="not had: no Docker engine runs")
    rows = (("hello", had), ("peers", lacking))
    return Report("2030-01-01T00:00:00+00:00", "abc", False, MACHINE, rows)


def test_a_report_names_what_could_not_be_had() -> None:
    text = a_report().as_markdown()
    assert "| hello | hello | 4 ms | 16 ms | 0.25 × | ≤ 0.40 × | pass |" in text
    assert "no Docker engine runs" in text
    assert "a processor, 2 of them" in text
    read = json.loads(a_report().as_json())
    assert [row["verdict"] for row in read["rows"]] == ["pass", "not had"]
    assert read["rows"][0]["series"][1]["p95_ms"] == 16


def test_a_report_is_written_between_the_markers_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    path = write(a_report(), tmp_path / "results", page)
    assert json.loads(path.read_text())["revision"] == "abc"
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    write(a_report(), tmp_path / "results", page)
    assert page.read_text() == text
    with pytest.raises(ValueError, match="markers"):
        between_markers("no place for it", "text")


def test_the_documentation_has_a_place_for_the_numbers() -> None:
    page = Path(__file__).parents[2] / "docs" / "benchmarks.md"
    assert "numbers" in between_markers(page.read_text(), "numbers")


def test_every_file_of_the_folder_is_a_case() -> None:
    cases = discover()
    assert [case.order for case in cases] == sorted(case.order for case in cases)
    files = {path.stem for path in CASES.glob("*.py")} - {"__init__"}
    assert {case.name for case in cases} == files


def a_bench() -> Bench:
    settings = Settings(state_dir=Path("/nowhere"), run_dir=Path("/nowhere"))
    return Bench(True, settings, Path("/nowhere"), print)


def test_the_guard_takes_the_best_of_its_attempts_and_no_more_than_it_needs() -> None:
    values = iter([0.9, 0.3, 0.1])
    found = guarded(a_bench(), lambda _: Row("x", value=next(values), goal=GOAL))
    assert (found.attempts, found.best.value) == (2, 0.3)
    values = iter([0.9, 0.7, 0.8])
    found = guarded(a_bench(), lambda _: Row("x", value=next(values), goal=GOAL))
    assert (found.attempts, found.best.value, found.best.passed) == (ATTEMPTS, 0.7, False)
    values = iter([1.0, 3.0])
    least = Goal("least", 2.5)
    found = guarded(a_bench(), lambda _: Row("x", value=next(values), goal=least))
    assert found.best.value == 3.0


def test_a_process_is_read_whatever_it_is_called() -> None:
    fields = "S 7 1 1 0 -1 4194560 1 0 0 0 100 50 25 25 20 0 1 0 5 1 1"
    process = processes.parse_stat(f"42 (a) b (c) {fields}")
    assert (process.pid, process.parent, process.name) == (42, 7, "a) b (c")
    assert process.cpu_s == pytest.approx(200 / os.sysconf("SC_CLK_TCK"))


def test_memory_of_this_process_can_be_read() -> None:
    own = os.getpid()
    assert processes.resident_bytes(own) > 2**20
    assert 0 < processes.private_bytes(own) <= processes.rollup_bytes(own)["Rss"]
    assert processes.arguments(own)


def test_the_machine_is_described() -> None:
    machine = describe_machine(None)
    assert machine.processors >= 1
    assert machine.node == "none"
    assert all(value for _, value in machine.lines())
    assert replace(machine, node="20").node == "20"


@pytest.mark.parametrize("path", sorted(CASES.parent.rglob("*.py")), ids=lambda p: p.stem)
def test_a_module_of_the_benchmark_is_short_and_explained(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))
