# Tries to read kernel secrets and write kernel settings through /proc and /sys.
# Expected containment: /proc shows processes only, or is masked; /sys has names of ours only.
import os
from attack import contained, escaped, refuse

for path in (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sysrq-trigger",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/hostname",
    "/proc/self/oom_score_adj_none",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/cgroup.procs",
    "/proc/irq/0/smp_affinity",
    "/proc/mtrr",
    "/proc/acpi/wakeup",
    "/proc/sys/kernel/yama/ptrace_scope",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/kernel/ns_last_pid",
):
    refuse("write " + path, lambda: os.write(os.open(path, os.O_WRONLY), b"1"))
for path in (
    "/proc/kcore",
    "/proc/kallsyms",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/key-users",
    "/proc/timer_list",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/sched_debug",
    "/sys/firmware",
    "/sys/class",
    "/proc/config.gz",
    "/proc/iomem",
    "/dev/kmsg",
):
    try:
        data = os.read(os.open(path, os.O_RDONLY), 4096)
    except OSError as error:
        print("refused:", error)
    else:
        if data.strip(b"\0 \n"):
            escaped("read " + path)
contained()
