"""What the tests on the real kernel share.

A host that lacks something skips on a laptop, with its reason, and fails in CI.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cell_programs
import vibecell
from host import lacking
from vibecell.sandbox.mechanisms.cgroup import CgroupManager

SOURCES = str(Path(vibecell.__file__).parents[1])
PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
sys.path[:0] = {paths!r}
import confine
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    libc.syscall.restype = ctypes.c_long
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(number), *wide), ctypes.get_errno()
"""

Attempt = Callable[[str], "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, so that strict marking accepts it."""
    config.addinivalue_line("markers", "kernel: tries a mechanism on the running kernel")


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    """Run code in a child that has ``confine``, ``call`` and the sources."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # children of other uids look for their files in it
        yield _attempt_in(folder)


def _attempt_in(folder: str) -> Attempt:
    def run(code: str) -> "subprocess.CompletedProcess[str]":
        prelude = PRELUDE.format(paths=[cell_programs.DIRECTORY, SOURCES])
        return subprocess.run(
            [sys.executable, "-c", prelude + textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "TMPDIR": folder},
        )

    return run


@pytest.fixture
def as_root() -> None:
    """Needed to make namespaces without a user namespace, and cgroups."""
    if os.geteuid() != 0:
        lacking("needs root")


@pytest.fixture
def cgroups() -> Iterator[CgroupManager]:
    """The host's own cgroups; none of ours is left afterwards."""
    manager = CgroupManager("vibecell-test")
    if not manager.usable():
        lacking(f"no usable cgroups: {manager.reason}")
    yield manager
    manager.close()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/**/vibecell-test.{os.getpid()}"))
