"""Limits of an execution become resource limits that Python knows by name."""

import resource

from vibecell.model.limits import MIB, Limits
from vibecell.sandbox.mechanisms.rlimits import constant_rlimits, rlimits_for


def test_every_name_exists_and_soft_is_not_above_hard() -> None:
    for name, (soft, hard) in {**constant_rlimits(), **rlimits_for(Limits())}.items():
        assert hasattr(resource, name)
        assert 0 <= soft <= hard


def test_no_core_no_locked_memory_no_queues_no_real_time() -> None:
    for name in ("CORE", "MEMLOCK", "MSGQUEUE", "RTPRIO", "NICE"):
        assert constant_rlimits()[f"RLIMIT_{name}"] == (0, 0)
    assert constant_rlimits()["RLIMIT_STACK"] == (8 * MIB, 64 * MIB)
    assert constant_rlimits()["RLIMIT_SIGPENDING"] == (256, 256), "each is memory of the kernel"


def test_a_request_decides_files_processes_sizes_and_seconds() -> None:
    limits = Limits(cpu_time_ms=1001, processes=7, open_files=33, workspace_bytes=4096)
    assert rlimits_for(limits) == {
        "RLIMIT_NOFILE": (33, 33),
        "RLIMIT_NPROC": (7, 7),
        "RLIMIT_FSIZE": (4096, 4096),
        "RLIMIT_CPU": (3, 3),
    }
    assert rlimits_for(limits, spare_processes=1)["RLIMIT_NPROC"] == (8, 8)
