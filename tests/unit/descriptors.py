"""What the test process has open, by number and by what it leads to.

A mere count says too little: whatever an earlier test left to the garbage collector
may be closed at any moment, and a descriptor that leaked would hide behind it.
"""

import os


def open_descriptors() -> set[tuple[str, str]]:
    """Return number and link of each, e.g. ``("5", "socket:[81]")``.

    Source: proc_pid_fd(5).
    """
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
        except FileNotFoundError:  # that of the listing itself, or closed meanwhile
            continue
    return found
