# Makes System V shared memory, queues and semaphores that outlive the process.
# Expected containment: they die with the IPC namespace and count as memory of the run.
# attack: {"may_die": true, "limits": {"memory_bytes": 134217728}}
import ctypes

from attack import LIBC, contained, escaped, syscall

LIBC.shmat.restype = ctypes.c_void_p
total = 0
for _ in range(16):
    identifier = syscall(29, 0, 64 << 20, 0o1777)
    if identifier < 0:
        print("refused", identifier)
        break
    address = LIBC.shmat(identifier, None, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(address, 1, 64 << 20)
    total += 64
if total > 512:
    escaped(f"{total} MiB of shared memory")
contained()
