"""What is read of a cell's cgroup, and no longer than it is the cell's."""

import subprocess
import sys
from typing import cast

from vibecell.model.limits import Limits
from vibecell.sandbox.framed.meters import Meters
from vibecell.sandbox.mechanisms.cgroup import Cgroup
from vibecell.sandbox.mechanisms.cgroup_stock import OomAlarm


class CountedCgroup:
    def __init__(self) -> None:
        self.limits: list[tuple[int, int]] = []
        self.used_ns = 5_000_000

    def set_limits(self, *, memory_bytes: int, processes: int) -> None:
        self.limits.append((memory_bytes, processes))

    def cpu_time_ns(self) -> int:
        return self.used_ns

    def memory_peak_bytes(self) -> int:
        return 7

    def processes_peak(self) -> int:
        return 3

    def memory_limit_hit(self) -> bool:
        return True

    def process_limit_hit(self) -> bool:
        return True

    def refusals(self) -> int:
        return 2

    def processes_now(self) -> int:
        return 5


class Alarm:
    call: object = None


def read(meters: Meters) -> list[object]:
    return [
        meters.exist,
        meters.cpu_time_ms(),
        meters.memory_peak_bytes(),
        meters.processes_peak(),
        meters.memory_limit_hit(),
        meters.process_limit_hit(),
        meters.refusals(),
        meters.processes_now(),
    ]


UNKNOWN = [False, None, None, None, False, False, 0, None]


def test_without_a_cgroup_nothing_is_known() -> None:
    meters = Meters(None, None)
    meters.set_limits(Limits())
    meters.tell_of_oom(lambda: None)
    assert read(meters) == UNKNOWN


def test_processor_time_counts_from_the_start() -> None:
    cgroup = CountedCgroup()
    meters = Meters(cast(Cgroup, cgroup), None)
    limits = Limits(memory_bytes=11, processes=2)
    meters.set_limits(limits)
    cgroup.used_ns += 2_000_000
    assert cgroup.limits == [(11, 2)]
    assert read(meters) == [True, 2.0, 7, 3, True, True, 2, 5]


def test_the_agents_work_counts_from_the_start_of_its_program() -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-Sc",
            "import sys\nfor line in sys.stdin: sum(range(3_000_000)), print(flush=True)",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None

        def work() -> None:
            print(file=agent.stdin, flush=True)
            agent.stdout.readline()  # type: ignore[union-attr]

        meters = Meters(cast(Cgroup, CountedCgroup()), None, agent.pid)
        meters.set_limits(Limits())
        work()
        meters.count_agent()
        before_ms = meters.cpu_time_ms()
        assert before_ms is not None
        assert before_ms < 5
        work()
        after_ms = meters.cpu_time_ms()
        assert after_ms is not None
        assert after_ms > before_ms + 5
        agent.stdin.close()
        agent.wait()
        last_ms = meters.cpu_time_ms()
        assert last_ms is not None
        assert last_ms >= after_ms, "what it has used is not forgotten when it has died"


def test_what_may_be_another_cells_is_neither_read_nor_bounded_nor_listened_to() -> None:
    cgroup, alarm = CountedCgroup(), Alarm()
    meters = Meters(cast(Cgroup, cgroup), cast(OomAlarm, alarm))
    meters.tell_of_oom(lambda: None)
    assert alarm.call is not None
    meters.let_go()
    assert alarm.call is None
    alarm.call = "the next cell"
    meters.tell_of_oom(None)
    meters.set_limits(Limits())
    assert alarm.call == "the next cell"
    assert cgroup.limits == []
    assert read(meters) == UNKNOWN
