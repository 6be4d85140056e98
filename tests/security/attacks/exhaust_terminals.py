# Opens pseudo-terminals without end, and fills each with what nobody reads.
# Expected containment: a cell has 16 of its own at most, and what they hold is bounded.
import os
import tty

from attack import contained, escaped, in_child

MOST, MOST_BYTES = 16, 1 << 20
held = []


def open_all():
    try:
        while len(held) < 1000:
            held.append(os.openpty())
    except OSError as error:
        print(len(held), error)
    if len(held) > MOST:
        escaped(f"{len(held)} terminals")


def fill(fd):
    os.set_blocking(fd, False)
    count = 0
    try:
        while count < MOST_BYTES:
            count += os.write(fd, bytes(4096))
    except BlockingIOError:
        return
    escaped("what is not read is held without end")


open_all()
assert held, "there are none"
for pair in held:
    tty.setraw(pair[1])
    for end in pair:
        fill(end)


def one_more():
    """A child's are the cell's."""
    try:
        os.openpty()
    except OSError:
        return
    escaped("a child has terminals of its own")


in_child(one_more)
while held:
    for end in held.pop():
        os.close(end)
open_all()
contained()
