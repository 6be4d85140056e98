"""The process that becomes the program.

Owns the order in which a forked process gives up what it could do, and the
wait for its start message; refuses to run anything before both are done.

Two kinds. A *waiting* runner is a fork of the zygote: told to run in place, it
returns to the interpreter it is; told to execute, it executes. A *warm
program* (node) is executed at once and waits for its source by itself, on
descriptor 3.
"""

import errno
import fcntl
import io
import os
import resource
import signal
import socket
import struct
import sys
import termios
import time

import confine
import forking
import frames
import messages
import vibecell_streams
from inner_wall import InnerWall

WARM_PROGRAM_FD = 3
READY = b"R"
_LENGTH = struct.Struct("!I")
# without the conversion to enumerations around it
set_handler = getattr(signal.signal, "__wrapped__", signal.signal)
# an interpreter ignores them, and what it executes must not
RESTORED_SIGNALS = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


class Runner:
    """The agent's hold on a runner: its pid and the ends of its pipes."""

    def __init__(self, pid: int, control: int, stdin: int, stdout: int, stderr: int) -> None:
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
        word = os.read(self.control, 1)
        if word != READY:
            detail = word + os.read(self.control, 2000) if word else b"it died"
            raise RuntimeError(detail.decode("utf-8", "replace"))

    def start(self, message: bytes, terminal: int | None) -> None:
        """Send the start message as it came, and the terminal's slave if there is one."""
        whole = _LENGTH.pack(len(message)) + message
        while whole:
            whole = whole[os.write(self.control, whole) :]
        if terminal is not None:
            with socket.socket(fileno=self.control) as control:
                socket.send_fds(control, [READY], [terminal])
        else:
            os.close(self.control)


def spawn(
    setup: messages.Setup,
    wall: InnerWall,
    uid: int,
    cgroup_fds: list[int],
    warm: bool,
    others: list[int],
) -> Runner | None:
    """Fork a runner; return the agent's hold on it, or ``None`` in the program.

    Args:
        wall: what confines it.
        uid: the program's, in the outer wall's terms.
        cgroup_fds: ``cgroup.procs`` of each hierarchy, to join by writing.
        warm: execute the profile's warm program instead of waiting.
        others: the agent's own descriptors, closed in the runner at once.
    """
    stdin_read, stdin_write = os.pipe()
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    here, there = confine.make_pair()
    pid = forking.fork_bare()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        set_handler(signal.SIGCHLD, signal.SIG_DFL)
        for fd in (here, *others, stdin_write, stdout_read, stderr_read):
            os.close(fd)
        stdio = (stdin_read, stdout_write, stderr_write)
        _become(setup, wall, uid, cgroup_fds, warm, there, stdio)
        return None
    for fd in (there, stdin_read, stdout_write, stderr_write):
        os.close(fd)
    return Runner(pid, here, stdin_write, stdout_read, stderr_read)


def _become(
    setup: messages.Setup,
    wall: InnerWall,
    uid: int,
    cgroup_fds: list[int],
    warm: bool,
    control: int,
    stdio: tuple[int, int, int],
) -> None:
    """Confine, wait, and return only to run in place."""
    try:
        _enter_cgroups(cgroup_fds)
        _adopt_stdio(stdio)
        wall.confine_program(uid)
        if warm:
            _execute_warm(setup, control)
        vibecell_streams.open_streams()
        forking.reseed(setup.loaded)
        os.write(control, READY)
        message = _receive(control)
    except BaseException as error:
        os.write(control, f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(1)
    if message is None:
        os._exit(0)
    terminal = _receive_terminal(control) if message.interactive else None
    _apply(setup, message, terminal)


def _enter_cgroups(cgroup_fds: list[int]) -> None:
    """Join each hierarchy, first of all: whatever follows is already counted."""
    for fd in cgroup_fds:
        os.write(fd, b"0")
        os.close(fd)


def _adopt_stdio(stdio: tuple[int, int, int]) -> None:
    os.setsid()
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
        os.close(fd)


def _execute_warm(setup: messages.Setup, control: int) -> None:
    if control != WARM_PROGRAM_FD:
        os.dup2(control, WARM_PROGRAM_FD)
    os.set_inheritable(WARM_PROGRAM_FD, True)
    confine.close_range(WARM_PROGRAM_FD + 1, 0xFFFFFFFF)
    _restore_signals()
    os.execvpe(setup.warm_argv[0], setup.warm_argv, setup.env | setup.warm_env)


def _receive(control: int) -> messages.Start | None:
    header = os.read(control, _LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    payload = b""
    while len(payload) < length:
        piece = os.read(control, length - len(payload))
        if not piece:
            return None
        payload += piece
    return messages.Start.from_message(frames.decode_control(payload))


def _receive_terminal(control: int) -> int:
    with socket.socket(fileno=control) as link:
        _, fds, _, _ = socket.recv_fds(link, len(READY), 1)
    return fds[0]


def _apply(setup: messages.Setup, start: messages.Start, terminal: int | None) -> None:
    for name, value in start.env.items():
        if setup.env.get(name) != value:  # the zygote has set those
            os.environ[name] = value
    if "TZ" in start.env:
        time.tzset()
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(terminal, fd)
        os.close(terminal)
    confine.close_range(3, 0xFFFFFFFF)
    if start.mode == "exec":
        _execute(start.argv)
    if setup.warm_argv:  # in place of one that was started ahead, and cannot be used
        _execute((*setup.warm_argv, *start.argv))
    sys.argv[1:] = start.argv
    sys.orig_argv[2:] = start.argv
    if terminal is not None:
        _reopen_input()


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
    for number in RESTORED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _reopen_input() -> None:
    """Make standard input anew, as start-up makes it on a terminal; output needs no other.

    Source: CPython, Python/pylifecycle.c, create_stdio()
    """
    raw = io.FileIO(0, closefd=False)
    raw.name = "<stdin>"
    text = io.TextIOWrapper(
        io.BufferedReader(raw), sys.stdin.encoding, sys.stdin.errors, newline="\n"
    )
    text.mode = "r"  # type: ignore[misc]
    sys.stdin = sys.__stdin__ = text  # type: ignore[misc]


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
