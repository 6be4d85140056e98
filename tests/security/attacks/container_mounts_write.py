"""Write to whatever is mounted, and find a directory of the host among it.

Expected containment: nothing but the cell's own file systems can be written to, and each of
those is a tmpfs that ends with the cell.
"""

import os

from attack import contained, escaped

OWN = ("/workspace", "/tmp", "/dev/shm")
written = []
for line in open("/proc/self/mountinfo"):
    fields = line.split()
    place, kind = fields[4], fields[fields.index("-") + 1]
    probe = os.path.join(place, "written-by-a-cell")
    try:
        with open(probe, "w") as file:
            file.write("x")
    except OSError as error:
        print("refused:", place, "-", error.strerror)
        continue
    if place not in OWN or kind != "tmpfs":
        escaped(f"{place} ({kind}) can be written to")
    os.unlink(probe)
    written.append(place)
if "/workspace" not in written:
    escaped("the probe does not work")
contained()
