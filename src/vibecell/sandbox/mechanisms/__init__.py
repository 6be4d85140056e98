"""The kernel's side of a cell, one mechanism a module.

Owns how each is asked for and what it costs; refuses to know a cell, a wall or a policy:
it is told numbers and descriptors.

cgroup.py         making cgroups, and clearing away what was left
cgroup_cell.py    one cgroup: bounds, measures and ends all in it together
cgroup_files.py   reading and writing its files
cgroup_layout.py  where the host keeps cgroups, and the place in them that is ours
cgroup_stock.py   used ones, shown to be as good as new
deadlines.py      waiting for a descriptor, and ending whom it holds
idmap.py          host uids that belong to nobody
landlock.py       the Landlock ruleset
pressure.py       whether there is memory to spare
rlimits.py        resource limits
seccomp.py        the seccomp filter, as a program for the kernel
syscalls.py       the table that it is made from
"""
