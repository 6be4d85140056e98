"""Processor time by processes and by cgroups, and what starts and ends a contender."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from bench import account as account_module
from bench import processes
from bench.account import Account, cpu_time, own_cgroup, settled_cpu_time
from bench.contender import command_of


def test_the_time_of_ended_and_orphaned_processes_is_the_trees() -> None:
    code = """if 1:
        import os, time
        if not os.fork():
            if not os.fork():  # nobody of the tree waits for this one, but its reaper
                while time.process_time() < 0.25:  # ticks of the kernel round down
                    pass
            os._exit(0)
        os.wait()
        print("ready", flush=True)
        time.sleep(60)
    """
    command = command_of(None, "-c", code)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    account = Account(process.pid)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 20
        while cpu_time(account).accounts_s < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        settled = settled_cpu_time(account).accounts_s
        assert 0.2 <= settled < 5
        assert len(processes.tree(process.pid)) >= 2
    finally:
        process.terminate()
        assert process.wait(10) == 143
        process.stdout.close() if process.stdout else None


def test_nothing_outlives_the_reaper() -> None:
    code = "import os, time\npid = os.fork()\nif pid: print(pid)\nelse: time.sleep(60)"
    done = subprocess.run(
        command_of(None, "-c", code),
        capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_the_time_of_cgroups_is_theirs_and_not_the_trees(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n")
    both = Account.of(os.getpid(), tmp_path, tmp_path / "not made yet")
    assert cpu_time(both, both).accounts_s == 3.0


def test_an_account_of_which_a_cgroup_is_lacking_is_by_processes(tmp_path: Path) -> None:
    assert Account.of(7, tmp_path, None) == Account(7)


def test_where_no_cgroup_can_be_made_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (None, tmp_path / "absent"):
        monkeypatch.setattr(account_module, "unified_place", lambda place=place: place)
        with own_cgroup() as cgroup:
            assert cgroup is None
