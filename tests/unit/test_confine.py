"""What the wrappers pass on and refuse, without a privilege or a namespace."""

import ctypes
import errno
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from cell_programs import DIRECTORY, cell_program

confine = cell_program("confine")
forking = cell_program("forking")

BENEATH = 0x08 | 0x04 | 0x02 | 0x01


def test_a_failure_names_its_step() -> None:
    with pytest.raises(OSError) as caught:
        confine.setns(-1, 0)
    assert caught.value.errno == errno.EBADF
    assert "setns" in str(caught.value)


def test_only_the_standard_library_is_imported() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import confine; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, DIRECTORY],
        capture_output=True,
        text=True,
        check=True,
    )
    roots = {name.split(".")[0] for name in run.stdout.split()}
    assert roots - set(sys.stdlib_module_names) <= {"__main__", "confine", "kernel"}


def test_openat2_resolves_beneath_only(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("x")
    (inside / "plain").write_text("y")
    (inside / "link").symlink_to("plain")
    (inside / "out").symlink_to("../secret")
    folder = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    try:
        fd = confine.openat2(folder, "plain", os.O_RDONLY | os.O_CLOEXEC, 0, BENEATH)
        assert os.read(fd, 9) == b"y"
        os.close(fd)
        created = confine.openat2(folder, "new", os.O_CREAT | os.O_WRONLY, 0o600, BENEATH)
        assert os.fstat(created).st_mode & 0o777 == 0o600
        os.close(created)
        for path, number in (
            ("link", errno.ELOOP),
            ("out", errno.ELOOP),
            ("../secret", errno.EXDEV),
            ("/etc/passwd", errno.EXDEV),
            ("absent", errno.ENOENT),
        ):
            with pytest.raises(OSError) as caught:
                confine.openat2(folder, path, os.O_RDONLY, 0, BENEATH)
            assert caught.value.errno == number, path
        with pytest.raises(ValueError, match="null"):
            confine.openat2(folder, "plain\0x", os.O_RDONLY, 0, BENEATH)
    finally:
        os.close(folder)


def test_close_range_takes_both_ends_and_nothing_reversed() -> None:
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    high = [os.dup2(fd, 700 + n) for n, fd in enumerate(fds)]
    for fd in fds:
        os.close(fd)
    confine.close_range(701, 700)
    confine.close_range(700, 701)
    for fd in high[:2]:
        with pytest.raises(OSError):
            os.fstat(fd)
    os.fstat(high[2])
    os.close(high[2])


def test_rlimits_are_lowered_and_never_raised() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        confine.prlimit(child.pid, {"RLIMIT_NOFILE": [64, 64]})
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (64, 64)
        confine.prlimit(child.pid, {"RLIMIT_NOFILE": [32, 999_999]})
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (32, 64)
    finally:
        child.communicate(b"\n")


@pytest.mark.parametrize("program", [b"", b"1234567"])
def test_what_is_no_filter_is_refused(program: bytes) -> None:
    with pytest.raises(OSError) as caught:
        confine.load_seccomp(program)
    assert caught.value.errno == errno.EINVAL


def test_kill_all_is_refused_outside_pid_1() -> None:
    assert os.getpid() != 1
    with pytest.raises(OSError) as caught:
        confine.kill_all()
    assert caught.value.errno == errno.EPERM


def test_the_identity_that_was_not_granted_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "call_now", lambda *_arguments: 77)
    confine.set_fs_ids(77, 77)
    with pytest.raises(PermissionError, match="setfsgid"):
        confine.set_fs_ids(77, 78)


def test_reseeding_leaves_nothing_shared() -> None:
    random.seed(1)
    first = random.random()
    random.seed(1)
    tempfile.mktemp()  # begins the sequence of names
    forking.reseed(sys.modules)
    assert random.random() != first
    assert vars(tempfile)["_name_sequence"] is None


def test_no_two_forks_have_the_clock_of_uuids_in_common() -> None:
    """A zygote that was ahead of time would give the same time to all its programs."""
    node = 0x5E_00_00_00_00_01
    ahead = uuid.uuid1(node, clock_seq=1).time + 10**12  # a day, in units of 100 ns
    vars(uuid)["_last_timestamp"] = ahead
    forking.reseed({"uuid": uuid})
    assert uuid.uuid1(node, clock_seq=1).time < ahead


def test_collapsing_memory_keeps_what_is_in_it() -> None:
    held = bytearray(b"\x5a" * (8 << 20))
    assert forking.madvise_collapse_heap() >= 0
    assert held.count(0x5A) == len(held)


def test_rule_of_landlock_has_the_kernels_layout() -> None:
    assert struct.calcsize("=Qi") == 12  # struct landlock_path_beneath_attr is packed
    assert ctypes.sizeof(ctypes.c_void_p) != 8 or struct.calcsize("HP") == 16  # sock_fprog
