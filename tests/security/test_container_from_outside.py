"""A container with a waiting cell in it, seen from the host, as daemon and kernel tell it."""

import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.cells import Cells, containers_of, docker_host_for
from vibecell.sandbox.docker.container import OWNER_LABEL, PROFILE_LABEL
from vibecell.sandbox.mechanisms import seccomp
from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE

UID_BASE = 1_900_000_000
SETTLE_S = 20.0
# file systems that are memory or a view of the kernel, made for this container
OF_THE_KERNEL = {"tmpfs", "proc", "devpts", "mqueue"}
# a pid namespace; and by what a program is put into the cgroup of its cell
MAY_BE_HELD = re.compile(rf"^(anon_inode:|pid:\[)|/vibecell\.{os.getpid()}/cell-\w+/cgroup\.procs$")
ENVIRONMENT = {
    "", "PATH", "HOSTNAME", "LANG", "PYTHONPATH", "HOME", "VIBECELL_CONTROL_SOCKET",
}  # fmt: skip


@pytest.fixture(scope="module", params=["docker-fresh", "docker-shared"])
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    kind = str(request.param)
    host = docker_host_for(kind, request)
    with Cells(kind, ("python-light",), docker_host=host) as cells:
        yield cells


@pytest.fixture
def inspected(cells: Cells) -> dict[str, Any]:
    """One of its containers, as ``docker inspect`` shows it, while a cell in it waits."""
    cells.run_python("print(1)")
    found: list[dict[str, Any]] = []

    def look() -> bool:
        # the first process, the zygote, an agent
        found[:] = [c for c in containers_of(cells) if len(_family(c["State"]["Pid"])) >= 3]
        return bool(found)

    cells.wait_until(look, SETTLE_S)
    assert found, "no container runs"
    return found[0]


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in told.split()]
    return []


def _family(first: int) -> list[int]:
    family, pending = [], [first] if first else []
    while pending:
        family.append(pending.pop())
        pending += _children(family[-1])
    return family


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_daemon_grants_it_nothing(inspected: dict[str, Any]) -> None:
    granted = inspected["HostConfig"]
    user = int(inspected["Config"]["User"].partition(":")[0])
    assert user >= UID_BASE if os.geteuid() == 0 else user > 0
    assert granted["CapDrop"] == ["ALL"] and not granted["CapAdd"]
    assert not granted["Privileged"] and not granted["Devices"]
    assert granted["ReadonlyRootfs"] and granted["NetworkMode"] == "none"
    assert granted["IpcMode"] == "none" and not granted["PidMode"]
    assert any(option.startswith("no-new-privileges") for option in granted["SecurityOpt"])
    (profile,) = [x for x in granted["SecurityOpt"] if x.startswith("seccomp=")]
    ours = seccomp.to_oci_profile(unrestricted=seccomp.OUTER_WALL_CALLS)
    assert json.loads(profile.removeprefix("seccomp=")) == ours
    assert ours["defaultAction"] == "SCMP_ACT_ERRNO"
    assert 0 < granted["Memory"] == granted["MemorySwap"]
    assert 0 < granted["PidsLimit"] < 1000
    assert granted["AutoRemove"] and granted["LogConfig"]["Type"] == "none"


def test_nothing_of_the_host_is_mounted_any_more(inspected: dict[str, Any]) -> None:
    (mount,) = inspected["Mounts"]
    assert mount["Destination"] == "/run/vibecell" and not mount["RW"]
    assert not Path(mount["Source"]).exists()


def test_it_says_whose_it_is(cells: Cells, inspected: dict[str, Any]) -> None:
    labels = inspected["Config"]["Labels"]
    assert labels[OWNER_LABEL] == cells.owner and len(cells.owner) == 32
    assert labels[PROFILE_LABEL] == "python-light"


def test_the_kernel_confines_every_process_of_it(inspected: dict[str, Any]) -> None:
    user = int(inspected["Config"]["User"].partition(":")[0])
    block = range(user, user + BLOCK_SIZE)
    for pid in _family(inspected["State"]["Pid"]):
        status = _status(pid)
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert all(int(uid) in block for uid in status["Uid"].split())
        assert all(int(gid) in block for gid in status["Gid"].split())
        assert all(int(gid) in block for gid in status["Groups"].split())
        # capabilities of a user namespace below are none over the host
        assert _owner_of_user_namespace(pid) in block
        for kind in ("user", "pid", "mnt", "net", "ipc", "uts"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")


def test_nobody_waits_for_its_zygote_to_reap_it(inspected: dict[str, Any]) -> None:
    """What ends just before a zygote waits for its next word would wait until then, too."""
    (zygote,) = _children(inspected["State"]["Pid"])
    assert int(_status(zygote)["SigIgn"], 16) >> (signal.SIGCHLD - 1) & 1


def test_none_of_its_processes_holds_anything_of_the_host(inspected: dict[str, Any]) -> None:
    namespaces = {os.readlink(entry) for entry in Path("/proc/self/ns").iterdir()}
    mounted = {line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    for pid in _family(inspected["State"]["Pid"]):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                leads_to, held = os.readlink(descriptor), descriptor.stat()
            except FileNotFoundError:
                continue  # closed since the listing: a cell is being made, or ends
            assert leads_to not in namespaces
            assert not stat.S_ISBLK(held.st_mode), leads_to
            if stat.S_ISCHR(held.st_mode):
                assert held.st_rdev == os.stat("/dev/null").st_rdev, leads_to
            elif stat.S_ISDIR(held.st_mode) or stat.S_ISREG(held.st_mode):
                device = f"{os.major(held.st_dev)}:{os.minor(held.st_dev)}"
                assert device not in mounted or MAY_BE_HELD.search(leads_to), leads_to
        names = {
            entry.partition(b"=")[0].decode()
            for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        }
        assert names <= ENVIRONMENT, names - ENVIRONMENT


def test_it_can_write_to_nothing_of_the_host(inspected: dict[str, Any]) -> None:
    for pid in _family(inspected["State"]["Pid"]):
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            fields = line.split()
            kind, options = fields[fields.index("-") + 1], fields[5].split(",")
            assert kind in OF_THE_KERNEL or "ro" in options, line


def _owner_of_user_namespace(pid: int) -> int:
    """The uid, on this host, of who made it: whoever that is has all power over it.

    Source: ioctl_ns(2), NS_GET_OWNER_UID
    """
    with open(f"/proc/{pid}/ns/user") as namespace:
        return int.from_bytes(fcntl.ioctl(namespace, 0xB704, bytes(4)), sys.byteorder)
