import ctypes
import mmap
import resource

libc = ctypes.CDLL(None, use_errno=True)
print(libc.abs(-5), libc.strlen(b"four"), libc.open(b"/none", 0), ctypes.get_errno())
with mmap.mmap(-1, 4096) as area:
    area[:3] = b"abc"
    print(area[:3])
print(resource.getrlimit(resource.RLIMIT_CORE))
import sys

sys.stdout.flush()
ctypes.string_at(0)
