"""Many users at once: the plan of what they do, what is right, and how it is counted."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import StatisticsError

import pytest

from bench.cases.mixed import ASKS
from bench.load import doors, fairness
from bench.load.client import Client, started
from bench.load.doors import Broken, Refused, Visitor
from bench.load.phases import Phase, growth_row
from bench.load.plan import DOORS, Step, always, mixed_plan
from bench.load.programs import PROGRAMS, Answer, Expected, hello
from bench.load.soak import KINDS
from bench.load.tally import Tally
from bench.load.vitals import Holdings, Vitals, growth_per_1000, settled
from bench.rest import open_in
from bench.rows import Goal
from bench.statistics import jain_index, slope

LANGUAGES = ("python", "javascript", "bash", "html")
MB = 1_000_000


# --- arithmetic ---


def test_the_index_is_one_where_all_have_the_same_and_a_share_where_one_has_all() -> None:
    assert jain_index([3, 3, 3, 3]) == pytest.approx(1)
    assert jain_index([7, 0, 0, 0]) == pytest.approx(0.25)
    assert jain_index([1, 2]) == pytest.approx(0.9)
    for shares in ([], [0, 0], [1, -1]):
        with pytest.raises(ValueError, match="nothing"):
            jain_index(shares)


def test_a_slope_is_that_of_the_line_that_fits_best() -> None:
    assert slope([(0, 5), (1, 7), (2, 9)]) == pytest.approx(2)
    assert slope([(0, 0), (1, 2), (2, 0), (3, 2)]) == pytest.approx(0.4)
    with pytest.raises(StatisticsError):
        slope([(1, 1)])


def vitals(executions: int, size_bytes: int) -> Vitals:
    return Vitals(executions, {"gateway": size_bytes, "engine": size_bytes})


def test_growth_is_told_for_a_thousand_executions_and_not_of_the_warm_up() -> None:
    warming = [vitals(n, 10 * MB + 50_000 * n) for n in range(0, 1000, 100)]
    warm = [vitals(n, 60 * MB + 2 * n) for n in range(1000, 3001, 100)]
    assert growth_per_1000([*warming, *warm], "engine") == pytest.approx(2000)


def test_growth_of_which_too_little_was_seen_is_no_pass() -> None:
    row = growth_row("it", [vitals(0, MB)], "engine", Goal("most", 1, "KB"))
    assert row.verdict == "not measured"
    seen = [vitals(n, 3 * n) for n in (0, 9, 18)]
    assert growth_row("it", seen, "engine", None).value == pytest.approx(3)


def test_what_is_held_is_waited_for_and_then_told() -> None:
    wanted = Holdings({"gateway": 5, "engine": 9}, 4)
    more = Holdings({"gateway": 5, "engine": 10}, 4)
    seen = iter([more, Holdings({"gateway": 5, "engine": 9}, 5), wanted])
    assert settled(lambda: next(seen), wanted, 5.0) == wanted
    assert settled(lambda: more, wanted, 0.0) == more


def test_what_a_service_has_open_is_read_from_its_metrics() -> None:
    text = """\
