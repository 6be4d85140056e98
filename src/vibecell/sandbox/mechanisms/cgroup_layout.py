"""Where this host keeps its cgroups, and the place in them that is ours.

Owns the discovery: version 2, version 1 with one mount per controller, or both
at once (hybrid: controllers on version 1, an almost empty version 2 beside
them whose ``cgroup.kill`` still works). Refuses to leave its own cgroup where
somebody put the process into one: cells are made beneath it, so that a bound on
the service bounds its cells too.

Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst; systemd's
CGROUP_DELEGATION.md
"""

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

V1_CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")
V2_CONTROLLERS = frozenset({"memory", "pids", "cpu"})
UNIFIED = "unified"
ROOT = Path("/sys/fs/cgroup")
OWN_MEMBERSHIP = Path("/proc/self/cgroup")
OWN_PROCESSES = "service"
_MOVE_ROUNDS = 8


class CgroupUnusableError(Exception):
    """This host grants no cgroup; the text says why, for an operator."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Base directories beneath which cells' cgroups are made.

    Attributes:
        version: ``v2`` where version 2 has the controllers; ``v1`` or
            ``hybrid`` where version 1 has them.
        bases: hierarchy to directory. On version 2 the one key is ``unified``;
            on version 1 one key per controller, several of which may be one
            directory, and ``unified`` too if hybrid.
    """

    version: Literal["v1", "v2", "hybrid"]
    bases: Mapping[str, Path]

    @property
    def directories(self) -> tuple[Path, ...]:
        """Each base once."""
        return tuple(dict.fromkeys(self.bases.values()))


def discover(root: Path, membership: Path) -> Layout:
    """Find the hierarchies under ``root`` and this process's place in each.

    Args:
        membership: ``/proc/self/cgroup``.

    Raises:
        CgroupUnusableError: a controller is missing, or may not be used.
    """
    places = _places(membership)
    unified = unified_mount(root)
    if unified == root:
        return Layout("v2", {UNIFIED: _v2_base(root, places.get("", "/"))})
    bases = {}
    for controller in V1_CONTROLLERS:
        mount = (root / controller).resolve()
        if not (mount / "cgroup.procs").exists():
            raise CgroupUnusableError(f"the {controller} controller is not mounted under {root}")
        bases[controller] = _place(mount, places.get(controller, "/"))
    if unified is None:
        return Layout("v1", bases)
    return Layout("hybrid", {**bases, UNIFIED: _place(unified, places.get("", "/"))})


def unified_mount(root: Path = ROOT) -> Path | None:
    """Where version 2 is mounted, with controllers or without; ``None``: nowhere."""
    places = (root, root / UNIFIED)
    return next((place for place in places if (place / "cgroup.controllers").exists()), None)


def unified_place(root: Path = ROOT, membership: Path = OWN_MEMBERSHIP) -> Path | None:
    """This process's own directory in version 2; ``None`` where that is not mounted.

    Args:
        root: where the cgroup file systems are mounted.
        membership: which cgroups this process is in.
    """
    mount = unified_mount(root)
    return _place(mount, _places(membership).get("", "/")) if mount is not None else None


def _places(membership: Path) -> dict[str, str]:
    """Controller to own path; the empty controller is version 2's."""
    places = {}
    for line in membership.read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            places[controller] = path
    return places


def _place(mount: Path, path: str) -> Path:
    """Own directory; the mount itself where a container shows only a part of it."""
    own = mount / path.lstrip("/")
    return own if ".." not in path and (own / "cgroup.procs").exists() else mount


def _v2_base(root: Path, path: str) -> Path:
    """Choose the directory to make cells in, and make it able to hold them.

    A cgroup with processes cannot give controllers to children (the root alone
    can). Where the cgroup was delegated to us, by systemd or by a container, its
    processes are moved into a leaf first. Where it was not and we are root, we
    stay out of it and use the root.
    """
    own = _place(root, path)
    if own.name == OWN_PROCESSES or (own != root and _is_delegated(own.parent)):
        own = own.parent  # moved there by us before, or by DelegateSubgroup=
    is_real_root = own == root and not (root / "cgroup.type").exists()
    if not is_real_root and not _has_controllers(own):
        if own == root or _is_delegated(own) or os.geteuid() != 0:
            _move_processes_to_leaf(own)
        else:
            own = root
    _enable_controllers(own)
    return own


def _is_delegated(directory: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(directory, name) == b"1":
                return True
    return False


def _has_controllers(directory: Path) -> bool:
    return set((directory / "cgroup.subtree_control").read_text().split()) >= V2_CONTROLLERS


def _move_processes_to_leaf(directory: Path) -> None:
    leaf = directory / OWN_PROCESSES
    try:
        leaf.mkdir(exist_ok=True)
        for _round in range(_MOVE_ROUNDS):  # again: processes fork meanwhile
            pids = (directory / "cgroup.procs").read_text().split()
            if not pids:
                return
            for pid in pids:
                _move(pid, leaf)
    except OSError as error:
        raise CgroupUnusableError(
            f"{directory} is not delegated to this user ({error.strerror})"
        ) from error


def _move(pid: str, leaf: Path) -> None:
    try:
        (leaf / "cgroup.procs").write_text(pid)
    except OSError as error:
        if error.errno != errno.ESRCH:  # it has ended
            raise


def _enable_controllers(directory: Path) -> None:
    if _has_controllers(directory):
        return
    missing = V2_CONTROLLERS - set((directory / "cgroup.controllers").read_text().split())
    if missing:
        raise CgroupUnusableError(f"{directory} lacks controllers: {', '.join(sorted(missing))}")
    try:
        wanted = " ".join(f"+{controller}" for controller in sorted(V2_CONTROLLERS))
        (directory / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise CgroupUnusableError(
            f"cannot enable controllers in {directory} ({error.strerror})"
        ) from error
