# Sets up io_uring, which can do file and socket work past a filter on the calls.
# Expected containment: the three calls are refused.
import ctypes
from attack import contained, refuse_syscall

parameters = ctypes.create_string_buffer(120)
refuse_syscall("io_uring_setup", 425, 8, parameters)
refuse_syscall("io_uring_enter", 426, 3, 1, 0, 0, None, 0)
refuse_syscall("io_uring_register", 427, 3, 0, None, 0)
contained()
