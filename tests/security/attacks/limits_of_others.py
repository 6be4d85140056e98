# Changes resource limits, priority and affinity of pid 1 and its own parent.
# Expected containment: refused, they are another's.
import os
import resource
from attack import contained, refuse

for pid in {1, os.getppid()} - {os.getpid(), 0}:
    refuse("prlimit CPU", resource.prlimit, pid, resource.RLIMIT_CPU, (1, 1))
    refuse("prlimit NOFILE", resource.prlimit, pid, resource.RLIMIT_NOFILE, (0, 0))
    refuse("setpriority", os.setpriority, os.PRIO_PROCESS, pid, 19)
    refuse("affinity", os.sched_setaffinity, pid, [0])
    refuse("scheduler", os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
contained()
