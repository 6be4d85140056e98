"""Where the samples of a flame graph come from: py-spy and perf.

Owns their command lines and the folding of what perf prints; refuses to install
anything: a recorder that the host does not have is named, and left out.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.case import NotHad
from bench.flame_svg import read_folded

RATE_HZ = 250
# not a divisor of the clock's ticks, or what happens with every tick is seen always or never
PERF_RATE_HZ = 997
_GRACE_S = 60.0
_FRAME = re.compile(r"\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
_ENDED = re.compile(r":\d+$")
_KERNEL = "[kernel"
# Where a thread waits; py-spy takes some of them for work.
_WAITS = (
    "ThreadedChildWatcher._do_waitpid (",
    "_worker (concurrent/futures/thread.py",
    "EpollSelector.select (",
    "Hub.run (gevent/hub.py",
)

Stacks = dict[tuple[str, ...], int]


def python_stacks(pid: int, seconds: int) -> Stacks:
    """Python functions that a process is busy in; waiting is left out.

    Raises:
        NotHad: py-spy is not here, or may not look.
    """
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which(
        "py-spy"
    )
    if program is None:
        raise NotHad("no py-spy; it is in the bench extra")
    with tempfile.TemporaryDirectory(prefix="vibecell-flame-") as place:
        output = Path(place, "stacks")
        command = [program, "record", "--pid", str(pid), "--duration", str(seconds)]
        command += ["--rate", str(RATE_HZ), "--format", "raw", "--output", str(output)]
        _run(command, seconds)
        return busy(read_folded(output.read_text().splitlines()))


def busy(stacks: Stacks) -> Stacks:
    """Work alone, and functions alone: ``run (vibecell/x.py:12)`` and its line 14 are one."""
    found: Stacks = {}
    for stack, count in stacks.items():
        if stack[-1].startswith(_WAITS):
            continue
        names = tuple(re.sub(r":\d+\)$", ")", name) for name in stack)
        found[names] = found.get(names, 0) + count
    return found


def native_stacks(pids: Sequence[int], seconds: int) -> Stacks:
    """Functions of the kernel and of programs, in processes and what they fork meanwhile.

    By the clock, not by the processor's counters, which virtual machines lack.

    Raises:
        NotHad: perf is not here, or may not look.
    """
    program = shutil.which("perf")
    if program is None:
        raise NotHad("no perf; Debian's package is linux-perf")
    with tempfile.TemporaryDirectory(prefix="vibecell-flame-") as place:
        data = str(Path(place, "perf.data"))
        watched = ",".join(map(str, pids))
        command = [program, "record", "--output", data, "--pid", watched, "-g"]
        command += ["--event", "cpu-clock", "--freq", str(PERF_RATE_HZ)]
        _run([*command, "--", "sleep", str(seconds)], seconds)
        printed = _run([program, "script", "--input", data, "-F", "comm,ip,sym,dso"], seconds)
    return fold(printed.splitlines())


def fold(lines: Iterable[str]) -> Stacks:
    """Stacks from what ``perf script -F comm,ip,sym,dso`` prints.

    Each sample is a line with the program's name, then its frames, the
    innermost first, then an empty line. Source: perf-script(1).

    Outside the kernel only the library is kept that the processor was in:
    interpreters are built without frame pointers, so callers beyond it are guesses.
    """
    found: Stacks = {}
    kernel: list[str] = []
    library = program = ""
    for line in (*lines, ""):
        frame = _FRAME.match(line)
        if frame is not None:
            if frame[2].startswith(_KERNEL):
                kernel.append(f"{frame[1]}_[k]")
            elif not library and frame[2].startswith("/"):
                library = frame[2].rpartition("/")[2]
        elif line.strip():
            program = _ENDED.sub("(ended)", line.strip())
        elif program:
            names = (program, *([library] if library else []), *reversed(kernel))
            found[names] = found.get(names, 0) + 1
            kernel, library, program = [], "", ""
    return found


def _run(command: Sequence[str], seconds: int) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotHad(f"{command[0]} does not end") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise NotHad(f"{Path(command[0]).name} failed: {' '.join(said)[:300]}")
    return done.stdout
