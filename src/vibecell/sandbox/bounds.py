"""What the port promises in numbers, each bound once.

Every backend keeps these whatever a cell does, so who reads a cell need not count again.
What a result may hold is the engine's affair; where that has to be less, or to wait longer,
it is written in terms of these. What a program may use is in ``model/limits.py``. Owns
numbers; refuses to enforce them: the modules named beside them do.
"""

from vibecell.cell import frames
from vibecell.model import stopping

# One display: both ends refuse (``cell/frames.py``).
MAX_DISPLAY_BYTES = frames.MAX_DISPLAY_BYTES
# What every workspace has until its program's own size is set, so that whatever a request may
# bring is written into it (``zygote_backend.py``).
UNSIZED_WORKSPACE_BYTES = 16 * 1024 * 1024
# What a display costs of ``Limits.output_bytes`` besides its own bytes, so that many are dear too,
# however small (``framed/process.py``).
DISPLAY_COST_BYTES = 1024
# Of what a program left and a collection does not bring, so much is named; the rest is counted
# (``framed/collecting.py``).
MAX_OMITTED_NAMED = 64

# From a limit, or ``Process.kill``, until the cell is killed by means that need no agent
# (``framed/process.py``). Its ``Exit`` follows.
END_GRACE_S = stopping.END_GRACE_S
# Until a cell has to have taken a control, which only one that is broken or means ill does not
# (``framed/process.py``).
CONTROL_DEADLINE_S = 2.0
# For so long a program has to have done nothing to be seen to wait for input
# (``framed/stillness.py``); it may take twice that until it is seen.
STILL_S = 1.0
# Of ``Cell.collect``, asked for with the start or later (``framed/cell.py``).
COLLECT_DEADLINE_S = 5.0
# Of ``Cell.destroy``: every process dead, then its cgroup empty (``host/identity.py``).
DESTROY_DEADLINE_S = stopping.DEATH_DEADLINE_S + stopping.EMPTY_DEADLINE_S
