"""What is asked of the Docker engine for one outer wall: a container's whole description.

Owns every option of a container, as a pure function; refuses to leave one to the
daemon's defaults that has to do with protection. A request has no part in it:
nothing here comes from one.

What stands out: every capability is dropped, the user is not root, nothing is gained
by exec, the root is read-only, and there is no network. Our own seccomp profile takes
the place of the daemon's: the calls of a program, and those by which a zygote makes
user namespaces and the inner wall. ``/proc`` is not masked *in the container*,
because the kernel refuses a new ``/proc`` to whoever sees only a part of one; no
program ever sees that one.

Processes are bounded twice, those of its cgroup and those of its user (``host/wall_bounds.py``).

Source: Docker Engine API v1.41, "ContainerCreate"; mount_namespaces(7), "mount_too_revealing"
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

from vibecell.sandbox.host.wall_bounds import WallBounds
from vibecell.sandbox.mechanisms import rlimits, seccomp
from vibecell.sandbox.outer_walls import (
    CONTROL_SOCKET_VARIABLE,
    ZYGOTE_COMMAND,
    ZYGOTE_ENV,
    ZYGOTE_FOLDER,
)

CONTROL_FOLDER = "/run/vibecell"
CONTROL_NAME = "control"
OWNER_LABEL = "io.vibecell.owner"
PROFILE_LABEL = "io.vibecell.profile"
_ENVIRONMENT = {
    **ZYGOTE_ENV,
    CONTROL_SOCKET_VARIABLE: f"{CONTROL_FOLDER}/{CONTROL_NAME}",
}
# all that can be written; cells mount their own over it
_TMPFS = {
    "/tmp": "rw,noexec,nosuid,nodev,size=16m,nr_inodes=1k",
    "/dev/shm": "rw,noexec,nosuid,nodev,size=1m,nr_inodes=16",
}
_OPEN_FILES = 4096


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What differs from container to container.

    Attributes:
        image: id of the runtime image.
        image_env: names of the variables the image sets; all are emptied.
        user, group: their numbers; never 0.
        control_folder: directory of the host that holds the control socket.
        owner: label value by which strays are found.
        profile: name of the warm profile.
        runtime: OCI runtime; empty is the daemon's default.
        bounds: of everything in it that has no cgroup of its own.
        file_bytes: size of the largest file.
        apparmor: whether the daemon confines containers by AppArmor.
    """

    image: str
    image_env: tuple[str, ...]
    user: int
    group: int
    control_folder: str
    owner: str
    profile: str
    runtime: str
    bounds: WallBounds
    file_bytes: int
    apparmor: bool


def describe(spec: ContainerSpec) -> dict[str, Any]:
    """The body of ``POST /containers/create``."""
    emptied = dict.fromkeys(spec.image_env, "")
    return {
        "Image": spec.image,
        "Entrypoint": [*ZYGOTE_COMMAND[:1]],
        "Cmd": [*ZYGOTE_COMMAND[1:]],
        "WorkingDir": ZYGOTE_FOLDER,
        "User": f"{spec.user}:{spec.group}",
        "Hostname": "sandbox",
        "Env": [f"{name}={value}" for name, value in {**emptied, **_ENVIRONMENT}.items()],
        "Labels": {OWNER_LABEL: spec.owner, PROFILE_LABEL: spec.profile},
        "NetworkDisabled": True,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGKILL",
        "HostConfig": _host_config(spec),
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    bounds = spec.bounds
    host_config: dict[str, Any] = {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": _security_options(spec),
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "IpcMode": "none",
        "PidMode": "",
        "UTSMode": "",
        "CgroupnsMode": "private",
        "Tmpfs": dict(_TMPFS),
        "Mounts": [
            {
                "Type": "bind",
                "Source": spec.control_folder,
                "Target": CONTROL_FOLDER,
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rprivate"},
            }
        ],
        "Devices": [],
        "Memory": bounds.memory_bytes,
        "MemorySwap": bounds.memory_bytes,
        "MemorySwappiness": 0,
        "OomKillDisable": False,
        "PidsLimit": bounds.processes,
        "Ulimits": _ulimits(spec),
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": True,
        "Init": False,
        "LogConfig": {"Type": "none"},
        "Runtime": spec.runtime,
    }
    if bounds.cpus is not None:
        host_config["NanoCpus"] = int(bounds.cpus * 1e9)
    return host_config


@functools.cache
def _seccomp_profile() -> str:
    return json.dumps(seccomp.to_oci_profile(unrestricted=seccomp.OUTER_WALL_CALLS))


def _security_options(spec: ContainerSpec) -> list[str]:
    options = ["no-new-privileges:true", f"seccomp={_seccomp_profile()}"]
    if spec.apparmor:
        # the engine's profile forbids every mount, and with it the inner wall
        options.append("apparmor=unconfined")
    return options


def _ulimits(spec: ContainerSpec) -> list[dict[str, Any]]:
    """The limits that no program may raise, from the moment a container starts."""
    limits: dict[str, tuple[int, int]] = {
        **rlimits.constant_rlimits(),
        "RLIMIT_NOFILE": (_OPEN_FILES, _OPEN_FILES),
        "RLIMIT_FSIZE": (spec.file_bytes, spec.file_bytes),
    }
    most = spec.bounds.user_processes
    if most is not None:
        limits["RLIMIT_NPROC"] = (most, most)
    return [
        {"Name": name.removeprefix("RLIMIT_").lower(), "Soft": soft, "Hard": hard}
        for name, (soft, hard) in limits.items()
    ]
