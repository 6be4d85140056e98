"""How the interpreter of a zygote is entered, and left again by a program.

``python3 main.py`` imports this module before it looks at ``main.py``. The
zygote lives inside that import for as long as its control socket is open. A
forked runner comes back out of it, and the interpreter then goes on by itself
to run ``main.py``: not an imitation of ``python main.py`` but the thing itself,
with no frame of ours beneath it.

Leaving by ``ImportError`` with this module's own name is the way ``site``
documents for "there is no sitecustomize": the import is forgotten entirely.

Source: https://docs.python.org/3/library/site.html#module-sitecustomize
"""

import os
import sys

# An interpreter that a program makes within its own finds this module, too: it is no zygote.
# Source: Python/C API, "Sub-interpreter support"
if not any(name.startswith("VIBECELL_CONTROL_") for name in os.environ):
    sys.path.remove(os.path.dirname(__file__))
    sys.path_importer_cache.pop(os.path.dirname(__file__), None)
    raise ImportError(name="sitecustomize")

_at_start = [name for name in sys.modules if name != __name__]

import recording  # noqa: E402 - what is loaded from here on must not count as there from the start

_notes = recording.Recording(_at_start)
_notes.begin()

import zygote  # noqa: E402 - noted, as is all that it loads

try:
    zygote.vanish(zygote.live(_notes))
except BaseException as error:
    # nothing but a program may go on from here
    os.write(2, f"zygote: {error!r}\n".encode())
    os._exit(1)
raise ImportError(name="sitecustomize")