vibecell_websockets 2.0
vibecell_open_requests 0.0
vibecell_executions_running 1.0
vibecell_queue_depth 0.0
vibecell_executions_kept 7.0
vibecell_pool_cells{place="(default)",profile="python",state="in_use"} 3.0
"""
    assert open_in(text) == {"vibecell_websockets": 2, "running": 1, "pool.python.in_use": 3}


# --- the plan ---


def steps(count: int) -> list[Step]:
    plan = mixed_plan(1, LANGUAGES)
    return [plan(n % 100, n // 100) for n in range(count)]


def test_one_in_ten_cancels_and_one_in_twenty_vanishes_and_all_doors_are_used() -> None:
    found = steps(4000)
    ways = Counter(step.way for step in found)
    assert 0.08 < ways["cancel"] / 4000 < 0.12
    assert 0.035 < ways["vanish"] / 4000 < 0.065
    assert {step.door for step in found} == set(DOORS) == set(doors.OPENED)
    assert not any(step.way == "cancel" and step.door == "execute" for step in found)


def test_every_program_comes_and_no_number_comes_twice() -> None:
    found = steps(4000)
    assert {step.program.name for step in found} == {program.name for program in PROGRAMS}
    assert len({step.number for step in found}) == len(found)
    assert {program.language for program in PROGRAMS} == set(LANGUAGES)
    verdicts = {program.of(1)[1].verdict for program in PROGRAMS}
    assert verdicts >= {
        *("accepted", "runtime_error", "time_limit_exceeded", "memory_limit_exceeded"),
        *("output_limit_exceeded", "wrong_answer"),
    }


def test_a_plan_is_the_same_for_one_seed_and_another_for_another() -> None:
    assert [mixed_plan(1, LANGUAGES)(3, n) for n in range(50)] == [
        mixed_plan(1, LANGUAGES)(3, n) for n in range(50)
    ]
    assert [mixed_plan(1, LANGUAGES)(3, n) for n in range(50)] != [
        mixed_plan(2, LANGUAGES)(3, n) for n in range(50)
    ]


def test_programs_of_a_language_that_is_not_there_are_left_out() -> None:
    plan = mixed_plan(1, ["bash"])
    assert {plan(0, n).program.language for n in range(100)} == {"bash"}


def test_kinds_of_the_soak_are_there() -> None:
    assert set(KINDS) <= {ask.name for ask in ASKS}


# --- what is right ---


def answer(**changes: object) -> Answer:
    told = {"id": "a", "verdict": "accepted", "output": "7\n", "error": "", "exit_code": 0}
    return Answer(**{**told, **changes})  # type: ignore[arg-type]


def test_an_answer_is_right_in_every_part_or_wrong() -> None:
    expected = Expected("7\n", exit_code=0, error="")
    assert expected.difference(answer()) is None
    assert "verdict" in str(expected.difference(answer(verdict="runtime_error")))
    assert "output" in str(expected.difference(answer(output="8\n")))
    assert "exit code" in str(expected.difference(answer(exit_code=1)))
    failing = Expected("7\n", "runtime_error", error="ValueError: 9")
    assert failing.difference(answer(verdict="runtime_error", error="ValueError: 9\n")) is None
    assert failing.difference(answer(verdict="runtime_error", error="ValueError: 8\n"))


def test_who_was_cancelled_may_have_said_a_beginning_and_nothing_else() -> None:
    expected = Expected("1\n2\n")
    stopped = answer(verdict="cancelled", output="1\n")
    assert expected.difference(stopped, interrupted=True) is None
    assert expected.difference(stopped) is not None
    assert expected.difference(answer(verdict="cancelled", output="2\n"), interrupted=True)
    assert expected.difference(answer(output="1\n2\n"), interrupted=True) is None
    assert expected.difference(answer(output="1\n"), interrupted=True) is not None


RESULT = {"verdict": "accepted", "stdout": "ab", "stderr": "", "message": None, "stages": []}
EVENTS = [
    {"seq": 1, "type": "started"},
    {"seq": 2, "type": "stream", "name": "stdout", "data": "a"},
    {"seq": 3, "type": "stream", "name": "stderr", "data": "x"},
    {"seq": 4, "type": "stream", "name": "stdout", "data": "b"},
    {"seq": 5, "type": "finished", "result": RESULT},
]


def test_a_stream_that_keeps_its_laws_is_an_answer() -> None:
    assert doors.of_events("a", EVENTS).output == "ab"


@pytest.mark.parametrize(
    "heard",
    [
        EVENTS[:-1],
        EVENTS[:1] + EVENTS[2:],
        [*EVENTS, {"seq": 6, "type": "started"}],
        [*EVENTS, {**EVENTS[-1], "seq": 6}],
        [*EVENTS[:3], {**EVENTS[3], "data": "c"}, EVENTS[4]],
        [],
    ],
    ids=["no end", "a gap", "more", "two ends", "another output", "nothing"],
)
def test_a_stream_that_breaks_a_law_is_none(heard: list[dict[str, object]]) -> None:
    with pytest.raises(Broken):
        doors.of_events("a", heard)


def test_only_429_and_503_ask_to_come_again() -> None:
    refused = doors.refusal(503, "7", "full")
    assert isinstance(refused, Refused) and refused.retry_after_s == 7
    for untold in (None, "soon", "-1"):
        refused = doors.refusal(429, untold, "")
        assert isinstance(refused, Refused) and refused.retry_after_s is None
    for status in (400, 401, 404, 500, 502):
        assert isinstance(doors.refusal(status, "7", ""), Broken)


# --- a client, and a service that does as it is told ---


class Told(BaseHTTPRequestHandler):
    """Answers each request by the next of ``said``: a status, fields and a body."""

    said: list[tuple[int, dict[str, str], object]]
    asked_at_s: list[float]
    came_from: list[str]

    def do_POST(self) -> None:  # its name is http.server's
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked_at_s.append(time.monotonic())
        self.came_from.append(self.client_address[0])
        status, fields, said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to read it."""


