"""From moments to a table."""

import json

import pytest

from vibecell.cli.trace_table import OFF_PATH, PATH, durations_us, make_table
from vibecell.model.marks import Moment


def marks(step_ns: int = 1000, leave_out: tuple[Moment, ...] = ()) -> dict[Moment, int]:
    """A request whose every stage takes a step; its cell was made long before."""
    names: list[Moment] = ["sent", *(moment for moment, _, _ in PATH)]
    found = {name: 50_000_000 + at * step_ns for at, name in enumerate(names)}
    for at, name in enumerate(("fork_asked", "hello")):
        found[name] = at * 7_000_000  # type: ignore[index]
    found["destroying"] = found["told"]
    found["destroyed"] = found["received"] + 2_000_000
    return {name: at for name, at in found.items() if name not in leave_out}


def test_stages_add_up_to_the_total() -> None:
    stages = durations_us(marks())
    assert list(stages) == [moment for moment, _, _ in PATH]
    assert set(stages.values()) == {1.0}
    table = make_table([marks(), marks(3000)])
    assert sum(row.share or 0.0 for row in table.path) == pytest.approx(1.0)
    assert table.total.p95_us == 3.0 * len(PATH)


def test_a_moment_that_did_not_come_is_part_of_the_next_stage() -> None:
    stages = durations_us(marks(leave_out=("output",)))
    assert "output" not in stages
    assert stages["exit"] == 2.0
    assert sum(stages.values()) == len(PATH)
    table = make_table([marks(leave_out=("output",))])
    assert len(table.path) == len(PATH) - 1


def test_quantiles_are_measured_values() -> None:
    table = make_table([marks(step * 1000) for step in range(1, 21)])
    assert (table.path[0].p50_us, table.path[0].p95_us) == (10.0, 19.0)


def test_what_lies_off_the_path_is_not_in_the_total() -> None:
    table = make_table([marks()])
    assert [row.p50_us for row in table.off_path] == [7000.0, 2003.0]
    assert all(row.share is None for row in table.off_path)
    assert make_table([marks(leave_out=("hello", "destroyed"))]).off_path == ()


def test_it_can_be_read_by_people_and_programs() -> None:
    table = make_table([marks()])
    text = "\n".join(table.lines())
    for _, _, what in PATH:
        assert what in text
    for *_, what in OFF_PATH:
        assert what in text
    assert len({len(line) for line in text.splitlines() if " gateway " in line}) == 1
    assert json.loads(json.dumps(table.as_json()))["count"] == 1
