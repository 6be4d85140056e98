#!/usr/bin/env -S python3 -IS
"""free(1) of a cell: its memory limit, and what of that is in use.

Owns the sums over the cell's processes and files; refuses to tell of the host, whose figures the
usual program reads where a cell has none (/proc/meminfo).

Source: free(1), proc(5): /proc/pid/status; statvfs(3)
"""

import os
import re
import sys

LIMIT_FILE = "/run/memory.max"
FILE_SYSTEMS = ("/workspace", "/tmp", "/dev/shm")
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
NAMES = {"--bytes": "b", "--kibi": "k", "--mebi": "m", "--gibi": "g", "--human": "h"}
HEADER = ("total", "used", "free", "shared", "buff/cache", "available")


def anonymous_bytes() -> int:
    """What the cell's processes hold for themselves; pid 1 is the platform's."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            try:
                with open(f"/proc/{name}/status") as status:
                    found = re.search(r"^RssAnon:\s+(\d+) kB", status.read(), re.MULTILINE)
            except OSError:
                continue  # it has ended
            total += 1024 * int(found[1]) if found else 0
    return total


def file_bytes() -> int:
    """What files hold, all of which lie in memory."""
    states = [os.statvfs(path) for path in FILE_SYSTEMS]
    return sum((s.f_blocks - s.f_bfree) * s.f_frsize for s in states)


def human(size_bytes: int) -> str:
    """A size as ``free -h`` has it: "1.5Gi"."""
    size: float = size_bytes
    for unit in ("B", "Ki", "Mi"):
        if size < 1000:
            return f"{size:.1f}{unit}" if size < 10 and unit != "B" else f"{size:.0f}{unit}"
        size /= 1024
    return f"{size:.1f}Gi"


def main(arguments: list[str]) -> int:
    """Print the table; options of another kind than those of units and ``-t`` are refused."""
    unit, totals = "k", False
    letters = []
    for argument in arguments:
        if argument in ("--total", "--wide", *NAMES):
            letters.append(NAMES.get(argument, "t" if argument == "--total" else "w"))
        elif re.fullmatch(r"-[bkmghtw]+", argument):
            letters.extend(argument[1:])
        else:
            print(f"free: not known here: {argument}", file=sys.stderr)
            return 1
    for letter in letters:
        totals |= letter == "t"
        unit = unit if letter in "tw" else letter
    with open(LIMIT_FILE) as file:
        total = int(file.read())
    used, files = anonymous_bytes(), file_bytes()
    left = max(0, total - used - files)

    def row(name: str, *sizes: int) -> str:
        texts = [human(x) if unit == "h" else str(x // UNITS[unit]) for x in sizes]
        return f"{name:<8}" + " ".join(f"{text:>11}" for text in texts)

    print(" " * 8 + " ".join(f"{name:>11}" for name in HEADER))
    print(row("Mem:", total, used, left, files, files, left))
    print(row("Swap:", 0, 0, 0))
    if totals:
        print(row("Total:", total, used, left))
    return 0


sys.exit(main(sys.argv[1:]))
