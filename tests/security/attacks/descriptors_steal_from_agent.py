# Tries to take descriptors out of other processes.
# Expected containment: pidfd_getfd and /proc/PID/fd are refused.
import os
from attack import contained, others, refuse, refuse_syscall, syscall

for pid in others():
    pidfd = syscall(434, pid, 0)
    print("pidfd_open", pid, pidfd)
    for target in range(0, 16):
        if pidfd >= 0:
            refuse_syscall(f"pidfd_getfd {pid} {target}", 438, pidfd, target, 0)
        refuse(f"open /proc/{pid}/fd/{target}", os.open, f"/proc/{pid}/fd/{target}", os.O_RDWR)
contained()
