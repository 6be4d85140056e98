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

import sys

_at_start = frozenset(sys.modules)

import zygote  # noqa: E402 - what it loads must not count as there from the start

zygote.live(_at_start)
zygote.vanish()
raise ImportError(name="sitecustomize")
