import os
import stat
import sys

for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.isatty(), stream.fileno())
    print(type(stream).__name__, type(stream.buffer).__name__, type(stream.buffer.raw).__name__)
    print(stream.newlines, stream.write_through, stream.closed)
for fd in range(3):
    print(fd, stat.S_ISFIFO(os.fstat(fd).st_mode), os.get_blocking(fd), os.get_inheritable(fd))
print(sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__)
