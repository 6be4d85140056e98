# Calls with the x32 bit set, past a filter that compares numbers.
# Expected containment: killed, or refused as unknown.
import os
from attack import contained, in_child, syscall


def call():
    result = syscall(0x40000000 + 39)
    if result > 0:
        os.write(1, b"ESCAPED: an x32 system call was answered\n")
    if syscall(0x40000000 + 272, 0x10000000) == 0:
        os.write(1, b"ESCAPED: x32 unshare\n")


print("status", in_child(call))
contained()
