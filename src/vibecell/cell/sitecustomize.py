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

_at_start = frozenset(sys.modules)

import zygote  # noqa: E402 - what it loads must not count as there from the start

try:
    zygote.live(_at_start)
    zygote.vanish()
except BaseException as error:
    # nothing but a program may go on from here
    os.write(2, f"zygote: {error!r}\n".encode())
    os._exit(1)
raise ImportError(name="sitecustomize")
