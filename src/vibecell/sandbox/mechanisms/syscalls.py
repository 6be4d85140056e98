"""The system calls a cell's program may make: which, and their numbers.

Owns the one table of names, purposes and numbers (x86-64 and AArch64) that
the seccomp filter is made from; refuses calls not listed: a call the kernel
gains next year is refused until somebody reads about it and adds it here.

Left out on purpose, because no program in a cell needs them and each has a
record of kernel faults or reaches past the cell: the mount family, ``unshare``
and ``setns``, ``ptrace`` and ``process_vm_*``, ``pidfd_getfd``, ``kcmp``,
``bpf``, ``perf_event_open``, ``userfaultfd``, ``fanotify_*``, the keyring
family, io_uring and Linux AIO, file handles, ``chroot``, ``pivot_root``,
quotas, swap, modules, kexec, port I/O, ``vmsplice``, the NUMA policy family,
``remap_file_pages``, ``modify_ldt``, ``memfd_secret``, setting clocks or names,
``sync`` (it waits for every disk of the host).

Source: arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl (the
generic table, which AArch64 uses), Linux 6.18.
"""

from collections.abc import Mapping
from types import MappingProxyType

HIGHEST_KNOWN = 469
"""``file_setattr``, the newest call of Linux 6.18, the same on both machines."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


UNFILTERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # purpose to the calls allowed whatever their arguments
        "files by name": _names(
            """
            open openat openat2 creat access faccessat faccessat2 stat lstat
            newfstatat statx readlink readlinkat rename renameat renameat2 mkdir
            mkdirat rmdir link linkat unlink unlinkat symlink symlinkat chmod
            fchmodat fchmodat2 chown lchown fchownat truncate utime utimes futimesat
            utimensat getcwd chdir statfs getxattr lgetxattr listxattr llistxattr
            umask
            """
        ),
        "files by descriptor": _names(
            """
            read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
            close close_range fstat lseek fchmod fchown fchdir fstatfs ftruncate
            fallocate fsync fdatasync sync_file_range fadvise64 readahead cachestat
            getdents getdents64 dup dup2 dup3 fcntl flock fgetxattr flistxattr
            sendfile splice tee copy_file_range pipe pipe2
            """
        ),
        "memory": _names(
            """
            mmap munmap mremap mprotect brk madvise msync mincore mlock mlock2
            munlock memfd_create membarrier pkey_alloc pkey_free pkey_mprotect
            """
        ),
        "processes and threads": _names(
            """
            fork vfork execve execveat exit exit_group wait4 waitid set_tid_address
            set_robust_list get_robust_list rseq arch_prctl getpid getppid gettid
            getpgrp getpgid setpgid getsid setsid pidfd_open
            """
        ),
        "identity, inside the cell's own user namespace": _names(
            """
            getuid geteuid getgid getegid getresuid getresgid getgroups setuid
            setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
            capget capset
            """
        ),
        "signals": _names(
            """
            rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend
            rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack kill tkill
            tgkill pause restart_syscall signalfd signalfd4 pidfd_send_signal
            """
        ),
        "waiting and events": _names(
            """
            select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl
            epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 inotify_init
            inotify_init1 inotify_add_watch inotify_rm_watch futex_waitv futex_wake
            futex_wait
            """
        ),
        "time": _names(
            """
            time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep
            alarm getitimer setitimer times timer_create timer_settime timer_gettime
            timer_getoverrun timer_delete timerfd_create timerfd_settime
            timerfd_gettime
            """
        ),
        "scheduling and limits": _names(
            """
            sched_yield sched_getaffinity sched_setaffinity sched_getparam
            sched_setparam sched_getscheduler sched_setscheduler sched_getattr
            sched_setattr sched_get_priority_max sched_get_priority_min
            sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set
            getrlimit setrlimit getrusage
            """
        ),
        "sockets, of the families let through by socket()": _names(
            """
            connect accept accept4 bind listen shutdown getsockname getpeername
            setsockopt getsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
            """
        ),
        "System V and POSIX IPC, inside the cell's own IPC namespace": _names(
            """
            shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd
            msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
            mq_getsetattr
            """
        ),
        "about the system": _names(
            """
            uname sysinfo getcpu getrandom
            """
        ),
        "a program that confines itself further": _names(
            """
            seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
            """
        ),
    }
)

ABSENT: tuple[str, ...] = _names(
    """
    clone3 io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key
    futex_requeue mseal
    """
)
"""Answered ENOSYS, as by an older kernel: C libraries then fall back.