@pytest.fixture
def told() -> Iterator[tuple[type[Told], tuple[str, int]]]:
    class Handler(Told):
        said: list[tuple[int, dict[str, str], object]] = []  # noqa: RUF012
        asked_at_s: list[float] = []  # noqa: RUF012
        came_from: list[str] = []  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Handler, ("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def worked(address: tuple[str, int], seconds: float) -> Tally:
    program = next(program for program in PROGRAMS if program.name == "hello")
    tally, visitor = Tally(), Visitor(address, "127.0.0.7", "a-key")
    until_s = time.monotonic() + seconds
    for thread in started([Client(0, "owner", visitor, always(program), tally, until_s)]):
        thread.join(10)
    return tally


def reply(number: int, **changes: object) -> dict[str, object]:
    output = hello(number)[1].output
    told = {"id": "a", "verdict": "accepted", "output": output, "error": "", "exit_code": 0}
    return {**told, **changes}


def test_a_client_comes_again_when_it_was_told_to_and_from_its_own_address(
    told: tuple[type[Told], tuple[str, int]],
) -> None:
    service, address = told
    service.said = [(503, {"Retry-After": "1"}, {}), (200, {}, reply(1)), (500, {}, {})]
    tally = worked(address, 1.1)
    assert service.asked_at_s[1] - service.asked_at_s[0] >= 1.0
    assert set(service.came_from) == {"127.0.0.7"}
    assert (tally.right, tally.by_owner["owner"], tally.refused[503], tally.untold) == (1, 1, 1, 0)
    assert tally.short_s[0] >= 1.0, "a refusal is part of what it took"
    assert tally.broken >= 1


def test_what_is_wrong_is_counted_as_what_it_is(
    told: tuple[type[Told], tuple[str, int]],
) -> None:
    service, address = told
    service.said = [
        (200, {}, reply(1, output="another")),
        (200, {}, reply(2, verdict="internal_error")),
        (200, {}, {"id": "no answer"}),
        (429, {}, {}),
    ]
    tally = worked(address, 0.5)
    assert (tally.right, tally.wrong, tally.broken) == (0, 1, 2)
    assert tally.untold == tally.refused[429] == 1
    rows = Phase(1, 1.0, tally, [], 1.0, 0.1, {"running": 1}, steady=False).right_rows("it")
    assert [(row.value, row.verdict) for row in rows] == [
        *((3, "miss"), (1, "miss"), (1, "miss"), (1, "miss")),
    ]


def test_a_phase_without_a_fault_passes() -> None:
    tally = Tally()
    tally.was_right("owner", False, 0.5)
    phase = Phase(100, 1.0, tally, [vitals(n, 5 * MB) for n in range(9)], 1.0, 0.1, {}, steady=True)
    assert all(row.passed in (True, None) for row in phase.rows())
    tally.was_right("owner", False, 4.5)
    missed = [row.label for row in phase.rows() if row.passed is False]
    assert missed == ["100 clients: short programs, mean"]


def test_the_one_who_floods_asks_ten_times_as_much_and_counts_as_one() -> None:
    asking = Counter(owner for owner, _ in fairness.clients())
    assert set(asking) == set(fairness.OWNERS)
    assert asking[fairness.FLOODER] == 10 * asking[fairness.EQUAL[0]]
    assert len({asking[owner] for owner in (*fairness.EQUAL, fairness.SLEEPER)}) == 1
    phase = Phase(1, 1.0, Tally(), [], 1.0, 0.1, {}, steady=True)
    served = dict.fromkeys(fairness.EQUAL, 40)
    fair = fairness.Shares(phase, served | {fairness.FLOODER: 42, fairness.SLEEPER: 4})
    assert all(row.passed for row in fair.rows())
    first_come = fairness.Shares(phase, served | {fairness.FLOODER: 400})
    assert [row.passed for row in first_come.rows()][:2] == [True, False]
    assert first_come.with_flooder < 0.4
