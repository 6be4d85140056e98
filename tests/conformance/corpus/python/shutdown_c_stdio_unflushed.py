import ctypes

libc = ctypes.CDLL(None)
libc.puts(b"buffered by the C library")
