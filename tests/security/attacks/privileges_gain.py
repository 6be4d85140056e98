# Tries to become somebody else, to get capabilities, priority and higher limits.
# Expected containment: all capability sets are empty, securebits locked and no_new_privs set.
# attack: {"for_one_uid_only": "in groups"}
import ctypes
import os
import resource
from attack import LIBC, contained, escaped, refuse, refuse_syscall

status = dict(
    line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line
)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if int(status[name], 16):
        escaped(f"{name} is {status[name]}")
if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
    escaped("no_new_privs or seccomp is off")
if os.getuid() == 0:
    escaped("uid 0")
if os.getgroups():  # of an ordinary user's engine, who may give none up
    print("in groups", os.getgroups())
# no root, no fix-up, no ambient, each of them locked (capabilities(7), PR_GET_SECUREBITS)
if (bits := LIBC.prctl(27, 0, 0, 0, 0)) != 0b11001111:
    escaped(f"securebits are {bits:#b}")
refuse("setuid 0", os.setuid, 0)
refuse("setgid 0", os.setgid, 0)
refuse("setresuid", os.setresuid, 0, 0, 0)
refuse("setgroups", os.setgroups, [0])
refuse("nice", os.nice, -5)
refuse("real-time", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
for name in ("NPROC", "NOFILE", "CORE", "FSIZE", "CPU", "MEMLOCK", "STACK"):
    which = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        refuse("raise " + name, resource.setrlimit, which, (soft, hard + 1))
    else:
        print("unlimited:", name)
if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
    escaped("core dumps are on")
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(*([0xFFFFFFFF] * 6))
refuse_syscall("capset", 126, header, data)
for bit in range(41):
    if LIBC.prctl(47, 2, bit, 0, 0) == 0:
        escaped(f"ambient capability {bit}")
contained()
