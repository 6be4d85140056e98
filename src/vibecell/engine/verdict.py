"""What the facts of a process's end are called.

Owns every verdict and every sentence that explains one; refuses to observe:
pure functions of facts, limits and, for hints only, of what was printed.
A verdict never rests on what the program printed.
"""

import re
import signal
from collections.abc import Iterable

from vibecell.engine.plan import COMPILE
from vibecell.model.execution import Outcome, StageOutcome, Usage
from vibecell.model.limits import MIB, Limits
from vibecell.model.verdicts import Verdict
from vibecell.sandbox.backend import Exit

INTERNAL_ERROR_MESSAGE = "the platform failed; the program may not be at fault"
CANCELLED_MESSAGE = "cancelled"
HINT_TAIL_BYTES = 4096
_NAME = rb"[\w.@/+\-]{1,100}"
_NO_COMMAND = "the command '{}' is not installed"
_HINTS = (
    (
        re.compile(rb": line \d+: .{0,200}(\$'[^'\n]{0,100}\\r)'"),
        "the program's lines end as those of Windows do (CR LF), which Bash takes for its words",
    ),
    (
        re.compile(rb"^ModuleNotFoundError: No module named '(" + _NAME + rb")'", re.MULTILINE),
        "the package '{}' is not installed",
    ),
    (
        re.compile(rb"Cannot find (?:module|package) '([\w@]" + _NAME + rb")'"),
        "the package '{}' is not installed",
    ),
    (
        re.compile(rb": line \d+: (" + _NAME + rb"): command not found"),
        _NO_COMMAND,
    ),
    (
        # dash(1), as `sh`
        re.compile(rb"^[\w.@/+\-]{1,100}: \d+: (" + _NAME + rb"): not found$", re.MULTILINE),
        _NO_COMMAND,
    ),
    (
        # Python's subprocess, by its own frame: any other file may be missing as well
        re.compile(
            rb"in _execute_child\n[^\n]{0,200}\n(?:[ ^~]{0,200}\n)?"
            rb"FileNotFoundError: \[Errno 2\] No such file or directory: '([\w.@+\-]{1,100})'"
        ),
        _NO_COMMAND,
    ),
    (
        re.compile(
            rb"^(?:<ref \*1> )?Error: spawn(?:Sync)? (" + _NAME + rb") ENOENT$", re.MULTILINE
        ),
        _NO_COMMAND,
    ),
    (
        # env(1), xargs(1), timeout(1), nohup(1), nice(1)
        re.compile(
            "^(?:env|xargs|timeout: failed to run command|nohup: failed to run command|nice):? "
            "[‘']*([\\w.@+\\-]{1,100})[’']*: No such file or directory$".encode(),
            re.MULTILINE,
        ),
        _NO_COMMAND,
    ),
)


def judge(
    exit_: Exit, limits: Limits, stage: str, tail: bytes = b"", asked: Limits | None = None
) -> Outcome:
    """Name the end of one stage.

    Args:
        exit_: the facts.
        limits: those the stage ran under.
        stage: its name; "compile" fails with a verdict of its own.
        tail: the last bytes it printed, for a hint what was missing.
        asked: those of the request, where no more was left of its caller's day.
    """
    verdict, message = _verdict(exit_, limits, stage)
    if verdict in (Verdict.RUNTIME_ERROR, Verdict.COMPILATION_ERROR) and not message:
        message = missing_hint(tail)
    if asked is not None:
        message += _of_the_day(exit_, limits, asked)
    return Outcome(
        verdict=verdict,
        exit_code=exit_.exit_code,
        signal=None if exit_.signal is None else signal_name(exit_.signal),
        usage=usage_of(exit_),
        message=message,
    )


def _of_the_day(exit_: Exit, limits: Limits, asked: Limits) -> str:
    if exit_.stopped_by == "cpu_time" and limits.cpu_time_ms < asked.cpu_time_ms:
        return "; no more processor time of the day was left"
    if exit_.stopped_by == "output" and limits.output_bytes < asked.output_bytes:
        return "; no more output of the day was left"
    return ""


def usage_of(exit_: Exit) -> Usage:
    """What a stage has used, by the facts of its end."""
    return Usage(
        wall_time_ms=exit_.wall_time_ms,
        cpu_time_ms=exit_.cpu_time_ms,
        memory_bytes=exit_.memory_bytes,
        processes=exit_.processes,
        output_bytes=exit_.output_bytes,
    )


