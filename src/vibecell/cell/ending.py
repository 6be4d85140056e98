"""The end of a program that leaves nothing behind which could act on it.

Owns the short way out of an interpreter. Taking an interpreter apart writes
to nearly every page it shares with its zygote, and the kernel must copy each
of them: several times the cost of a small program. So where nobody can tell
the difference, the process ends at once. Refuses to guess: an end it does not
understand, or one that a finaliser, a callback or a foreign library could
still see, goes the interpreter's own way.

How an end is understood. When ``main.py`` has run, CPython removes
``__file__`` and ``__cached__`` from its namespace before it exits, except after
``SystemExit``, which it obeys while they are still there: but for a program that
removes both by itself, and names them. Whatever other exception was printed
stands in ``sys.last_value`` by then, and has left the program's outermost frame
where that stands still.

Source: CPython, Python/pythonrun.c, ``_PyRun_SimpleFile`` and ``PyErr_PrintEx``;
Python/pylifecycle.c, ``Py_FinalizeEx``.
"""

import atexit
import contextlib
import ctypes
import gc
import io
import os
import sys
import weakref
from collections.abc import Mapping
from importlib.machinery import BuiltinImporter, ExtensionFileLoader
from types import BuiltinFunctionType, FunctionType

_HARMLESS_KINDS = frozenset({io.StringIO, io.BytesIO})
_SOURCE = "main.py"
_MARK = "__cached__"
_HARMLESS_CALLBACK_HOMES = ("weakref", "_weakrefset")

_ALWAYS_THERE = {"__name__", "__doc__", "__spec__", "__loader__", "__builtins__"}
_libc = ctypes.CDLL(None)
_newest_before = ""
_count_before = 0
_loaded_before: Mapping[str, object] = {}
_witness: list[object] = []
_names_mark = False


def prepare() -> None:
    """Have the end of a program looked at after its own exit functions.

    For the zygote, before anything else registers an exit function. A trace
    function that is still set must not be shown our frames.
    """
    atexit.register(_end)
    atexit.register(sys.settrace, None)
    atexit.register(sys.setprofile, None)


def note_modules(loaded: Mapping[str, object]) -> None:
    """Remember what is imported before the program; for the zygote.

    Args:
        loaded: what was loaded ahead, whether a program imports it or not, by name.
    """
    global _newest_before, _count_before, _loaded_before
    # what is still being loaded, ``site``, is put last once it is there
    there = [name for name, module in sys.modules.items() if not _is_being_loaded(module)]
    _newest_before, _count_before = there[-1], len(there)
    _loaded_before = loaded


def _is_being_loaded(module: object) -> bool:
    """Source: CPython, Lib/importlib/_bootstrap.py, ``_load_unlocked``"""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def note_start() -> None:
    """Leave the collector something of the program's own age; for the runner."""
    global _witness, _names_mark
    _witness = [None]
    _names_mark = _MARK.encode() in _source()


def _source() -> bytes:
    """The program, which may not be there; read by the calls that cost the least."""
    source = b""
    with contextlib.suppress(OSError):
        fd = os.open(_SOURCE, os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.closing(io.FileIO(fd)) as file:
            source = file.readall()
    return source


def _end() -> None:
    try:
        code = _exit_code()
        if code is None or imported_libraries() or gc.callbacks:
            return
        alive = gc.get_objects()
        # no witness: the program has frozen what it made, and it cannot be looked at
        if not any(x is _witness for x in alive) or not nothing_acts(alive):
            return
        sys.stdout.flush()
        sys.stderr.flush()
        _flush_originals()
    except BaseException:
        return  # whatever this was, the interpreter meets it too, and says it its own way
    _libc.fflush(None)
    os._exit(code)


def _flush_originals() -> None:
    """Flush the streams that were there at the start, too, whatever stands in their place."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()


def _exit_code() -> int | None:
    """What the interpreter will exit with; ``None`` where that cannot be known."""
    main = vars(sys.modules["__main__"])
    if not main.keys() >= _ALWAYS_THERE:
        return None  # swept by the program, and the marks of its end perhaps with them
    if main["__name__"] != "__main__" or "__file__" in main or _MARK in main or _names_mark:
        return None
    if sys.excepthook is not sys.__excepthook__:
        return None  # which may have taken back what an exception left
    if not hasattr(sys, "last_type"):
        return 0
    error = sys.last_value
    if not isinstance(error, Exception) or error.__traceback__ is None:
        return None
    # of another frame: printed by a console that the program has made itself
    if error.__traceback__.tb_frame.f_globals is not main:
        return None
    # where that frame went on, the exception was caught, and put there by hand
    return 1 if error.__traceback__.tb_lasti == error.__traceback__.tb_frame.f_lasti else None


def imported_libraries() -> bool:
    """Whether the program imported compiled code, or may have; its objects may end in any way."""
    count = len(sys.modules)
    for name in reversed(sys.modules):  # the latest first
        if name == _newest_before:
            # others stand before it than did: it was imported again, or one of them is gone
            return count != _count_before
        count -= 1
        if sys.modules[name] is _loaded_before.get(name):
            continue
        loader = getattr(getattr(sys.modules[name], "__spec__", None), "loader", None)
        if isinstance(loader, ExtensionFileLoader) or loader is BuiltinImporter:
            return True
    return True  # it has taken away what was there before


def nothing_acts(alive: list[object]) -> bool:
    """Whether no object would do anything when it is taken apart.

    Args:
        alive: every container but those frozen in the zygote.
    """
    kinds = set(map(type, alive))
    if any(_has_finaliser(kind) for kind in kinds - _HARMLESS_KINDS):
        return False
    metaclasses = tuple(kind for kind in kinds if issubclass(kind, type))
    references = tuple(kind for kind in kinds if issubclass(kind, weakref.ref))
    # instances without any attribute are no containers: their class tells
    return not any(
        (type(x) in metaclasses and _has_finaliser(x))  # type: ignore[arg-type]
        or (type(x) in references and _calls_back(x))
        for x in alive
    )


def _has_finaliser(kind: type) -> bool:
    return any("__del__" in vars(base) for base in kind.__mro__)


def _calls_back(reference: object) -> bool:
    """Whether a weak reference calls something that only the standard library knows."""
    call = getattr(reference, "__callback__", None)
    if isinstance(call, BuiltinFunctionType):
        return call.__name__ != "_destroy"  # the cache of an abstract class
    if isinstance(call, FunctionType):
        return call.__globals__["__name__"] not in _HARMLESS_CALLBACK_HOMES
    return call is not None
