"""What the kernel shows of a container's first process, and what is not good enough."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.first_process import FirstProcess

CONFINED = {
    "Name": "python3",
    "Uid": "1900000000\t1900000000\t1900000000\t1900000000",
    "CapInh": "0000000000000000",
    "CapPrm": "0000000000000000",
    "CapEff": "0000000000000000",
    "CapBnd": "0000000000000000",
    "CapAmb": "0000000000000000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
}


def first_process(proc: Path, status: dict[str, str]) -> FirstProcess:
    folder = proc / str(os.getpid())
    folder.mkdir()
    (folder / "status").write_text("".join(f"{k}:\t{v}\n" for k, v in status.items()))
    return FirstProcess(os.getpid(), proc)


def test_one_that_has_nothing_and_is_filtered_will_do(tmp_path: Path) -> None:
    process = first_process(tmp_path, CONFINED)
    process.require_confined()
    process.close()


@pytest.mark.parametrize(
    ("different", "told"),
    [
        ({"Uid": "0\t0\t0\t0"}, "is root of this host"),
        ({"Uid": "1000\t1000\t0\t1000"}, "is root of this host"),
        ({"CapInh": "0000000000000001"}, "may have capabilities"),
        ({"CapPrm": "0000000000200000"}, "may have capabilities"),
        ({"CapEff": "00000000a80425fb"}, "may have capabilities"),
        ({"CapBnd": "00000000a80425fb"}, "may have capabilities"),
        ({"CapAmb": "0000000000000400"}, "may have capabilities"),
        ({"NoNewPrivs": "0"}, "may gain privileges by exec"),
        ({"Seccomp": "0"}, "has no seccomp filter"),
        ({"Seccomp": "1"}, "has no seccomp filter"),
        ({"Seccomp": "much"}, "makes no sense"),
    ],
)
def test_one_that_may_more_is_refused(tmp_path: Path, different: dict[str, str], told: str) -> None:
    process = first_process(tmp_path, CONFINED | different)
    with pytest.raises(SandboxFailure, match=told):
        process.require_confined()
    process.close()


@pytest.mark.parametrize("missing", ["Uid", "CapBnd", "NoNewPrivs", "Seccomp"])
def test_what_the_kernel_does_not_tell_is_not_taken_for_granted(
    tmp_path: Path, missing: str
) -> None:
    process = first_process(tmp_path, {k: v for k, v in CONFINED.items() if k != missing})
    with pytest.raises(SandboxFailure, match="makes no sense"):
        process.require_confined()
    process.close()


def test_one_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    process = FirstProcess(os.getpid(), tmp_path)
    with pytest.raises(SandboxFailure, match="No such file"):
        process.require_confined()
    process.close()


def test_one_that_has_ended_is_refused_whoever_has_its_number_now(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as ends:
        folder = tmp_path / str(ends.pid)
        folder.mkdir()
        (folder / "status").write_text("".join(f"{k}:\t{v}\n" for k, v in CONFINED.items()))
        process = FirstProcess(ends.pid, tmp_path)
        process.require_confined()
    with pytest.raises(SandboxFailure, match="has ended"):
        process.require_confined()
    process.close()


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_there_is_none_of_such_a_number(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        FirstProcess(pid)
