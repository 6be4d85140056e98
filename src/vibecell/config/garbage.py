"""How a daemon's memory is given back: the one definition for gateway and engine.

Owns the collector's settings, the giving back and its pace; refuses to wait: a daemon's own
loop does that. What is to know about them:

- What start-up made lives to the end. It is frozen, so that no collection looks at it.
- Requests leave few circles, and looking for them at the interpreter's pace costs more time
  than they cost memory: hence a high threshold. But a circle that outlived two collections
  would stay until thousands more had run, and what it holds may be large.
- So everything is collected every few seconds, whatever the counts say. That is cheap because
  little that lives long is made of objects (what is kept of executions is bytes): some
  milliseconds with 20,000 results kept. Where it takes longer it comes more seldom.
- The C library keeps what was freed in the middle of its heap, and up to 64 MiB at its end
  once large blocks have come and gone; it is told to give that back. Source:
  malloc_trim(3), mallopt(3) (M_MMAP_THRESHOLD, on the dynamic threshold).
"""

import ctypes
import gc
import time

_INTERVAL_S = 5.0
_MOST_OF_THE_TIME = 0.01
_THRESHOLDS = (50_000, 20, 20)


def settle_garbage() -> None:
    """Set the collector for a daemon that has finished starting."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def give_back() -> float:
    """Find what only the collector finds, and return free memory to the kernel.

    Returns:
        seconds to wait before it is done again.
    """
    began_s = time.monotonic()
    gc.collect()
    if _trim is not None:
        _trim(0)
    return max(_INTERVAL_S, (time.monotonic() - began_s) / _MOST_OF_THE_TIME)


def _found_trim() -> "ctypes._NamedFuncPointer | None":
    """The C library's, which another than GNU's has not."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim


_trim = _found_trim()
