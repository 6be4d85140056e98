"""What the one host grants to all walls together.

Owns uids, cgroups, the bounds of walls and the pace at which cells are made, each once for
all backends of an engine; refuses to know how a wall or a cell is made.

shares.py       the share of each wall: its uids, its cgroups
identity.py     the uid and the cgroup of one cell, given back together
wall_bounds.py  what a wall's own processes may use (pure)
host_figures.py what the host as a whole is short of
refill.py       which warm cell is made next, and how many wait
demand.py       how many will be wanted at once (pure)
"""
