"""Standard output and error that keep nothing back; opened by every interpreter of a cell.

Owns how text gets from ``sys.stdout`` and ``sys.stderr`` to their descriptors: at once, so
that whatever ends a program, what it printed before is out. Refuses to run when text is
printed: no frame of ours is ever beneath ``print``, where a traceback, a trace function or
a profiler would show it.

As long as a process is alone, each piece of text is written as it comes, as by
``python -u``. ``print`` writes a line in several pieces, between which those of another
thread or a forked process could come. So from the first thread or fork on text is written
by whole lines, and what has no newline yet soon, by a thread that does nothing else.

Source: CPython, Python/pylifecycle.c, create_stdio(); Python/bltinmodule.c, print()
"""

import _signal  # type: ignore[import-not-found]  # signal would load enum, which nobody asked for
import _thread
import io
import os
import sys
import time

INTERVAL_S = 0.05
FEW_PROCESSES = 8
# A thread of ours that is refused would be taken for one of the program's, and one that is not may
# be in the place of one of its own. Source: getrlimit(2), RLIMIT_NPROC; proc_pid_limits(5)
_LEAST_LIMIT = 64
_LIMIT = b"Max processes"
_STARTERS = ("start_new_thread", "start_new", "start_joinable_thread")

_real_starters: dict[str, object] = {}
_flushed_in = 0  # the process that has the thread, which no fork of it has


def take_over() -> None:
    """Open the streams, and see to it that lines stay whole; once in an interpreter.

    One that is told to be unbuffered does what it does anywhere.
    """
    if not _is_main_interpreter():
        return
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        return
    open_streams()
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked_child)
    _await_thread()


def open_streams() -> None:
    """Open output and error anew on their descriptors, but for one that was closed at the start."""
    for fd, name in ((1, "stdout"), (2, "stderr")):
        there = getattr(sys, f"__{name}__")
        if there is None:
            continue
        raw = io.FileIO(fd, "w", closefd=False)
        raw.name = f"<{name}>"
        text = io.TextIOWrapper(
            raw,  # as CPython does where it is told to be unbuffered
            there.encoding,
            there.errors,
            newline="\n",
            line_buffering=True,
            write_through=True,
        )
        text.mode = "w"  # type: ignore[misc]
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def _is_main_interpreter() -> bool:
    """Whether threads that never end are allowed here: at the end of others they are fatal."""
    try:
        _signal.set_wakeup_fd(-1)  # what it is at the start
    except ValueError:
        return False
    return True


def _await_thread() -> None:
    """Have the first start of a thread noticed, and no other."""
    for name in _STARTERS:
        if (real := getattr(_thread, name, None)) is not None:
            _real_starters[name] = real
            setattr(_thread, name, _Noticing(name))


class _Noticing:
    """Stands for a function of C: unlike one of Python, it becomes no method of a class."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: object, **kwargs: object) -> object:
        for name, real in _real_starters.items():
            _replace(name, real)
        _write_whole_lines()
        started = _real_starters[self.__name__](*args, **kwargs)  # type: ignore[operator]
        _begin_flushing()
        return started


def _replace(name: str, starter: object) -> None:
    """Put a function in its place, but where a program has put its own."""
    for module, there in ((_thread, name), (sys.modules.get("threading"), f"_{name}")):
        if isinstance(getattr(module, there, None), _Noticing):
            setattr(module, there, starter)


def _forked() -> None:
    _write_whole_lines()
    if sys.version_info < (3, 12):  # which warn whoever forks while there are threads
        _begin_flushing()


def _forked_child() -> None:
    """A thread counts as one of the cell's processes: a large pool would be half as large."""
    _write_whole_lines()
    if sum(map(str.isdigit, os.listdir("/proc"))) <= FEW_PROCESSES:
        _begin_flushing()


def _write_whole_lines() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            stream.reconfigure(write_through=False)  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            continue  # closed, or the program's own


def _begin_flushing() -> None:
    global _flushed_in
    if _flushed_in == os.getpid() or not _is_room():
        return
    try:
        _real_starters["start_new_thread"](_keep_flushing, ())  # type: ignore[operator]
    except RuntimeError:
        return  # no more threads: text without a newline goes out with the next one, or at the end
    _flushed_in = os.getpid()


def _is_room() -> bool:
    try:
        with open("/proc/self/limits", "rb") as limits:
            (limit,) = [line for line in limits if line.startswith(_LIMIT)]
    except (OSError, ValueError):
        return True  # no cell: nobody counts
    soft = limit[len(_LIMIT) :].split()[0]
    return not soft.isdigit() or int(soft) >= _LEAST_LIMIT


def _keep_flushing() -> None:
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    while True:
        time.sleep(INTERVAL_S)
        for stream in (sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()  # type: ignore[union-attr]
            except (AttributeError, ValueError, OSError):
                continue  # closed, or nobody reads it: whoever prints is told
