# Tries to open files by handle, past every mount.
# Expected containment: the calls are not allowed (and need a capability).
import ctypes
from attack import contained, refuse_syscall

handle = ctypes.create_string_buffer(b"\x08\x00\x00\x00\x01\x00\x00\x00\x02" + b"\0" * 140)
mount_id = ctypes.c_int()
refuse_syscall("name_to_handle_at", 303, -100, b"/", handle, ctypes.byref(mount_id), 0)
refuse_syscall("open_by_handle_at", 304, 3, handle, 0)
contained()
