"""Pid 1 of a cell: it starts the program, passes bytes, reaps, and reports facts.

Owns the cell's namespaces and processes from inside; refuses to judge. It
hears the engine on one socket (``frames.py``) and the program on pipes whose
content it never interprets. Once a program has started, all it can still do
beyond a program is to change into the program's uid and to signal it.

Theory of operation. The zygote forked us as the first process of a new pid
namespace: should we die, the kernel ends every process of the cell. We make
the other namespaces and the mounts, start a runner that confines itself, say
HELLO and wait. START decides what the runner becomes. While the program runs we
copy its output to the engine with blocking writes: a full socket stops us,
full pipes stop the program, and nothing piles up. At its end we kill what it
left, drain what is still in the pipes, and send EXIT.
"""

import contextlib
import os
import select
import signal
import time

import confine
import frames
import memory_files
import messages
import mounts
import rehearsal
import runner
import streams
import watch
from inner_wall import InnerWall
from pseudo_terminal import PseudoTerminal
from workspace import Workspace

HELLO = frames.encode_control(frames.HELLO, {"protocol": frames.PROTOCOL_VERSION})


class Agent:
    """The state of one cell between frames.

    Made by the zygote and completed in the fork: what is made there is not
    made, and its pages are not copied, in every cell.
    """

    def __init__(self, setup: messages.Setup, wall: InnerWall) -> None:
        self._setup = setup
        self._wall = wall
        self._uid = 0
        self._engine = -1
        self._cgroup_fds: list[int] = []
        self._display = -1
        self._parser = frames.FrameParser(frames.TO_AGENT)
        self._workspace = Workspace()
        self._wakeup = self._wakeup_write = -1
        self._poll = select.poll()
        self._runner: runner.Runner | None = None
        self._is_warm_program = False
        self._start: messages.Start | None = None
        self._streams = streams.Streams(self._poll, self._send, self._send_all)
        self._exit_status: int | None = None
        self._stopped_by: str | None = None
        self._process_limit_hit = False
        self._collect_request = b""
        self._peak = watch.Sample(0, 0.0, 0)
        self._next_sample_s = 0.0
        self._cpu_base_ms = 0.0
        self._relayed_ms = 0.0

    def live(self, request: messages.ForkRequest, fds: list[int]) -> bool:
        """Be the agent of one cell; returns (true) only in a program run in place."""
        self._engine, *self._cgroup_fds = fds
        self._uid = request.uid
        step = "make the cell's walls"
        try:
            self._display = self._wall.enclose_cell(self._uid)
            self._settle()
            step = "start the runner"
            if self.spawn(bool(self._setup.warm_argv)):
                return True
            rehearsal.rehearse()
            self._send_all(HELLO)
            return self.serve()
        except BaseException as error:
            report: dict[str, object] = {
                "step": step,
                "detail": f"{type(error).__name__}: {error}"[:500],
            }
            with contextlib.suppress(OSError):
                self._send_control(frames.FAILURE, report)
            os._exit(1)

    def _settle(self) -> None:
        """Open what every cell has of its own."""
        confine.set_fs_ids(self._uid, self._uid)
        self._workspace.open()
        self._wakeup, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        runner.set_handler(signal.SIGCHLD, _no_handler)
        signal.set_wakeup_fd(self._wakeup_write)
        self._poll.register(self._engine, streams.READ_EVENTS)
        self._poll.register(self._wakeup, select.POLLIN)
        self._streams.connect(self._display)

    def spawn(self, warm: bool) -> bool:
        """Start a runner; true in the program it becomes."""
        own = [self._engine, self._display, self._wakeup, self._wakeup_write]
        spawned = runner.spawn(
            self._setup, self._wall, self._uid, self._cgroup_fds, warm, others=own
        )
        if spawned is None:
            return True
        spawned.wait_ready()
        self._runner, self._is_warm_program = spawned, warm
        return False

    def serve(self) -> bool:
        """Obey the engine until it hangs up; true in a program run in place."""
        while True:
            for fd, _event in self._poll.poll(self._timeout_ms()):
                if fd == self._engine:
                    if self._hear():
                        return True
                elif fd == self._wakeup:
                    os.read(self._wakeup, 4096)
                elif self._setup.watch:
                    began_s = time.process_time()
                    self._streams.handle(fd)
                    self._relayed_ms += (time.process_time() - began_s) * 1000
                else:
                    self._streams.handle(fd)
            self._streams.look_after()
            self._reap()
            self._sample()
            if self._exit_status is not None:
                self._finish(self._exit_status)

    def _timeout_ms(self) -> int | None:
        wait_ms = self._streams.wait_ms()
        if self._start is None or not self._setup.watch:
            return wait_ms
        return watch.INTERVAL_MS if wait_ms is None else min(wait_ms, watch.INTERVAL_MS)

    # what the engine says

    def _hear(self) -> bool:
        try:
            data = os.read(self._engine, streams.CHUNK_BYTES)
        except OSError:
            data = b""
        if not data:
            os._exit(0)  # the kernel ends the cell with us
        for kind, stream, payload in self._parser.feed(data):
            if kind == frames.START:
                if self._start_program(payload):
                    return True
            else:
                self._handle(kind, stream, payload)
        return False

    def _handle(self, kind: int, stream: int, payload: bytes) -> None:
        if kind == frames.DATA:
            self._workspace.append(stream, payload)
        elif kind == frames.COLLECT and self._start is None:
            self._collect(frames.decode_control(payload))
        elif kind == frames.COLLECT:
            self._collect_request = payload  # for when the program has ended
        elif kind == frames.WRITE:
            self._write(stream, frames.decode_control(payload))
        elif self._start is None or self._exit_status is not None:
            return  # the program has ended: what was meant for it is too late
        elif kind == frames.STDIN:
            self._streams.push_stdin(payload)
        elif kind == frames.EOF:
            self._streams.end_stdin()
        elif kind == frames.RESIZE:
            self._resize(frames.decode_control(payload))
        elif kind == frames.SIGNAL:
            self._signal(frames.decode_control(payload))
        elif kind == frames.KILL:
            confine.kill_others()

    def _write(self, stream: int, message: dict[str, object]) -> None:
        path, size = message["path"], message["size_bytes"]
        assert isinstance(path, str) and isinstance(size, int)
        self._workspace.create(stream, path, size)

    def _start_program(self, message: bytes) -> bool:
        start = messages.Start.from_message(frames.decode_control(message))
        if start.workspace_bytes != self._setup.tmpfs_bytes:
            mounts.resize_workspace(start.workspace_bytes)
        if start.memory_bytes != self._setup.memory_bytes:
            memory_files.tell_limit(start.memory_bytes, self._uid)
        slave = terminal = None
        if start.interactive:
            master, slave = mounts.open_terminal()
            terminal = PseudoTerminal(master, slave)
            terminal.set_up(start.columns, start.rows)
        self._wall.restrict_agent(self._uid)
        if self._needs_other_runner(start) and self._respawn():
            return True
        assert self._runner is not None
        self._start = start
        confine.prlimit(self._runner.pid, start.rlimits)
        self._cpu_base_ms = runner.children_cpu_time_ms() + runner.cpu_time_ms(self._runner.pid)
        self._relayed_ms = 0.0
        began = frames.STARTED_AT.pack(time.monotonic_ns())
        self._runner.start(message, slave)
        self._send(frames.STARTED, began)
        self._streams.attach(self._runner, terminal)
        return False

    def _needs_other_runner(self, start: messages.Start) -> bool:
        """A warm program can neither execute another nor change its streams."""
        if self._runner is None:
            return True
        return self._is_warm_program and (start.mode == "exec" or start.interactive)

    def _respawn(self) -> bool:
        if self._runner is not None:
            os.kill(self._runner.pid, signal.SIGKILL)
            os.waitpid(self._runner.pid, 0)
            self._close_runner(self._runner)
        return self.spawn(warm=False)

    def _close_runner(self, ended: runner.Runner) -> None:
        for fd in (ended.control, ended.stdin, ended.stdout, ended.stderr):
            os.close(fd)

    # the program's other controls

    def _resize(self, message: dict[str, object]) -> None:
        columns, rows = message["columns"], message["rows"]
        assert isinstance(columns, int) and isinstance(rows, int)
        self._streams.resize(columns, rows)

    def _signal(self, message: dict[str, object]) -> None:
        number = message["number"]
        assert isinstance(number, int) and self._runner is not None
        group = self._streams.foreground_group() or self._runner.pid
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)

    # the end

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self._runner is not None and pid == self._runner.pid:
                    if self._start is None:
                        raise RuntimeError(f"the warm runner ended with status {status}")
                    self._exit_status = status

    def _sample(self, just_ended: int = 0) -> None:
        """Look at the processes, if it is time; ``just_ended`` were there a moment ago."""
        start, now_s = self._start, time.monotonic()
        if start is None or not self._setup.watch or now_s < self._next_sample_s:
            return
        self._next_sample_s = now_s + watch.INTERVAL_MS / 1000
        sample = watch.sample()
        cpu_ms = self._ended_cpu_time_ms() + sample.cpu_time_ms
        self._peak = watch.Sample(
            max(self._peak.memory_bytes, sample.memory_bytes),
            max(self._peak.cpu_time_ms, cpu_ms),
            max(self._peak.processes, sample.processes),
        )
        self._process_limit_hit |= sample.processes + just_ended >= start.processes
        if self._stopped_by is None and sample.memory_bytes > start.memory_bytes:
            self._stopped_by = "memory"
            confine.kill_others()
        elif self._stopped_by is None and cpu_ms > start.cpu_time_ms:
            self._stopped_by = "cpu_time"
            confine.kill_others()

    def _ended_cpu_time_ms(self) -> float:
        """Of the program's processes that were reaped, and of our work for all of them."""
        return runner.children_cpu_time_ms() + self._relayed_ms - self._cpu_base_ms

    def _finish(self, status: int) -> None:
        """Kill the rest, drain at most what pipes hold, report."""
        self._next_sample_s = 0.0
        self._sample(just_ended=1)
        confine.kill_all()
        self._streams.finish()
        facts: dict[str, object] = {
            "exit_code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "stopped_by": self._stopped_by,
            "process_limit_hit": self._process_limit_hit,
            "workspace_limit_hit": mounts.is_full(),
            "cpu_time_ms": max(0.0, self._ended_cpu_time_ms()),
            "memory_bytes": self._peak.memory_bytes or None,
            "processes": self._peak.processes or None,
        }
        self._runner, self._start, self._exit_status = None, None, None
        self._send_control(frames.EXIT, facts)
        if self._collect_request:
            request, self._collect_request = self._collect_request, b""
            self._collect(frames.decode_control(request))

    def _collect(self, message: dict[str, object]) -> None:
        collect = messages.Collect.from_message(message)
        omitted = self._workspace.collect(collect, self._send_file, self._name_omitted)
        self._send_control(frames.COLLECTED, {"omitted": omitted})

    def _name_omitted(self, path: str, size_bytes: int | None, reason: str) -> None:
        facts: dict[str, object] = {"path": path, "size_bytes": size_bytes, "reason": reason}
        self._send_control(frames.NOT_SENT, facts)

    def _send_file(self, path: str, fd: int) -> int:
        size = os.fstat(fd).st_size
        self._send_control(frames.FILE, {"path": path, "size_bytes": size})
        sent = 0
        while sent < size:
            data = os.read(fd, min(streams.CHUNK_BYTES, size - sent))
            if not data:
                raise RuntimeError("a collected file shrank")
            self._send(frames.FILE_DATA, data)
            sent += len(data)
        return sent

    def _send(self, kind: int, payload: bytes) -> None:
        header = frames.HEADER.pack(len(payload), kind, 0)
        sent = os.writev(self._engine, [header, payload])
        if sent < len(header) + len(payload):
            self._send_all((header + payload)[sent:])

    def _send_control(self, kind: int, message: dict[str, object]) -> None:
        self._send_all(frames.encode_control(kind, message))

    def _send_all(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._engine, data) :]


def _no_handler(_signal: int, _frame: object) -> None:
    """To be woken by: an ignored signal would wake nobody."""