``clone3`` above all: its flags lie in memory, where no filter can read them.
"""

# name/number on x86-64/number on AArch64, "-" where the machine has no such call
_TABLE = """
read/0/63 write/1/64 open/2/- close/3/57 stat/4/- fstat/5/80 lstat/6/- poll/7/- lseek/8/62
mmap/9/222 mprotect/10/226 munmap/11/215 brk/12/214 rt_sigaction/13/134 rt_sigprocmask/14/135
rt_sigreturn/15/139 ioctl/16/29 pread64/17/67 pwrite64/18/68 readv/19/65 writev/20/66 access/21/-
pipe/22/- select/23/- sched_yield/24/124 mremap/25/216 msync/26/227 mincore/27/232 madvise/28/233
shmget/29/194 shmat/30/196 shmctl/31/195 dup/32/23 dup2/33/- pause/34/- nanosleep/35/101
getitimer/36/102 alarm/37/- setitimer/38/103 getpid/39/172 sendfile/40/71 socket/41/198
connect/42/203 accept/43/202 sendto/44/206 recvfrom/45/207 sendmsg/46/211 recvmsg/47/212
shutdown/48/210 bind/49/200 listen/50/201 getsockname/51/204 getpeername/52/205 socketpair/53/199
setsockopt/54/208 getsockopt/55/209 clone/56/220 fork/57/- vfork/58/- execve/59/221 exit/60/93
wait4/61/260 kill/62/129 uname/63/160 semget/64/190 semop/65/193 semctl/66/191 shmdt/67/197
msgget/68/186 msgsnd/69/189 msgrcv/70/188 msgctl/71/187 fcntl/72/25 flock/73/32 fsync/74/82
fdatasync/75/83 truncate/76/45 ftruncate/77/46 getdents/78/- getcwd/79/17 chdir/80/49 fchdir/81/50
rename/82/- mkdir/83/- rmdir/84/- creat/85/- link/86/- unlink/87/- symlink/88/- readlink/89/-
chmod/90/- fchmod/91/52 chown/92/- fchown/93/55 lchown/94/- umask/95/166 gettimeofday/96/169
getrlimit/97/163 getrusage/98/165 sysinfo/99/179 times/100/153 getuid/102/174 getgid/104/176
setuid/105/146 setgid/106/144 geteuid/107/175 getegid/108/177 setpgid/109/154 getppid/110/173
getpgrp/111/- setsid/112/157 setreuid/113/145 setregid/114/143 getgroups/115/158 setgroups/116/159
setresuid/117/147 getresuid/118/148 setresgid/119/149 getresgid/120/150 getpgid/121/155
setfsuid/122/151 setfsgid/123/152 getsid/124/156 capget/125/90 capset/126/91 rt_sigpending/127/136
rt_sigtimedwait/128/137 rt_sigqueueinfo/129/138 rt_sigsuspend/130/133 sigaltstack/131/132
utime/132/- mknod/133/- personality/135/92 statfs/137/43 fstatfs/138/44 getpriority/140/141
setpriority/141/140 sched_setparam/142/118 sched_getparam/143/121 sched_setscheduler/144/119
sched_getscheduler/145/120 sched_get_priority_max/146/125 sched_get_priority_min/147/126
sched_rr_get_interval/148/127 mlock/149/228 munlock/150/229 prctl/157/167 arch_prctl/158/-
setrlimit/160/164 gettid/186/178 readahead/187/213 getxattr/191/8 lgetxattr/192/9 fgetxattr/193/10
listxattr/194/11 llistxattr/195/12 flistxattr/196/13 tkill/200/130 time/201/- futex/202/98
sched_setaffinity/203/122 sched_getaffinity/204/123 epoll_create/213/- getdents64/217/61
set_tid_address/218/96 restart_syscall/219/128 semtimedop/220/192 fadvise64/221/223
timer_create/222/107 timer_settime/223/110 timer_gettime/224/108 timer_getoverrun/225/109
timer_delete/226/111 clock_gettime/228/113 clock_getres/229/114 clock_nanosleep/230/115
exit_group/231/94 epoll_wait/232/- epoll_ctl/233/21 tgkill/234/131 utimes/235/- mq_open/240/180
mq_unlink/241/181 mq_timedsend/242/182 mq_timedreceive/243/183 mq_notify/244/184
mq_getsetattr/245/185 waitid/247/95 add_key/248/217 request_key/249/218 keyctl/250/219
ioprio_set/251/30 ioprio_get/252/31 inotify_init/253/- inotify_add_watch/254/27
inotify_rm_watch/255/28 openat/257/56 mkdirat/258/34 mknodat/259/33 fchownat/260/54
futimesat/261/- newfstatat/262/79 unlinkat/263/35 renameat/264/38 linkat/265/37 symlinkat/266/36
readlinkat/267/78 fchmodat/268/53 faccessat/269/48 pselect6/270/72 ppoll/271/73
set_robust_list/273/99 get_robust_list/274/100 splice/275/76 tee/276/77 sync_file_range/277/84
utimensat/280/88 epoll_pwait/281/22 signalfd/282/- timerfd_create/283/85 eventfd/284/-
fallocate/285/47 timerfd_settime/286/86 timerfd_gettime/287/87 accept4/288/242 signalfd4/289/74
eventfd2/290/19 epoll_create1/291/20 dup3/292/24 pipe2/293/59 inotify_init1/294/26 preadv/295/69
pwritev/296/70 rt_tgsigqueueinfo/297/240 recvmmsg/299/243 prlimit64/302/261 sendmmsg/307/269
getcpu/309/168 sched_setattr/314/274 sched_getattr/315/275 renameat2/316/276 seccomp/317/277
getrandom/318/278 memfd_create/319/279 execveat/322/281 membarrier/324/283 mlock2/325/284
copy_file_range/326/285 preadv2/327/286 pwritev2/328/287 pkey_mprotect/329/288 pkey_alloc/330/289
pkey_free/331/290 statx/332/291 rseq/334/293 pidfd_send_signal/424/424 io_uring_setup/425/425
io_uring_enter/426/426 io_uring_register/427/427 pidfd_open/434/434 clone3/435/435
close_range/436/436 openat2/437/437 faccessat2/439/439 epoll_pwait2/441/441
landlock_create_ruleset/444/444 landlock_add_rule/445/445 landlock_restrict_self/446/446
futex_waitv/449/449 cachestat/451/451 fchmodat2/452/452 futex_wake/454/454 futex_wait/455/455
futex_requeue/456/456 mseal/462/462
"""


# what an inner wall is made with, by zygotes and agents; no program makes these
_OF_WALLS = "mount/165/40 sethostname/170/161 unshare/272/97 setns/308/268"


def _column(table: str, index: int) -> Mapping[str, int]:
    rows = [row.split("/") for row in table.split()]
    return MappingProxyType({r[0]: int(r[index]) for r in rows if r[index] != "-"})


NUMBERS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"x86_64": _column(_TABLE, 1), "aarch64": _column(_TABLE, 2)}
)
"""Machine (as ``uname -m``) to call to number; a call the machine lacks is missing."""

NUMBERS_OF_WALLS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {"x86_64": _column(_OF_WALLS, 1), "aarch64": _column(_OF_WALLS, 2)}
)
"""The same of the calls that make an inner wall."""
