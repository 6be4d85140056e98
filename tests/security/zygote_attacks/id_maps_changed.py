"""Become somebody who is not the wall's: other maps, other users, groups, owners of files.

Expected containment: a map is written once; a namespace below has no ids that are not in
it; no id outside the block can be named.
"""

import os
import time

from attack import contained, escaped, in_child, refuse
from reach import NEW_USER, UNSHARE, call, write

with open("/proc/self/uid_map") as given:
    inner, outer, count = map(int, given.readline().split())
print("block:", inner, outer, count)
for name in ("uid_map", "gid_map"):
    for line in ("0 0 1", "0 0 4294967295", f"{count} 0 1"):
        refuse(f"write {name} {line}", write, f"/proc/self/{name}", line)
for stranger in {count, count + 1, outer, outer + count, 65534, 4294967294} - {*range(count)}:
    refuse(f"become {stranger}", os.setresuid, stranger, stranger, stranger)
    refuse(f"become group {stranger}", os.setresgid, stranger, stranger, stranger)
    refuse(f"join group {stranger}", os.setgroups, [stranger])
    refuse(f"give a file to {stranger}", os.chown, "/tmp", stranger, -1)


def below():
    """Children write the maps of namespaces that are made here."""
    for line in (f"0 {count} 1", f"0 {count + outer} 1", f"0 0 {count + 1}", f"0 {count - 1} 2"):
        for name in ("uid_map", "gid_map"):
            told, tell = os.pipe()
            child = os.fork()
            if child == 0:
                call(UNSHARE, NEW_USER)
                os.write(tell, b"x")
                time.sleep(5)
                os._exit(0)
            os.read(told, 1)
            try:
                write(f"/proc/{child}/{name}", line)
            except OSError as error:
                print("refused: map", line, "-", error)
            else:
                escaped(f"{name} {line}")
            finally:
                os.kill(child, 9)
                os.waitpid(child, 0)


below()
if in_child(lambda: os.setresuid(*[count - 1] * 3)) != 0:
    escaped("nor can it become who is in it: the probe does not work")
contained()