def missing_hint(tail: bytes) -> str:
    """Names what is not installed, if the program's last words complain of it."""
    for pattern, sentence in _HINTS:
        found = pattern.findall(tail[-HINT_TAIL_BYTES:])
        if found:
            return sentence.format(found[-1].decode("utf-8", "replace"))
    return ""


def matches_expected(stdout: bytes, expected: str) -> bool:
    """Compare as judges do: blanks at line ends and lines' ends at the end do not count."""
    return _comparable(stdout.decode("utf-8", "replace")) == _comparable(expected)


def total_usage(stages: Iterable[StageOutcome]) -> Usage:
    """Usage of all stages: times and output add up, the rest is the highest."""
    used = [s.outcome.usage for s in stages]
    cpu = [u.cpu_time_ms for u in used if u.cpu_time_ms is not None]
    memory = [u.memory_bytes for u in used if u.memory_bytes is not None]
    processes = [u.processes for u in used if u.processes is not None]
    return Usage(
        wall_time_ms=sum(u.wall_time_ms for u in used),
        cpu_time_ms=sum(cpu) if cpu else None,
        memory_bytes=max(memory, default=None),
        processes=max(processes, default=None),
        output_bytes=sum(u.output_bytes for u in used),
    )


def signal_name(number: int) -> str:
    """A signal's name; real-time ones and unknown ones by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def size_text(size_bytes: int) -> str:
    """A size as people write it: "512 MiB"."""
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.4g} {name}"
    return f"{size_bytes} bytes"


def _comparable(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _verdict(exit_: Exit, limits: Limits, stage: str) -> tuple[Verdict, str]:
    stopped = _stopped(exit_, limits)
    if stopped is not None:
        return stopped
    if exit_.signal is None and exit_.exit_code == 0:
        return Verdict.ACCEPTED, ""
    hit = _limit_hit(exit_, limits)
    if hit is not None:
        return hit
    failed = Verdict.COMPILATION_ERROR if stage == COMPILE else Verdict.RUNTIME_ERROR
    if exit_.signal is not None:
        return failed, f"ended by signal {signal_name(exit_.signal)}"
    return failed, ""


def _stopped(exit_: Exit, limits: Limits) -> tuple[Verdict, str] | None:
    """The platform ended it."""
    match exit_.stopped_by:
        case "cancel":
            return Verdict.CANCELLED, CANCELLED_MESSAGE
        case "wall_time":
            return Verdict.TIME_LIMIT_EXCEEDED, _stopped_after(limits.wall_time_ms, "")
        case "cpu_time":
            return Verdict.TIME_LIMIT_EXCEEDED, _stopped_after(limits.cpu_time_ms, " of CPU time")
        case "memory":
            return Verdict.MEMORY_LIMIT_EXCEEDED, _memory(limits)
        case "output":
            text = f"output limit exceeded: more than {size_text(limits.output_bytes)}"
            return Verdict.OUTPUT_LIMIT_EXCEEDED, text
        case "processes":
            return Verdict.PROCESS_LIMIT_EXCEEDED, _processes(limits)
        case None:
            return None


def _limit_hit(exit_: Exit, limits: Limits) -> tuple[Verdict, str] | None:
    """It failed by itself after it met a limit."""
    if exit_.memory_limit_hit:
        return Verdict.MEMORY_LIMIT_EXCEEDED, _memory(limits)
    if exit_.signal == signal.SIGXCPU:
        return Verdict.TIME_LIMIT_EXCEEDED, _stopped_after(limits.cpu_time_ms, " of CPU time")
    if exit_.process_limit_hit:
        return Verdict.PROCESS_LIMIT_EXCEEDED, _processes(limits)
    if exit_.workspace_limit_hit or exit_.signal == signal.SIGXFSZ:
        text = f"workspace limit exceeded: more than {size_text(limits.workspace_bytes)}"
        return Verdict.WORKSPACE_LIMIT_EXCEEDED, text
    return None


def _stopped_after(limit_ms: int, what: str) -> str:
    seconds = f"{limit_ms / 1000:.1f}" if limit_ms >= 1000 else f"{limit_ms / 1000:g}"
    return f"time limit exceeded: stopped after {seconds} s{what}"


def _processes(limits: Limits) -> str:
    return f"process limit exceeded: more than {limits.processes} processes"


def _memory(limits: Limits) -> str:
    return f"memory limit exceeded: more than {size_text(limits.memory_bytes)}"
