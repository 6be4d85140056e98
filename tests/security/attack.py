"""What every attack written in Python has at hand; lies beside it in its cell.

Says first which pid namespace it is in and when that began, so that the test can
look from outside for what is left of it: the kernel gives numbers out again.
"""

import ctypes
import errno
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
# of the call itself; by any other error its arguments are wrong, and nothing is learnt
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT}

with open("/proc/1/stat") as stat:
    BEGAN_TICKS = stat.read().rpartition(")")[2].split()[19]
print("CELL", os.readlink("/proc/self/ns/pid"), BEGAN_TICKS, flush=True)


def escaped(what):
    """Report success and end: nothing later may hide it."""
    os.write(1, f"ESCAPED: {what}\n".encode())
    os._exit(1)


def contained():
    """Report that everything was refused."""
    print("CONTAINED", flush=True)


def refuse(what, action, *arguments):
    """Try one thing; anything but an error is an escape."""
    try:
        result = action(*arguments)
    except (OSError, ValueError, AttributeError, ImportError) as error:
        print("refused:", what, "-", error)
    else:
        escaped(f"{what}: {result!r}"[:300])


def syscall(number, *arguments):
    """A raw system call; its result, or minus the error number."""
    ctypes.set_errno(0)
    widened = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *widened)
    return -ctypes.get_errno() if result == -1 else result


def refuse_syscall(what, number, *arguments):
    """A raw system call that must be refused, whatever its arguments."""
    result = syscall(number, *arguments)
    if -result not in REFUSED:
        escaped(f"{what}: returned {result}")
    print("refused:", what, "-", errno.errorcode.get(-result, -result))


def in_child(action):
    """Run in a forked child; its wait status. The child may be killed for it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except OSError as error:
            print("refused:", error, flush=True)
        finally:
            sys.stdout.flush()
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def processes():
    """Every process that can be seen."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def others():
    """Processes that are not this one, its pid 1 included."""
    return [pid for pid in processes() if pid != os.getpid()]
