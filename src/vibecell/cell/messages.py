"""What the engine tells a zygote, an agent and a runner, as typed values.

Owns the reading of control messages on the cell's side; refuses what lacks a
field. They come from the engine, which is trusted here; a wrong one is a
defect, and surfaces as ``KeyError`` or ``TypeError`` that ends the cell.
"""

import base64
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Setup:
    """Constant for all cells of a zygote.

    Attributes:
        modules: imported once, before any fork.
        warm_argv: program started ahead in each cell; empty: the runner waits.
        warm_env: environment additions for it.
        env: environment of every program.
        seccomp: the filter, an array of ``struct sock_filter``.
        landlock: the ruleset, as ``confine.restrict_landlock`` takes it.
        rlimits: limits of every process from its first moment.
        tmpfs_bytes: size of the workspace, and again of /tmp.
        memory_bytes: the limit that cells tell, and warm programs are sized for.
        watch: sample memory and processor time, where no cgroup does it.
        loaded: the modules that only a warm interpreter has before its program,
            by name; filled in by the zygote.
    """

    modules: tuple[str, ...]
    warm_argv: tuple[str, ...]
    warm_env: dict[str, str]
    env: dict[str, str]
    seccomp: bytes
    landlock: dict[str, Any] | None
    rlimits: dict[str, Any]
    tmpfs_bytes: int
    memory_bytes: int
    watch: bool
    loaded: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Setup":
        """Read the zygote's first message."""
        return cls(
            modules=tuple(message["modules"]),
            warm_argv=tuple(message["warm_argv"]),
            warm_env=message["warm_env"],
            env=message["env"],
            seccomp=base64.b64decode(message["seccomp"], validate=True),
            landlock=message["landlock"],
            rlimits=message["rlimits"],
            tmpfs_bytes=message["tmpfs_bytes"],
            memory_bytes=message["memory_bytes"],
            watch=message["watch"],
        )


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """One cell to make; ``uid`` is the program's, in the outer wall's terms.

    0 where only one uid could be mapped: then the outer wall's own.
    """

    uid: int

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "ForkRequest":
        """Read a fork message."""
        return cls(uid=message["uid"])


@dataclass(frozen=True, slots=True)
class Collect:
    """What of the workspace to send.

    Attributes:
        max_files: as many, at most.
        max_bytes: of all of them together.
        max_folders: above a file.
        max_path_bytes: of a file's path.
        max_named: of what is not sent, so much is named; the rest is counted.
    """

    max_files: int
    max_bytes: int
    max_folders: int
    max_path_bytes: int
    max_named: int

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Collect":
        """Read a COLLECT frame."""
        return cls(**{name: message[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Start:
    """One process to run; times in milliseconds, sizes in bytes."""

    mode: str
    entrypoint: str
    argv: tuple[str, ...]
    env: dict[str, str]
    rlimits: dict[str, Any]
    interactive: bool
    columns: int
    rows: int
    workspace_bytes: int
    memory_bytes: int
    cpu_time_ms: int
    processes: int

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Start":
        """Read a START frame."""
        values = {name: message[name] for name in cls.__slots__}
        values["argv"] = tuple(values["argv"])
        return cls(**values)
