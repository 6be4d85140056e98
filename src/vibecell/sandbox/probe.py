"""What this host really enforces, found by trying it in a real cell.

Owns the probe program and the reading of its answers; refuses to conclude
from versions or configuration: every layer is shown by what it prevents.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from vibecell.model.capabilities import Layer
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import SourceFile
from vibecell.sandbox.backend import Cell, Output, ProcessSpec
from vibecell.sandbox.mechanisms.cgroup import CgroupManager

_PROGRAM = b"""
import ctypes, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)

def refused(call):
    try:
        call()
    except OSError as error:
        return error.errno
    return 0

def syscall(*numbers):
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(*numbers) < 0 else 0

answers = {
    "capabilities": [status[k].strip() for k in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "uid_map": open("/proc/self/uid_map").read().split(),
    "pids": sorted(int(x) for x in os.listdir("/proc") if x.isdigit()),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "canary": os.path.exists(sys.argv[1]),
    "root_write": refused(lambda: open("/usr/canary", "w")),
    "landlock_write": refused(lambda: open("/proc/self/comm", "w")),
    "unshare": syscall(272, 0x10000000),
    "io_uring": syscall(425, 1, 0),
    "vsock": refused(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "proc_sys": os.path.exists("/proc/sys"),
}
print(json.dumps(answers))
"""

MakeCell = Callable[[], Awaitable[tuple[Cell, Callable[[], Any]]]]


def read(
    answers: Mapping[str, Any],
    *,
    uid_layer: Layer,
    cgroups: CgroupManager | None,
    landlock_abi: int,
    require_cgroups: bool | None,
) -> tuple[Layer, ...]:
    """The layers that every wall must have, from what a cell has told."""
    return (
        *_namespace_layers(answers),
        *_privilege_layers(answers, landlock_abi),
        uid_layer,
        _cgroup_layer(cgroups, require_cgroups),
        _core_pattern_layer(),
    )


async def ask(make_cell: MakeCell) -> dict[str, Any]:
    """Run the probe program in one cell and read what it says.

    Raises:
        SandboxFailure: no cell could be made, or its answer makes no sense.
    """
    with tempfile.NamedTemporaryFile(prefix="vibecell-canary-") as canary:
        cell, end_wall = await make_cell()
        try:
            process = await cell.start(
                ProcessSpec(
                    mode="exec",
                    entrypoint="main.py",
                    argv=("python3", "main.py", canary.name),
                    files=(SourceFile("main.py", _PROGRAM),),
                )
            )
            said = {"stdout": b"", "stderr": b""}
            async for occurrence in process.read():
                if isinstance(occurrence, Output):
                    said[occurrence.name] += occurrence.data
        finally:
            await cell.destroy()
            await end_wall()
    with contextlib.suppress(ValueError):
        answers = json.loads(said["stdout"])
        if isinstance(answers, dict):
            return answers
    raise SandboxFailure("probe a cell", said["stderr"].decode("utf-8", "replace")[-300:])


def _namespace_layers(answers: Mapping[str, Any]) -> tuple[Layer, ...]:
    return (
        Layer.of(
            "user namespace",
            answers["uid_map"][:1] == ["1000"],
            "programs run as uid 1000 of a user namespace of their own",
        ),
        Layer.of(
            "pid namespace",
            len(answers["pids"]) <= 3,
            "a cell sees its own processes only",
        ),
        Layer.of(
            "mount namespace",
            not answers["canary"] and answers["root_write"] != 0,
            "a read-only image is the root; no file of the host is in sight",
        ),
        Layer.of(
            "network namespace",
            answers["interfaces"] == ["lo"],
            "a loopback of its own, no other interface",
        ),
        Layer.of(
            "/proc reduced",
            not answers["proc_sys"],
            "processes only (subset=pid)",
            mend="a kernel of 5.8 or later",
        ),
    )


def _privilege_layers(answers: Mapping[str, Any], landlock_abi: int) -> tuple[Layer, ...]:
    refused = bool(answers["unshare"] and answers["io_uring"] and answers["vsock"])
    return (
        Layer.of(
            "capabilities",
            all(int(x, 16) == 0 for x in answers["capabilities"]),
            "none, in any set",
        ),
        Layer.of("no_new_privs", answers["no_new_privs"] == "1", "set-id files give nothing"),
        Layer.of(
            "seccomp",
            answers["seccomp"] == "2" and refused,
            "an allow-list of system calls",
            mend="a kernel with CONFIG_SECCOMP_FILTER",
        ),
        _landlock_layer(landlock_abi, answers["landlock_write"] != 0),
    )


def _landlock_layer(abi: int, refused: bool) -> Layer:
    if abi:
        return Layer.of("Landlock", refused, f"ABI {abi}: a second rule over files")
    return Layer(
        "Landlock",
        False,
        "this kernel has none; the mount namespace alone rules over files",
        mend="a kernel of 5.13 or later with landlock among its LSMs",
        required=False,
    )


def uid_layer(enforced: bool, detail: str, mend: str = "") -> Layer:
    """How far cells differ in their uids outside; ``mend`` where they could and do not."""
    return Layer("uid per cell", enforced, detail, mend, required=False)


def uid_layer_where(maps_uids: bool) -> Layer:
    """The same, where nothing but a block of uids can make cells differ."""
    if maps_uids:
        return uid_layer(True, "every cell's programs have a host uid of their own")
    told = "all cells share this user's uid outside; namespaces alone keep them apart"
    return uid_layer(False, told, mend="run the engine as root")


def _cgroup_layer(cgroups: CgroupManager | None, required: bool | None) -> Layer:
    if cgroups is not None:
        return Layer("cgroup", True, f"{cgroups.version}: memory, processes and processor time")
    return Layer(
        "cgroup",
        False,
        "not writable here: memory and processor time are sampled every 25 ms, so a program "
        "may pass its limit for a moment; processes are counted by RLIMIT_NPROC",
        mend="run the engine as root, or in a systemd unit with Delegate=yes",
        required=bool(required),
    )


def _core_pattern_layer() -> Layer:
    try:
        pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    except OSError:
        pattern = ""
    piped = pattern.startswith("|") and os.geteuid() == 0
    return Layer(
        "core dumps",
        not piped,
        "a crash starts no program of the host"
        if not piped
        else f"core_pattern pipes into {pattern[1:60]}; RLIMIT_CORE does not stop that",
        mend="sysctl kernel.core_pattern=core" if piped else "",
        required=False,
    )
