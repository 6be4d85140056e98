# Starts a program from where only data may lie, and maps one to be executed.
# Expected containment: /tmp, /dev/shm and /run are mounted noexec; only the workspace is not.
import ctypes
import mmap
import os
import shutil
import subprocess
from attack import contained, escaped, refuse

program = shutil.which("true")
library = next(
    line.split()[-1] for line in open("/proc/self/maps") if "r-xp" in line and ".so" in line
)
for folder in ("/tmp", "/dev/shm", "/run"):
    copy, copied_library = f"{folder}/program", f"{folder}/library.so"
    try:
        shutil.copy(program, copy)
        shutil.copy(library, copied_library)
    except OSError as error:
        print("refused:", error)
        continue
    os.chmod(copy, 0o755)
    refuse("start " + copy, subprocess.run, [copy])
    refuse("load " + copied_library, ctypes.CDLL, copied_library)
    with open(copy, "rb") as file:
        kind = mmap.PROT_READ | mmap.PROT_EXEC
        refuse("map " + copy, mmap.mmap, file.fileno(), 4096, mmap.MAP_PRIVATE, kind)
own = shutil.copy(program, "/workspace/program")
os.chmod(own, 0o755)
if subprocess.run([own]).returncode != 0:
    escaped("nothing runs anywhere: the attack shows nothing")
contained()
