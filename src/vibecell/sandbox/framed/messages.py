"""The messages that cell programs are given, made from the model's values.

Owns the JSON that ``cell/messages.py`` reads; the one place on this side that
knows its fields.
"""

import base64
import math
import os
from collections.abc import Mapping

from vibecell.model.language import WarmProfile, fit_to_memory
from vibecell.model.limits import Limits
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import ProcessSpec
from vibecell.sandbox.images.image_rules import PROGRAM_PATH
from vibecell.sandbox.mechanisms import landlock, rlimits, seccomp

BASE_ENV: Mapping[str, str] = {
    "PATH": PROGRAM_PATH,
    "HOME": "/workspace",
    "LANG": "C.UTF-8",
    "USER": "user",
    "LOGNAME": "user",
    "PWD": "/workspace",
}


def setup_message(
    profile: WarmProfile,
    limits: Limits,
    landlock_abi: int,
    watch: bool,
    env: Mapping[str, str] = BASE_ENV,
) -> dict[str, object]:
    """What a zygote of this profile is told first.

    Args:
        limits: of a program that asks for no other.
        landlock_abi: as measured; 0 means the kernel has none.
        watch: whether agents sample use, because no cgroup counts it.
        env: what every program finds, beside its language's and its request's.
    """
    unsampled = seccomp.UNSAMPLED_MEMORY_CALLS if watch else ()
    return {
        "modules": list(profile.modules),
        "warm_argv": list(profile.warm_argv),
        "warm_env": fit_to_memory(profile.warm_env, limits.memory_bytes),
        "env": dict(env),
        "seccomp": base64.b64encode(seccomp.compile_filter(absent=unsampled)).decode(),
        "landlock": landlock.ruleset(landlock_abi) if landlock_abi else None,
        "rlimits": rlimits.constant_rlimits(),
        "tmpfs_bytes": max(limits.workspace_bytes, bounds.UNSIZED_WORKSPACE_BYTES),
        "memory_bytes": limits.memory_bytes,
        "watch": watch,
    }


def environment(cpus: float) -> Mapping[str, str]:
    """What every program finds in a cell that may use so many processors' worth of time.

    Libraries would start a thread for each processor of the host, where only so many run at once.
    Under this name OpenMP, OpenBLAS and MKL are told, and each has a name of its own that wins.

    Source: OpenMP 5.2, 21.1.2; OpenBLAS, README, "Setting the number of threads"
    """
    threads = max(1, min(math.ceil(cpus), os.cpu_count() or 1))
    return {**BASE_ENV, "OMP_NUM_THREADS": str(threads)}


def start_message(
    spec: ProcessSpec, watch: bool, env: Mapping[str, str] = BASE_ENV
) -> dict[str, object]:
    """What an agent is told to start a process.

    Args:
        watch, env: as in ``setup_message``.
    """
    terminal = {"TERM": "xterm-256color"} if spec.has_terminal else {}
    limits = spec.limits
    return {
        "mode": spec.mode,
        "entrypoint": spec.entrypoint,
        "argv": list(spec.argv),
        "env": {**env, **terminal, **spec.env},
        "rlimits": rlimits.rlimits_for(limits, 0 if watch else rlimits.SPARE_PROCESSES),
        "interactive": spec.has_terminal,
        "columns": spec.columns,
        "rows": spec.rows,
        "workspace_bytes": limits.workspace_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpu_time_ms": limits.cpu_time_ms,
        "processes": limits.processes,
    }
