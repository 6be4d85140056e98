"""The process that becomes the program.

Owns the order in which a forked process gives up what it could do, and the
wait for its start message; refuses to run anything before both are done.

Two kinds. A *waiting* runner is a fork of the zygote: told to run in place, it
returns to the interpreter it is; told to execute, it executes. A *warm
program* (node) is executed at once and waits for its source by itself, on
descriptor 3.
"""

import array
import errno
import fcntl
import io
import json
import os
import resource
import signal
import socket
import struct
import sys
import termios
import time

import confine
import messages

INNER_ID = 1000
CLONE_NEWCGROUP = 0x02000000
WARM_PROGRAM_FD = 3
READY = b"R"
_LENGTH = struct.Struct("!I")
_RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


class Runner:
    """The agent's hold on a runner: its pid and the ends of its pipes."""

    def __init__(
        self, pid: int, control: socket.socket, stdin: int, stdout: int, stderr: int
    ) -> None:
        self.pid = pid
        self.control = control
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    def wait_ready(self) -> None:
        """Wait until it is confined and waits for its start.

        Raises:
            RuntimeError: says which step of its confinement failed.
        """
        word = self.control.recv(1)
        if word != READY:
            detail = word + self.control.recv(2000) if word else b"it died"
            raise RuntimeError(detail.decode("utf-8", "replace"))

    def start(self, message: dict[str, object], terminal: int | None) -> None:
        """Send the start message, with the terminal's slave if there is one."""
        payload = json.dumps(message).encode()
        fds = [] if terminal is None else [terminal]
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.control.sendmsg([_LENGTH.pack(len(payload))], ancillary)
        self.control.sendall(payload)
        self.control.close()


def spawn(
    setup: messages.Setup, uid: int, cgroup_fds: list[int], warm: bool, others: list[int]
) -> Runner | None:
    """Fork a runner; return the agent's hold on it, or ``None`` in the program.

    Args:
        uid: the program's, in the outer wall's terms.
        cgroup_fds: ``cgroup.procs`` of each hierarchy, to join by writing.
        warm: execute the profile's warm program instead of waiting.
        others: the agent's own descriptors, closed in the runner at once.
    """
    stdin_read, stdin_write = os.pipe()
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        here.close()
        for fd in (*others, stdin_write, stdout_read, stderr_read):
            os.close(fd)
        _become(setup, uid, cgroup_fds, warm, there, (stdin_read, stdout_write, stderr_write))
        return None
    there.close()
    for fd in (stdin_read, stdout_write, stderr_write):
        os.close(fd)
    return Runner(pid, here, stdin_write, stdout_read, stderr_read)


def _become(
    setup: messages.Setup,
    uid: int,
    cgroup_fds: list[int],
    warm: bool,
    control: socket.socket,
    stdio: tuple[int, int, int],
) -> None:
    """Confine, wait, and return only to run in place."""
    try:
        _confine(setup, uid, cgroup_fds, stdio)
        if warm:
            _execute_warm(setup, control)
        control.send(READY)
        message, terminal = _receive(control)
    except BaseException as error:
        control.send(f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(1)
    control.close()
    if message is None:
        os._exit(0)
    _apply(setup, message, terminal)


def _confine(
    setup: messages.Setup, uid: int, cgroup_fds: list[int], stdio: tuple[int, int, int]
) -> None:
    """Give up everything; the order is a law.

    The cgroup first, so that whatever follows is already counted; the user
    namespace before the capabilities go; no_new_privs before seccomp, which
    demands it; seccomp last, since it forbids the steps before it.

    Source: credentials(7), user_namespaces(7), seccomp(2)
    """
    for fd in cgroup_fds:
        os.write(fd, b"0")
        os.close(fd)
    os.setsid()
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
        os.close(fd)
    if uid != 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    confine.set_dumpable(True)
    confine.enter_user_namespace(INNER_ID, uid, INNER_ID, uid)
    confine.unshare(CLONE_NEWCGROUP)
    confine.drop_capabilities(frozenset())
    confine.set_no_new_privs()
    confine.set_dumpable(True)  # a change of credentials has cleared it
    confine.apply_rlimits(setup.rlimits)
    confine.reseed()
    os.umask(0o022)
    os.chdir("/workspace")
    if setup.landlock is not None:
        confine.restrict_landlock(setup.landlock)
    confine.load_seccomp(setup.seccomp)


def _execute_warm(setup: messages.Setup, control: socket.socket) -> None:
    if control.fileno() != WARM_PROGRAM_FD:
        os.dup2(control.fileno(), WARM_PROGRAM_FD)
    os.set_inheritable(WARM_PROGRAM_FD, True)
    confine.close_range(WARM_PROGRAM_FD + 1, 0xFFFFFFFF)
    _restore_signals()
    os.execvpe(setup.warm_argv[0], setup.warm_argv, setup.env | setup.warm_env)


def _receive(control: socket.socket) -> tuple[messages.Start | None, int | None]:
    header, fds, _, _ = socket.recv_fds(control, _LENGTH.size, 1)
    if not header:
        return None, None
    (length,) = _LENGTH.unpack(header)
    payload = bytearray()
    while len(payload) < length:
        piece = control.recv(length - len(payload))
        if not piece:
            return None, None
        payload += piece
    return messages.Start.from_message(json.loads(payload)), (fds[0] if fds else None)


def _apply(setup: messages.Setup, start: messages.Start, terminal: int | None) -> None:
    os.environ.clear()
    os.environ.update(start.env)
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(terminal, fd)
        os.close(terminal)
    confine.close_range(3, 0xFFFFFFFF)
    if start.mode == "exec":
        _execute(start.argv)
    if _shadowed(setup.preloaded):
        _execute((sys.orig_argv[0], start.entrypoint, *start.argv))
    sys.argv[1:] = start.argv
    sys.orig_argv[2:] = start.argv
    if terminal is not None:
        _reopen_standard_streams()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr,unused-ignore]


def _shadowed(preloaded: frozenset[str]) -> bool:
    """Whether the program brings a module that this interpreter has already.

    Its own would never be imported, so only a cold interpreter is faithful.
    """
    return any(name.partition(".")[0] in preloaded for name in os.listdir("."))


def _execute(argv: tuple[str, ...]) -> None:
    """Become another program; failing is told as a shell tells it."""
    _restore_signals()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {os.strerror(error.errno or errno.ENOENT)}\n".encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _restore_signals() -> None:
    """Undo what the interpreter ignores, as ``subprocess`` does before exec."""
    for number in _RESTORED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _reopen_standard_streams() -> None:
    """Make the three streams anew, as start-up makes them on a terminal.

    Source: CPython, Python/pylifecycle.c, create_stdio()
    """
    encoding, errors = sys.stdin.encoding, sys.stdin.errors
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        raw = io.FileIO(fd, mode, closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
        text = io.TextIOWrapper(
            buffer,
            encoding,
            "backslashreplace" if name == "stderr" else errors,
            newline="\n",
            line_buffering=mode == "w",
        )
        text.mode = mode  # type: ignore[misc]
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def cpu_time_ms(pid: int) -> float:
    """Processor time a process has used so far.

    Source: clock_gettime(2), the kernel's CPU clock id of a process
    """
    try:
        return time.clock_gettime((~pid << 3) | 2) * 1000
    except OSError:
        return 0.0


def children_cpu_time_ms() -> float:
    """Processor time of every process reaped so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000
