"""What modules decide when they are loaded, decided again when a program imports them.

Owns one function for each module that a zygote loads and that looks around while it is
loaded: at the clock, at the environment, at files. Refuses to load anything.
"""

import ctypes
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import shelf

_BLAS = re.compile(r"(/\S*openblas\S*)$", re.MULTILINE)
# how many threads it has when it begins anew after a fork, and how many of them it uses
_COUNTS = ("blas_num_threads", "blas_cpu_number")
_THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
_NUMBER = re.compile(r"\s*\+?(\d+)")


def renewals(loaded: Mapping[str, Any]) -> shelf.Renewals:
    """One for each of the modules that needs it; what is forgotten for good, is so at once.

    Args:
        loaded: by name.
    """
    if (platform := loaded.get("platform")) is not None:
        _forget_host(platform)
    found: dict[str, Callable[[Any], None]] = {"logging": _restart_clock}
    if (matplotlib := loaded.get("matplotlib")) is not None:
        found["matplotlib"] = _matplotlib(matplotlib)
    if "numpy" in loaded and (numpy := _numpy()) is not None:
        found["numpy"] = numpy
    return found


def _restart_clock(logging: Any) -> None:
    """Source: Lib/logging/__init__.py, ``relativeCreated`` counts from there."""
    logging._startTime = time.time()


def _forget_host(platform: Any) -> None:
    """A zygote's host name is not a cell's. Source: Lib/platform.py, uname()."""
    platform._uname_cache = None
    platform._platform_cache.clear()


def _matplotlib(matplotlib: Any) -> Callable[[Any], None]:
    """Source: matplotlib/__init__.py, the making of ``rcParams``; it reads MPLBACKEND last."""
    file, backend = matplotlib.matplotlib_fname(), os.environ.get("MPLBACKEND")

    def renew(matplotlib: Any) -> None:
        if (found := matplotlib.matplotlib_fname()) != file:
            matplotlib.rcParams._update_raw(matplotlib._rc_params_in_file(found))
            matplotlib.rcParamsOrig._update_raw(matplotlib.rcParams)
        wanted = os.environ.get("MPLBACKEND")
        if wanted and wanted != backend:
            matplotlib.rcParams["backend"] = wanted

    return renew


def _numpy() -> Callable[[Any], None] | None:
    """Decides the threads of its linear algebra; ``None`` where that is another than OpenBLAS.

    They do not exist yet: OpenBLAS ends them before a fork, and begins anew when it is used.
    Its function that sets their number would begin with the old one.

    Source: OpenBLAS, driver/others/memory.c, blas_get_cpu_number(); blas_server.c,
    blas_thread_init() and goto_set_num_threads()
    """
    with open("/proc/self/maps") as maps:
        path = _BLAS.search(maps.read())
    if path is None:
        return None
    library = ctypes.CDLL(path[1])
    try:
        counts = [ctypes.c_int.in_dll(library, name) for name in _COUNTS]
    except ValueError:
        return None

    def renew(_numpy: Any) -> None:
        for name in _THREADS:
            said = os.environ.get(name)
            number = _NUMBER.match(said) if said else None
            if number is not None and int(number[1]) > 0:
                for count in counts:
                    count.value = min(int(number[1]), count.value)
                return

    return renew
