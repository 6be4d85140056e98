# Splices and maps read-only files of the image for writing.
# Expected containment: read-only mount, another's file: refused by every road.
import ctypes
import mmap
import os
import sys

from attack import contained, refuse, refuse_syscall

fd = os.open(sys.executable, os.O_RDONLY)
refuse(
    "shared writable map",
    lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE),
)
refuse("reopen for writing", os.open, f"/proc/self/fd/{fd}", os.O_RDWR)
refuse("own executable", os.open, "/proc/self/exe", os.O_RDWR)
refuse("fallocate", os.posix_fallocate, fd, 0, 1)
refuse("set attribute", os.setxattr, sys.executable, b"user.x", b"1")
read, write = os.pipe()
os.write(write, b"x")
refuse("splice into it", os.splice, read, fd, 1, None, 0)
refuse("copy into it", os.copy_file_range, fd, fd, 1, 0, 8192)
contained()
