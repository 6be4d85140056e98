"""Every limit has its own verdict and sentence, with cgroups and without.

Programs go through POST /execute of a real service; each is limited by the
request itself, so that a test takes no longer than it must.
"""

import os
import time
from collections.abc import Iterator

import pytest

from host import lacking
from vibecell.sandbox.mechanisms.cgroup import CgroupManager

from .crashes_service import LiveService, serving, until
from .limits_programs import BREACHES, Breach

SLACK_S = 10.0


@pytest.fixture(scope="module", params=["cgroup", "sampling"])
def live(request: pytest.FixtureRequest, prepared: object) -> Iterator[LiveService]:
    """A service that enforces by the one means or by the other."""
    by_cgroup = request.param == "cgroup"
    if by_cgroup:
        cgroups = CgroupManager("vibecell-test")
        usable = cgroups.usable()
        cgroups.close()
        if not usable:
            lacking(f"root, or delegated cgroups: {cgroups.reason}")
    with serving(uid_base=1_956_000_000, require_cgroups=str(by_cgroup).lower()) as service:
        assert bool(service.cells()) == by_cgroup
        yield service


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_a_limit_has_its_verdict_and_sentence(live: LiveService, breach: Breach) -> None:
    began_s = time.monotonic()
    answer = live.run(breach.source, language=breach.language, limits=breach.limits)
    took_s = time.monotonic() - began_s
    assert (answer["status"], answer["verdict"]) == (200, breach.verdict), answer
    assert breach.message in answer["error"], answer["error"][-500:]
    assert not answer["success"]
    assert answer["output"].startswith("begun\n")
    bound_s = breach.limits.get("wall_time_ms", 10_000) / 1000
    slower = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert took_s < bound_s + SLACK_S * slower
    if breach.verdict == "output_limit_exceeded":
        assert answer["truncated"]
        kept = len(answer["output"]) + len(answer["error"].replace(breach.message, ""))
        assert breach.limits["output_bytes"] <= kept <= breach.limits["output_bytes"] + 10


@pytest.mark.parametrize("open_files", [4, 8, 12, 15, 17])
def test_a_new_node_without_enough_files_has_failed_by_itself(
    live: LiveService, open_files: int
) -> None:
    answer = live.run(
        "console.log(1)", language="javascript", limits={"open_files": open_files},
        env={"NODE_NO_WARNINGS": "1"},
    )  # fmt: skip
    assert (answer["verdict"], answer["warm"], answer["output"]) == ("runtime_error", False, "")
    assert answer["error"] != "", answer


def test_open_files_are_the_programs_own_error(live: LiveService) -> None:
    """The kernel says EMFILE, and a program may live with it: so it is no verdict of its own."""
    code = "print('begun')\nkept = [open('/dev/null') for _ in range(100)]"
    answer = live.run(code, limits={"open_files": 50})
    assert answer["verdict"] == "runtime_error"
    assert "Too many open files" in answer["error"]
    assert answer["output"] == "begun\n"
    caught = "import os\nn = 0\ntry:\n    while True: os.dup(0); n += 1\nexcept OSError: print(n)"
    answer = live.run(caught, limits={"open_files": 50})
    assert answer["verdict"] == "accepted"
    assert int(answer["output"]) == 47


def test_a_program_that_leaves_a_child_ends_with_its_own_status(live: LiveService) -> None:
    """What it left in the background ends with it; nobody waits for that."""
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(30)\nprint('done')"
    began_s = time.monotonic()
    answer = live.run(code)
    assert (answer["verdict"], answer["output"]) == ("accepted", "done\n")
    assert time.monotonic() - began_s < SLACK_S


def test_a_limit_met_and_handled_is_no_verdict(live: LiveService) -> None:
    code = (
        "try:\n    open('big', 'wb').write(b'x' * (8 << 20))\n"
        "except OSError as error:\n    print(error.errno)"
    )
    answer = live.run(code, limits={"workspace_bytes": 4 * 1024 * 1024})
    assert (answer["verdict"], answer["output"]) == ("accepted", "28\n")


def test_usage_is_told(live: LiveService) -> None:
    code = (
        "import os, time\nkept = b'x' * (60 << 20)\n"
        "end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint('done')"
    )
    usage = live.run(code)["usage"]
    assert usage["output_bytes"] == 5
    assert 150 <= usage["cpu_time_ms"] <= 5_000
    assert usage["wall_time_ms"] >= usage["cpu_time_ms"] * 0.4
    assert 60 * 2**20 <= usage["memory_bytes"] <= 200 * 2**20
    assert usage["processes"] >= 1


def test_limits_leave_nothing_running(live: LiveService) -> None:
    """After all of that, only waiting cells are left, each with its one runner."""

    def calm() -> bool:
        return all(len(live.children(agent)) <= 1 for agent in live.agents())

    assert until(calm)
    assert live.is_whole()


@pytest.mark.parametrize("memory_bytes", [1, 4096, 64 * 1024, 256 * 1024])
def test_less_memory_than_it_takes_to_begin_is_the_limits_verdict(
    live: LiveService, memory_bytes: int
) -> None:
    """And no failure of the platform's, which would begin it again in another cell."""
    # where memory is sampled, it has to be there when somebody looks
    code = "import time\ndata = bytearray(8_000_000)\ntime.sleep(1)\nprint(data[0])"
    answer = live.run(code, limits={"memory_bytes": memory_bytes})
    assert (answer["status"], answer["verdict"]) == (200, "memory_limit_exceeded"), answer
