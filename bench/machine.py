"""The machine that numbers were taken on, described.

Owns what a reader needs to judge them; refuses to name the host.
"""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.account import own_cgroup


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run took place."""

    processor: str
    processors: int
    memory: str
    kernel: str
    python: str
    node: str
    huge_pages: str
    mitigations: str
    privilege: str
    cpu_account: str

    def lines(self) -> list[tuple[str, str]]:
        """For a table: what, and its value."""
        return [
            ("processor", f"{self.processor}, {self.processors} of them"),
            ("memory", self.memory),
            ("kernel", self.kernel),
            ("Python", self.python),
            ("Node.js", self.node),
            ("transparent huge pages", self.huge_pages),
            ("mitigations", self.mitigations),
            ("run as", self.privilege),
            ("processor time", self.cpu_account),
        ]


def describe_machine(node: Path | None) -> Machine:
    """This machine; ``node`` is the program that was measured."""
    return Machine(
        processor=_processor(),
        processors=len(os.sched_getaffinity(0)),
        memory=_memory(),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        node=_version(node) if node else "none",
        huge_pages=_chosen(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        mitigations=_mitigations(Path("/sys/devices/system/cpu/vulnerabilities")),
        privilege="root" if os.geteuid() == 0 else "an ordinary user",
        cpu_account=_cpu_account(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "CPU part", "Model"):
            return value.strip()
    return platform.machine()


def _cpu_account() -> str:
    with own_cgroup() as cgroup:
        return "of cgroups" if cgroup else "of processes: that of ended cells is missing"


def _memory() -> str:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return f"{int(line.split()[1]) / 1024**2:.1f} GiB"
    return "unknown"


def _version(program: Path) -> str:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout.strip().removeprefix("v") or "unknown"


def _chosen(path: Path) -> str:
    """The word in brackets, as in ``always [madvise] never``."""
    try:
        text = path.read_text()
    except OSError:
        return "unknown"
    return text.partition("[")[2].partition("]")[0] or text.strip()


def _mitigations(directory: Path) -> str:
    """Which flaws are mitigated; the rest does not concern this processor."""
    if not directory.is_dir():
        return "unknown"
    states = {path.name: path.read_text().strip() for path in sorted(directory.iterdir())}
    mitigated = [name for name, state in states.items() if state.startswith("Mitigation")]
    open_ones = [name for name, state in states.items() if state.startswith("Vulnerable")]
    parts = []
    if mitigated:
        parts.append("on: " + ", ".join(mitigated))
    if open_ones:
        parts.append("off: " + ", ".join(open_ones))
    return "; ".join(parts) or "none needed"
