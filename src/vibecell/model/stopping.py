"""How long a service that is told to stop may take, said once.

``vibecell serve`` tells its children and kills those that have not ended in time
(``cli/supervisor.py``). What each child does meanwhile has to be over before that, so it
is derived from it. An engine without a supervisor has a patience of its own, which is
longer: it waits for cells that do not end (``engine/executions.py``).
"""

# From SIGTERM to SIGKILL.
STOP_S = 4.0
# For the gateway's farewells to its clients, and what they still ask for.
GATEWAY_STOP_S = STOP_S - 0.5
# For the engine's containers to be removed, of which the rest is executions'.
CONTAINERS_STOP_S = STOP_S / 2
