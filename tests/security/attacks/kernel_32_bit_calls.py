# Enters the kernel by int 0x80, past a filter that knows only the 64-bit numbers.
# Expected containment: the process is killed for it.
import ctypes
import mmap
import os
from attack import contained, escaped, in_child


def machine_code():
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # mov eax, 20 (getpid of i386); int 0x80; ret
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    if function() > 0:
        os.write(1, b"ESCAPED: a 32-bit system call was answered\n")


status = in_child(machine_code)
print("status", status)
if not os.WIFSIGNALED(status):
    escaped("the process lives on after a 32-bit call")
contained()
