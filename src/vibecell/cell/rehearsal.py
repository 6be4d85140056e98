"""What a start and an end will do, done before, while nobody waits.

Owns harmless repetitions of the work between a start message and the last
frame; refuses anything that leaves a trace. A fork shares every page with its
zygote until one of them writes to it, and the interpreter writes wherever it
reads, because it counts references. A process that has rehearsed has its copies.
"""

import os

import frames
import messages
import mounts
import runner

_FIELDS: dict[str, object] = dict.fromkeys(messages.Start.__slots__)
_START = frames.encode_control(frames.START, _FIELDS | {"argv": ["a"], "env": {"A": "b"}})
_FILE = frames.encode_control(frames.WRITE, {"path": "main.py", "size_bytes": 1}, 1)
_FACTS: dict[str, object] = {"exit_code": 0, "signal": None, "cpu_time_ms": 1.5}


def rehearse() -> None:
    """The hearing of a start, and the report of an end."""
    for kind, _stream, payload in frames.FrameParser(frames.TO_AGENT).feed(_FILE + _START):
        message = frames.decode_control(payload)
        if kind == frames.START:
            messages.Start.from_message(message)
    runner.children_cpu_time_ms()
    runner.cpu_time_ms(os.getpid())
    mounts.is_full()
    frames.encode_control(frames.EXIT, _FACTS)
