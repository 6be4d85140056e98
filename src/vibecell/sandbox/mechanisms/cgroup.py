"""One cgroup per cell: where they are made, and cleared away.

Owns the directory that holds the cells of this process, in every hierarchy;
refuses to know what becomes of a cgroup it has made (``cgroup_cell.py``).

Cells live in ``<parent_name>.<pid of this process>``, which is locked while
this process lives. ``reap_strays`` clears away the like of processes that have
died, and never those of another living engine.

Source: Documentation/admin-guide/cgroup-v1/cgroups.rst, cgroup-v2.rst
"""

import contextlib
import os
import re
import time
from pathlib import Path

from vibecell.sandbox.mechanisms import cgroup_layout
from vibecell.sandbox.mechanisms.cgroup_cell import Cgroup, CgroupUsage
from vibecell.sandbox.mechanisms.cgroup_files import lock_all, remove_directory, write
from vibecell.sandbox.mechanisms.cgroup_layout import CgroupUnusableError, Layout

__all__ = ["Cgroup", "CgroupManager", "CgroupUsage"]

_END_ROUNDS, _END_PAUSE_S = 50, 0.002
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")


class CgroupManager:
    """Makes cgroups beneath the place this process was given.

    Args:
        parent_name: of the directories that hold the cells of one process.
        root: where the cgroup file systems are mounted.
        membership: which cgroups this process is in.

    Attributes:
        reason: why the host's cgroups are not usable; empty while they are.
    """

    def __init__(
        self,
        parent_name: str,
        root: Path = cgroup_layout.ROOT,
        membership: Path = cgroup_layout.OWN_MEMBERSHIP,
    ) -> None:
        self._parent_name = parent_name
        self._own_parent = f"{parent_name}.{os.getpid()}"
        self._root = root
        self._membership = membership
        self._layout: Layout | None = None
        self._locks: list[int] = []
        self._was_tried = False
        self.reason = ""

    @property
    def version(self) -> str:
        """``v1``, ``v2`` or ``hybrid``; ``none`` where unusable."""
        return f"cgroup {self._layout.version}" if self._layout is not None else "none"

    def usable(self) -> bool:
        """Whether a cgroup can be made and bounded here: tried once, by doing it."""
        if not self._was_tried:
            self._was_tried = True
            try:
                self._layout = cgroup_layout.discover(self._root, self._membership)
                self._make_parent(self._layout)
                self._try_one()
            except (OSError, ValueError, CgroupUnusableError) as error:
                self.close()
                self.reason = str(error)
        return self._layout is not None

    def _make_parent(self, layout: Layout) -> None:
        for directory in layout.directories:
            (directory / self._own_parent).mkdir(exist_ok=True)
        if layout.version == "v2":
            control = layout.directories[0] / self._own_parent / "cgroup.subtree_control"
            write(control, "+cpu +memory +pids")
        locks = lock_all([base / self._own_parent for base in layout.directories])
        if locks is None:
            raise CgroupUnusableError(f"{self._own_parent} is in use")
        self._locks = locks

    def _try_one(self) -> None:
        probe = self.create("probe")
        try:
            probe.set_limits(memory_bytes=1 << 26, processes=8, cpus=1.0)
            probe.usage()
        finally:
            probe.remove()

    def create(self, name: str) -> Cgroup:
        """Make a new cgroup, empty and not yet bounded.

        Raises:
            OSError: it exists already, or the kernel refuses.
            ValueError: the name could mean something to a path.
            CgroupUnusableError: ``usable()`` was not true.
        """
        if not _NAME.match(name):
            raise ValueError(f"not a name of a cgroup: {name!r}")
        if self._layout is None:
            raise CgroupUnusableError(self.reason or "not tried yet")
        made = []
        try:
            for base in self._layout.directories:
                directory = base / self._own_parent / name
                directory.mkdir()
                made.append(directory)
        except OSError:
            for directory in made:
                remove_directory(directory)
            raise
        bases = self._layout.bases
        return Cgroup({key: base / self._own_parent / name for key, base in bases.items()})

    def bound_processes(self, processes: int) -> None:
        """Bound all cgroups made here together; who is moved among them counts all the while.

        Raises:
            OSError: the kernel refuses.
        """
        if self._layout is not None:
            bases = self._layout.bases
            base = bases.get("pids") or bases[cgroup_layout.UNIFIED]
            write(base / self._own_parent / "pids.max", processes)

    def count(self) -> int:
        """How many cgroups there are that were made here; 0 where there can be none."""
        if self._layout is None:
            return 0
        try:
            return len(_children(self._layout.directories[0] / self._own_parent))
        except OSError:
            return 0  # one was removed while we looked, as all are at the end

    def reap_strays(self) -> int:
        """End and remove what engines that have died left behind.

        Returns:
            How many cgroups were cleared away.

        Raises:
            OSError: of the first that could not be emptied or removed, after the others.
        """
        if self._layout is None:
            return 0
        reaped = 0
        failures: list[OSError] = []
        for base in self._layout.directories:
            for parent in sorted(base.glob(f"{self._parent_name}.*")):
                if parent.name != self._own_parent and parent.is_dir():
                    reaped += self._reap(parent.name, failures)
        if failures:
            raise failures[0]
        return reaped

    def _reap(self, parent_name: str, failures: list[OSError]) -> int:
        assert self._layout is not None
        locks = lock_all([base / parent_name for base in self._layout.directories])
        if locks is None:
            return 0  # its engine lives
        try:
            parents = {key: base / parent_name for key, base in self._layout.bases.items()}
            names = _children(*parents.values())
            reaped = 0
            for name in names:
                stray = Cgroup({key: parent / name for key, parent in parents.items()})
                try:
                    _end(stray)
                    reaped += 1
                except OSError as error:
                    failures.append(error)
            if reaped == len(names):
                for parent in dict.fromkeys(parents.values()):
                    remove_directory(parent)
            return reaped
        finally:
            for lock in locks:
                os.close(lock)

    def close(self) -> None:
        """Remove the parents, if every cell's cgroup has been; idempotent."""
        layout, self._layout = self._layout, None
        if layout is not None:
            for directory in layout.directories:
                with contextlib.suppress(OSError):
                    (directory / self._own_parent).rmdir()
        for lock in self._locks:
            os.close(lock)
        self._locks = []


def _end(cgroup: Cgroup) -> None:
    for _round in range(_END_ROUNDS):
        cgroup.kill()  # whoever is in a cgroup below it, too, and is not among its processes
        if not cgroup.processes():
            break
        time.sleep(_END_PAUSE_S)
    cgroup.remove()


def _children(*parents: Path) -> set[str]:
    present = (parent for parent in parents if parent.is_dir())
    return {child.name for parent in present for child in parent.iterdir() if child.is_dir()}
