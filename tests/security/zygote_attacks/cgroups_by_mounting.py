"""Leave by a cgroup file system: mount each, change a limit, set a release agent, make a group.

Expected containment: where one can be mounted, everything in it is the host's root's.
"""

import os

from attack import contained, escaped, refuse
from reach import NEW_CGROUP, UNSHARE, call, mount, places, twice, write

# those that somebody could make the kernel do something by
FILES = ("release_agent", "notify_on_release", "cgroup.procs", "tasks", "cgroup.kill",
         "cgroup.freeze", "cgroup.subtree_control", "cgroup.event_control", "devices.allow",
         "devices.deny", "memory.limit_in_bytes", "memory.max", "pids.max", "cpu.max",
         "cpu.cfs_quota_us", "freezer.state", "cpuset.cpus")  # fmt: skip
KINDS = [("cgroup2", "")] + [("cgroup", name) for name in (
    "memory", "pids", "cpu", "cpuacct", "devices", "freezer", "rdma", "blkio", "cpuset",
    "name=systemd", "none,name=mine")]  # fmt: skip


def try_all(place):
    count = 0
    for folder, _, names in os.walk(place):
        refuse(f"make a cgroup in {folder}", os.mkdir, f"{folder}/mine")
        for name in {*FILES} & {*names}:
            refuse(f"write {folder}/{name}", write, f"{folder}/{name}", "0")
            refuse(f"own {folder}/{name}", os.chown, f"{folder}/{name}", 0, 0)
            refuse(f"open up {folder}/{name}", os.chmod, f"{folder}/{name}", 0o777)
            count += 1
    return count


def look():
    for place, kind, _ in places():
        if kind in ("cgroup", "cgroup2"):
            print("there:", place, try_all(place))
    for number, (kind, options) in enumerate(KINDS):
        place = f"/tmp/{kind}-{number}"
        os.makedirs(place, exist_ok=True)
        try:
            mount("x", place, kind, 0, options)
        except OSError as error:
            print("not mounted:", kind, options, "-", error)
            continue
        print("mounted:", kind, options, try_all(place))


twice(look)
call(UNSHARE, NEW_CGROUP)
look()
if os.path.exists("/tmp/release-agent-was-here"):
    escaped("a release agent was started")
contained()
