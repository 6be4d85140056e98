"""Under the real filter: forbidden calls fail or kill, ordinary programs work."""

import platform
import signal
import subprocess
from collections.abc import Callable

import pytest

Attempt = Callable[[str], "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.kernel

LOAD = """
from vibecell.sandbox.mechanisms import seccomp
import subprocess, threading
program = seccomp.compile_filter()
confine.set_no_new_privs()
confine.load_seccomp(program)
"""
ON_X86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86-64")


def passes(attempt: Attempt, code: str) -> None:
    done = attempt(LOAD + code)
    assert done.returncode == 0, done.stderr


@ON_X86_64
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("call(272, 0x10000000)", "EPERM"),  # unshare a user namespace
        ("call(56, 0x10000000 | 17, 0, 0, 0, 0)", "EPERM"),  # the same by clone
        ("call(56, 0x10000000 | 17 | 1 << 32, 0, 0, 0, 0)", "EPERM"),
        ("call(435, 0, 0)", "ENOSYS"),  # clone3
        ("call(425, 1, 0)", "ENOSYS"),  # io_uring_setup
        ("call(250, 0, 0)", "ENOSYS"),  # keyctl
        ("call(321, 0, 0, 0)", "EPERM"),  # bpf
        ("call(298, 0, 0, -1, -1, 0)", "EPERM"),  # perf_event_open
        ("call(323, 0)", "EPERM"),  # userfaultfd
        ("call(101, 0, 0, 0, 0)", "EPERM"),  # ptrace
        ("call(165, b'x', b'/', b'tmpfs', 0, 0)", "EPERM"),  # mount
        ("call(161, b'/')", "EPERM"),  # chroot
        ("call(304, -100, 0, 0)", "EPERM"),  # open_by_handle_at
        ("call(133, b'/nowhere', 0o020644, 0x103)", "EPERM"),  # mknod of a device
        ("call(16, 0, 0x5412, b'x')", "EPERM"),  # TIOCSTI
        ("call(16, 0, 0x5412 | 1 << 32, b'x')", "EPERM"),
        ("call(157, 35, 0, 0, 0, 0)", "EPERM"),  # PR_SET_MM
        ("call(135, 0x40000)", "EPERM"),  # personality without randomisation
        ("call(202, 0, 11, 0, 0, 0, 0)", "EPERM"),  # futex requeue-PI
        ("call(302, 1, 7, 0, 0)", "EPERM"),  # prlimit of another process
        ("call(9999)", "ENOSYS"),
        ("call(41, 40, 1, 0)", "EAFNOSUPPORT"),  # AF_VSOCK
        ("call(41, 38, 5, 0)", "EAFNOSUPPORT"),  # AF_ALG
        ("call(41, 17, 3, 0)", "EAFNOSUPPORT"),  # AF_PACKET
        ("call(41, 40 | 1 << 32, 1, 0)", "EAFNOSUPPORT"),
        ("call(53, 30, 1, 0, 0)", "EAFNOSUPPORT"),  # a pair of AF_TIPC
        ("call(41, 16, 3, 12)", "EPERM"),  # netlink netfilter
        ("call(41, 2, 3, 1)", "EPERM"),  # raw ICMP
    ],
)
def test_forbidden(attempt: Attempt, code: str, expected: str) -> None:
    passes(attempt, f"answer = {code}\nassert answer == (-1, errno.{expected}), answer")


@ON_X86_64
@pytest.mark.parametrize(
    "code",
    [
        "call(0x40000000 | 39)",  # getpid by its x32 number
        # getpid by int 0x80, the 32-bit way: mov eax, 20; int 0x80; ret
        """
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
ctypes.CFUNCTYPE(ctypes.c_int)(address)()
""",
    ],
)
def test_foreign_numbering_kills(attempt: Attempt, code: str) -> None:
    assert attempt(LOAD + code).returncode == -signal.SIGSYS


@pytest.mark.parametrize(
    "code",
    [
        "threads = [threading.Thread(target=time.sleep, args=(0,)) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]",
        "run = subprocess.run(['sh', '-c', 'echo a | cat'], capture_output=True)\n"
        "assert run.stdout == b'a\\n', run",
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'",
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname()); client.close()",
        "import multiprocessing\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    assert pool.map(abs, [-1, -2]) == [1, 2]",
        "import asyncio\nasyncio.run(asyncio.sleep(0))",
        "import tempfile\nwith tempfile.TemporaryDirectory() as d: os.mkfifo(d + '/f')",
        "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "import sqlite3\nsqlite3.connect(':memory:').execute('select 1')",
    ],
)
def test_ordinary_programs_work(attempt: Attempt, code: str) -> None:
    passes(attempt, code)


def test_the_filter_is_inherited_and_cannot_be_loaded_without_no_new_privs(
    attempt: Attempt,
) -> None:
    passes(
        attempt,
        "out = subprocess.run(['grep', 'Seccomp:', '/proc/self/status'], capture_output=True)\n"
        "assert out.stdout.split() == [b'Seccomp:', b'2'], out",
    )
