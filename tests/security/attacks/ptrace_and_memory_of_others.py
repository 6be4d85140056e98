# Attaches to other processes and writes their memory.
# Expected containment: ptrace and process_vm_* are not allowed; pid 1 cannot be dumped.
import ctypes
import os
from attack import contained, others, refuse_syscall


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


buffer = ctypes.create_string_buffer(64)
local = Iovec(ctypes.addressof(buffer), 64)
remote = Iovec(0x400000, 64)
for pid in [*others(), os.getppid()]:
    refuse_syscall(f"PTRACE_ATTACH {pid}", 101, 16, pid, 0, 0)
    refuse_syscall(f"PTRACE_SEIZE {pid}", 101, 0x4206, pid, 0, 0)
    refuse_syscall("process_vm_readv", 310, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    refuse_syscall(
        "process_vm_writev", 311, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0
    )
    refuse_syscall("kcmp", 312, os.getpid(), pid, 0, 0, 0)
    refuse_syscall("process_madvise", 440, pid, ctypes.byref(local), 1, 4, 0)
refuse_syscall("PTRACE_TRACEME", 101, 0, 0, 0, 0)
contained()
