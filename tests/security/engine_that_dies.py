"""An engine with a wall whose zygote was taken over and means to outlive it; to be killed.

Says ``begun`` once there are as many processes behind that wall as are to be had, those
that no cgroup refuses included, and hears nothing any more.
"""

import sys
import time

from conformance.cells import Gathered, python, until
from security.taken_cells import TakenCells, taken_profile

NAME = "taken-outlives"
OUTLIVES = """
import ctypes, time
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
time.sleep(600)
"""
FILLS = """
import os, time, taken

def leave():
    for join in taken.kept[-1][1:]:
        os.write(join, b"0")
    os.write(tell, b"x")
    os.closerange(0, 4096)
    time.sleep(600)

told, tell = os.pipe()
made = 0
while made < 600:
    try:
        pid = os.fork()
    except OSError:
        break
    if pid == 0:
        leave()
    os.read(told, 1)
    made += 1
print("begun", flush=True)
time.sleep(600)
"""


async def live(cells: TakenCells) -> None:
    """Until killed."""
    async with cells.cell(NAME) as cell:
        await until(await cell.start(python(FILLS)), b"begun", Gathered())
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    kind, uid_base = sys.argv[1], int(sys.argv[2])
    with TakenCells(kind, (taken_profile(NAME, after_fork=OUTLIVES),), uid_base=uid_base) as made:
        made.do(live(made))
