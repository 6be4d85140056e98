"""Numbers of families: what is counted of executions, pools and the host; that it is bounded."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from vibecell.engine.tallies import ExecutionTallies
from vibecell.engine.witnesses import Ended, Source
from vibecell.gateway.metrics import Metrics
from vibecell.model import errors, families
from vibecell.model.caller import CredentialKind, Owner
from vibecell.model.execution import OmittedFile, Result, Usage
from vibecell.model.language import WarmProfile
from vibecell.model.marks import Moment
from vibecell.model.measures import MAX_SERIES, Family, Measured, Series, Tally, merged
from vibecell.model.provenance import NO_REQUEST, Provenance
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.host.host_figures import HostFigures
from vibecell.sandbox.warming.pool_tallies import PoolTallies

COUNTER = Family("made_up", "counter", "Made up", ("who",))
HISTOGRAM = Family("made_up_seconds", "histogram", "Made up", (), (1.0, 2.0))
MOMENTS: Mapping[Moment, int] = {
    "admitted": 0,
    "running": 2_000_000_000,
    "cell": 2_100_000_000,
    "started": 2_500_000_000,
    "output": 3_000_000_000,
    "exit": 4_000_000_000,
    "destroying": 5_000_000_000,
    "destroyed": 6_000_000_000,
}
USED = Usage(wall_time_ms=1500.0, cpu_time_ms=500.0, memory_bytes=20 * 1024 * 1024, output_bytes=7)
ENDED = Ended(
    "id",
    Owner("key"),
    Provenance("request", "192.0.2.1", "token"),
    Source("0" * 64, 3, 1),
    "python",
    "",
    1,
    MOMENTS,
    Result("id", Verdict.ACCEPTED, usage=USED),
)


def values(*measured: Measured) -> dict[tuple[str, ...], float]:
    return {(each.family, *s.labels): s.value for each in measured for s in each.series}


def test_what_is_known_from_the_beginning_is_there_at_zero() -> None:
    tally = Tally(COUNTER, [("one",), ("two",)])
    tally.add("two")
    tally.add("two", by=2.5)
    assert values(tally.measured()) == {("made_up", "one"): 0.0, ("made_up", "two"): 3.5}


def test_a_value_falls_into_one_bucket_and_into_the_sum() -> None:
    tally = Tally(HISTOGRAM)
    for value in (0.5, 1.0, 1.5, 9.0, -1.0):
        tally.observe(value)
    assert tally.measured().series == (Series((), 12.0, (3, 1, 1)),)


def test_whatever_labels_come_there_are_no_more_series_than_a_bound() -> None:
    tally = Tally(COUNTER)
    for number in range(3 * MAX_SERIES):
        tally.add(f"user-{number}")
    found = values(tally.measured())
    assert len(found) == MAX_SERIES + 1
    assert found["made_up", "other"] == 2 * MAX_SERIES
    assert sum(found.values()) == 3 * MAX_SERIES


def test_a_label_too_many_or_too_few_is_a_fault_of_ours() -> None:
    for labels in ((), ("one", "two")):
        with pytest.raises(ValueError, match="made_up"):
            Tally(COUNTER).add(*labels)


def test_no_client_can_add_a_series_by_what_it_sends() -> None:
    metrics = Metrics()

    def series() -> Counter[str]:
        return Counter(
            {each.family: len(each.series) for each in metrics._measured(open_requests=0)}
        )

    metrics.answered("BREW", None, 404, 0.1)
    before = series()
    for number in range(500):
        metrics.answered(f"BREW-{number}", None, 404, 0.1)
    assert series() == before


def test_labels_of_executions_are_ours_whoever_asks_and_whatever_is_asked() -> None:
    tallies = ExecutionTallies()
    for number in range(500):
        owner = Owner(f"key-{number}", f"user-{number}")
        asked = Provenance(f"request-{number}", f"192.0.2.{number % 250}", "key")
        tallies.ended(replace(ENDED, id=f"id-{number}", owner=owner, provenance=asked))
    for measured in tallies.measured():
        assert len(measured.series) <= 8, measured.family
    text = repr(tallies.measured())
    assert not any(word in text for word in ("key-", "user-", "request-", "192.0.2.", "id-"))


def test_an_execution_is_counted_where_it_belongs() -> None:
    tallies = ExecutionTallies()
    tallies.ended(ENDED)
    tallies.ended(replace(ENDED, place="strict", provenance=NO_REQUEST))
    page = replace(ENDED, language="html", place=None, moments_ns={})
    tallies.ended(page)
    found = values(*tallies.measured())
    name = "vibecell_executions"
    assert found[name, "python", "accepted", "(default)", "token"] == 1
    assert found[name, "python", "accepted", "strict", "none"] == 1
    assert found[name, "html", "accepted", "(none)", "token"] == 1
    assert found[("vibecell_queue_wait_seconds",)] == pytest.approx(4.0)
    assert found["vibecell_execution_start_seconds", "(default)"] == pytest.approx(0.5)
    assert found["vibecell_execution_first_output_seconds", "strict"] == pytest.approx(3.0)
    assert found["vibecell_execution_run_seconds", "python"] == pytest.approx(3.0)
    assert found["vibecell_execution_cpu_seconds", "python"] == pytest.approx(1.0)
    assert found["vibecell_execution_memory_bytes", "python"] == 40 * 1024 * 1024
    assert found["vibecell_execution_output_bytes", "python"] == 14
    assert not any(value for key, value in found.items() if key[0] == "vibecell_cells_lost")


@pytest.mark.parametrize(
    ("step", "reached", "verdict", "omitted"),
    [
        ("make", ("admitted", "running"), Verdict.INTERNAL_ERROR, ()),
        ("start", ("running", "cell", "destroying", "destroyed"), Verdict.INTERNAL_ERROR, ()),
        ("run", ("running", "cell", "started", "output"), Verdict.INTERNAL_ERROR, ()),
        ("collect", tuple(MOMENTS), Verdict.ACCEPTED, (OmittedFile(".", None, "lost"),)),
        ("destroy", tuple(MOMENTS)[:-1], Verdict.ACCEPTED, ()),
        (None, tuple(MOMENTS), Verdict.RUNTIME_ERROR, ()),
        (None, ("admitted",), Verdict.CANCELLED, ()),
        (None, ("admitted", "running"), Verdict.CANCELLED, ()),
    ],
)
def test_a_cell_that_is_lost_is_counted_by_the_step_in_which_it_was(
    step: str | None, reached: tuple[Moment, ...], verdict: Verdict, omitted: tuple[OmittedFile]
) -> None:
    tallies = ExecutionTallies()
    moments = {moment: MOMENTS[moment] for moment in reached}
    tallies.ended(replace(ENDED, moments_ns=moments, result=Result("id", verdict, omitted=omitted)))
    found = values(*tallies.measured())
    lost = [key[1] for key, value in found.items() if key[0] == "vibecell_cells_lost" and value]
    assert lost == ([] if step is None else [step])


def test_refusals_are_counted_by_their_kind_and_known_before_the_first() -> None:
    tallies = ExecutionTallies()
    before = values(*tallies.measured())
    assert before["vibecell_admission_refusals", "queue_full"] == 0
    tallies.refused(errors.QueueFull("no room"))
    tallies.refused(errors.InvalidRequest(errors.FieldProblem("limits", "too much")))
    after = values(*tallies.measured())
    assert after["vibecell_admission_refusals", "queue_full"] == 1
    assert after["vibecell_admission_refusals", "invalid_request"] == 1
    assert after.keys() == before.keys()


def test_every_kind_of_credential_has_a_word_and_none_is_that_of_none() -> None:
    assert families.NO_CREDENTIAL not in get_args(CredentialKind)


def test_a_pool_tells_of_its_profile_and_place() -> None:
    tallies = PoolTallies(WarmProfile(name="shell", place="strict"))
    tallies.taken(was_ready=True)
    tallies.taken(was_ready=False)
    tallies.made(0.25)
    tallies.not_made()
    tallies.zygote_started()
    tallies.zygote_lost()
    tallies.zygote_failed()
    counts = {"ready": 2, "making": 1, "in_use": 4, "target": 3, "waiting": 5}
    found = values(*tallies.measured(counts))
    of = ("strict", "shell")
    assert (
        found["vibecell_pool_takes", *of, "hit"] == found["vibecell_pool_takes", *of, "miss"] == 1
    )
    assert found["vibecell_cell_making_seconds", *of] == 0.25
    assert [
        found["vibecell_pool_cells", *of, state] for state in ("ready", "making", "in_use")
    ] == [
        2,
        1,
        4,
    ]
    assert found["vibecell_pool_target_cells", *of] == 3
    assert found["vibecell_pool_waiting", *of] == 5
    for name in ("cell_making_failures", "zygotes_started", "zygotes_lost", "zygotes_failed"):
        assert found[f"vibecell_{name}", *of] == 1
    assert {measured.family for measured in tallies.measured(counts)} <= families.FAMILIES.keys()


def test_what_several_measure_of_a_family_is_one() -> None:
    one, other = Tally(COUNTER), Tally(COUNTER)
    one.add("one")
    other.add("other")
    (whole,) = merged((one.measured(), other.measured()))
    assert values(whole) == {("made_up", "one"): 1, ("made_up", "other"): 1}


def test_what_tasks_of_the_host_wait_for_is_read_in_seconds(tmp_path: Path) -> None:
    pressure = tmp_path / "pressure"
    pressure.mkdir()
    (pressure / "memory").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n"
    )
    (pressure / "io").write_bytes(b"some total=x\xff\n")
    figures = HostFigures({"state": tmp_path, "gone": tmp_path / "none"}, lambda: 7, tmp_path)
    found = values(*asyncio.run(figures.measured()))
    name = "vibecell_host_pressure_seconds"
    assert {key: value for key, value in found.items() if key[0] == name} == {
        (name, "memory", "some"): 1.5,
        (name, "memory", "full"): 0.5,
    }
    assert found[("vibecell_cgroups",)] == 7
    assert found["vibecell_directory_free_bytes", "state"] > 0
    assert ("vibecell_directory_size_bytes", "gone") not in found


def test_a_disk_that_does_not_answer_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), []

    def frozen() -> int:
        asked.append(1)
        answers.wait()
        return 1

    async def scenario() -> None:
        figures = HostFigures({}, frozen, tmp_path)
        try:
            for _ in range(3):
                assert await figures.measured() == ()
            assert len(asked) == 1, "nothing is asked again before it has answered"
        finally:
            answers.set()

    monkeypatch.setattr("vibecell.sandbox.host.host_figures.LOOK_DEADLINE_S", 0.05)
    asyncio.run(scenario())
