"""How long an end may take, said once, from the innermost to the outermost.

Each deadline is made of those within it, and of a margin in which what was missed is told.
So whatever misses one is cut off, and said to be, by what is next to it, and nothing waits
behind a shorter deadline around it. Owns numbers; refuses to enforce them: who does imports them.

Told to stop, all of it stops at once: the engine ends executions, and tells their results; the
gateway passes these on, and says goodbye. A service where all goes well needs about a second.
"""

# Between a deadline and the one around it.
MARGIN_S = 0.5

# A program, from a limit or a kill until it is killed by means that need no agent.
END_GRACE_S = 1.0
# A process that was told to go, before it is killed.
LEAVE_GRACE_S = 0.5
# One that was killed: the kernel ends all of its pid namespace first.
DEATH_DEADLINE_S = 5.0
# A cell's cgroup, from the death of its first process until nobody is in it.
EMPTY_DEADLINE_S = 2.0
# An execution that is cancelled, until its result stands whatever its backend does.
KILL_TIMEOUT_S = END_GRACE_S + 4.0

# The engine: all results stand and are in their logs; …
EXECUTIONS_STOP_S = KILL_TIMEOUT_S + MARGIN_S
# … of those that are cut off even then, the results; …
CUT_OFF_S = MARGIN_S
# … who follows them has been sent the rest; …
LINKS_STOP_S = 1.0
# … walls, and with them the cells that are left, are gone; …
WALLS_STOP_S = LEAVE_GRACE_S + DEATH_DEADLINE_S + MARGIN_S
# … and so are containers that nobody owns any more.
CONTAINERS_STOP_S = 2.0
BACKEND_STOP_S = WALLS_STOP_S + CONTAINERS_STOP_S
ENGINE_STOP_S = EXECUTIONS_STOP_S + CUT_OFF_S + LINKS_STOP_S + BACKEND_STOP_S

# The gateway: a client of a WebSocket has answered its close frame; …
CLOSING_HANDSHAKE_S = 1.0
FAREWELL_STOP_S = CLOSING_HANDSHAKE_S + MARGIN_S
# … answers that wait for the engine have been sent; …
ANSWERS_STOP_S = EXECUTIONS_STOP_S + CUT_OFF_S + LINKS_STOP_S + MARGIN_S
# … and clients that take nothing have been cut off.
CUT_STOP_S = 1.0
GATEWAY_STOP_S = ANSWERS_STOP_S + CUT_STOP_S
# Then it notes when keys were last used, if the disk takes that: within the margin.
KEYS_STOP_S = MARGIN_S / 2
# … and has audited the rest, likewise.
AUDIT_STOP_S = MARGIN_S / 4

# A courier: what it fetches is dropped.
COURIER_STOP_S = 1.0

# The supervisor: from SIGTERM to SIGKILL.
COURIER_KILL_S = COURIER_STOP_S + MARGIN_S
GATEWAY_KILL_S = GATEWAY_STOP_S + MARGIN_S
ENGINE_KILL_S = ENGINE_STOP_S + MARGIN_S
# The service, when all that is killed ends: what starts it must have more patience
# (``TimeoutStopSec=`` of a unit, ``stop_grace_period`` of a container it is in).
SERVICE_STOP_S = ENGINE_KILL_S + DEATH_DEADLINE_S + MARGIN_S
