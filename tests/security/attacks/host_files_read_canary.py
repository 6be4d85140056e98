# Tries to read and write a file of the host whose path the test gives.
# Expected containment: the path does not exist in the cell, by any road to it.
import os
import sys
from attack import contained, refuse

path = sys.argv[1]
roads = [
    path,
    "/proc/1/root" + path,
    "/proc/self/root" + path,
    "/.." * 10 + path,
    "/proc/self/cwd/../../../.." + path,
    "/oldroot" + path,
    "/newroot" + path,
]
for road in roads:
    refuse(road, open, road)
    refuse("write " + road, open, road, "a")
for fd in range(3, 64):
    refuse(f"beneath descriptor {fd}", lambda: os.open(path.lstrip("/"), os.O_RDONLY, dir_fd=fd))
    refuse(
        f"above descriptor {fd}",
        lambda: os.open("../" * 10 + path.lstrip("/"), os.O_RDONLY, dir_fd=fd),
    )
contained()
