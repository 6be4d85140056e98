"""The gateway's moments of one request, told to its client while tracing is on.

Owns the ``Server-Timing`` header, both ways; refuses to say more than times. The
first metric, ``clock``, has no duration: it says when the request arrived, in
seconds of ``CLOCK_MONOTONIC``, so that a client on this machine can put its own
clock beside ours.

Source: W3C Server Timing, section 3; durations are milliseconds.
"""

import re

from vibecell.model.marks import Marks, Moment

NAME = "Server-Timing"
_CLOCK = re.compile(r'clock;desc="(\d{1,12})\.(\d{9})"\Z')
_STEP = re.compile(r"(body|checked|heard|encoded);dur=(\d{1,9})\.(\d{6})\Z")
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000


def server_timing(marks: Marks) -> str | None:
    """The header's value: each step with its duration; ``None`` where nothing was noted."""
    taken = dict(marks.taken_ns)
    at_ns = taken.pop("request", None)
    if at_ns is None:
        return None
    parts = [f'clock;desc="{at_ns // _NS_PER_S}.{at_ns % _NS_PER_S:09d}"']
    for name, next_ns in taken.items():
        parts.append(f"{name};dur={(next_ns - at_ns) / _NS_PER_MS:.6f}")
        at_ns = next_ns
    return ", ".join(parts)


def read_server_timing(value: str) -> dict[Moment, int] | None:
    """The moments a header tells of, in nanoseconds; ``None``: it is not one of ours."""
    first, *rest = value.split(", ")
    clock = _CLOCK.match(first)
    steps = [_STEP.match(part) for part in rest]
    if clock is None:
        return None
    at_ns = int(clock[1]) * _NS_PER_S + int(clock[2])
    found: dict[Moment, int] = {"request": at_ns}
    for step in steps:
        if step is None:
            return None
        at_ns += int(step[2]) * _NS_PER_MS + int(step[3])
        found[step[1]] = at_ns  # type: ignore[index]
    return found
