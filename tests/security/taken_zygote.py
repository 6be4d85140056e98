"""A zygote that has been taken over, and runs in its own place what it is sent to run.

Stands where every zygote stands: behind an outer wall that the engine has made, connected
to it, root of its user namespace, with the descriptors that came with each fork message.
The real zygote's own code has brought it there (``zygote._open_control``). What differs
begins then: it imports nothing, and for a fork it makes no namespace, confines nothing and
keeps every descriptor. The copy says HELLO as an agent does, and what it is asked to start
it runs as Python in a child of its own, with everything that the zygote has.

A program finds what it holds in the module ``taken``: ``control`` (the number of the control
socket), ``kept`` (the descriptors of every fork message so far, the newest last: the cell's
socket, then one ``cgroup.procs`` of each hierarchy), ``wall`` (what else it needs).
``warm_env`` of the profile may hold source to be run in place of an answer: "instead of
ready", "instead of hello", "after fork", with ``control``, ``kept`` and ``frames`` as names;
and under "name" what its processes are to be called.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
import types

import frames  # type: ignore[import-not-found]  # of the cell programs, as is the next
import zygote  # type: ignore[import-not-found]

MAX_FDS = 16
MAX_MESSAGE_BYTES = 256 * 1024
PIECE_BYTES = 64 * 1024


def live() -> None:
    """Answer the engine until it hangs up, as far as it can be seen from there."""
    control = zygote._open_control()
    scripts = json.loads(control.recv(MAX_MESSAGE_BYTES))["warm_env"]
    with open("/proc/self/comm", "w") as name:  # by which the host can tell them apart
        name.write(scripts.get("name", "taken"))
    kept: list[list[int]] = []
    names = {"control": control, "kept": kept, "frames": frames}
    if "instead of ready" in scripts:
        exec(scripts["instead of ready"], names)
    control.send(b'{"ready":true}')
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, MAX_FDS)
        if not message:
            os._exit(0)
        kept.append(descriptors)
        if "instead of hello" in scripts:
            exec(scripts["instead of hello"], names)
            continue
        if os.fork() == 0:
            Hand(control, kept).serve()
        if "after fork" in scripts:
            exec(scripts["after fork"], names)


class Hand:
    """A copy of the zygote in the part of an agent, whose program is not confined at all."""

    def __init__(self, control: socket.socket, kept: list[list[int]]) -> None:
        self._control = control
        self._kept = kept
        self._link = kept[-1][0]
        self._files: dict[str, bytes] = {}
        self._paths: dict[int, str] = {}
        self._program = 0
        self._stdin = self._output = -1
        self._poll = select.poll()

    def serve(self) -> None:
        """Until the engine hangs up; never returns."""
        self._send(frames.encode_control(frames.HELLO, {"protocol": frames.PROTOCOL_VERSION}))
        parser = frames.FrameParser(frames.TO_AGENT)
        self._poll.register(self._link, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._output:
                    self._relay()
                    continue
                data = b""
                with contextlib.suppress(OSError):
                    data = os.read(self._link, PIECE_BYTES)
                if not data:
                    os._exit(0)
                for kind, stream, payload in parser.feed(data):
                    self._obey(kind, stream, payload)

    def _obey(self, kind: int, stream: int, payload: bytes) -> None:
        if kind == frames.WRITE:
            self._paths[stream] = frames.decode_control(payload)["path"]
            self._files[self._paths[stream]] = b""
        elif kind == frames.DATA:
            self._files[self._paths[stream]] += payload
        elif kind == frames.START:
            self._start(frames.decode_control(payload)["argv"])
        elif kind == frames.STDIN:
            os.write(self._stdin, payload)
        elif kind == frames.EOF:
            os.close(self._stdin)
        elif kind == frames.KILL:
            os.kill(self._program, signal.SIGKILL)
        elif kind == frames.COLLECT:
            self._send(frames.encode_control(frames.COLLECTED, {"omitted": 0}))

    def _start(self, arguments: list[str]) -> None:
        stdin, self._stdin = os.pipe()
        self._output, output = os.pipe()
        self._program = os.fork()
        if self._program == 0:
            for number, end in enumerate((stdin, output, output)):
                os.dup2(end, number)
            for end in (stdin, self._stdin, self._output, output):
                os.close(end)
            self._become(arguments)
        os.close(stdin)
        os.close(output)
        self._poll.register(self._output, select.POLLIN)
        self._send(frames.encode(frames.STARTED, frames.STARTED_AT.pack(time.monotonic_ns())))

    def _become(self, arguments: list[str]) -> None:
        status = 1
        try:
            sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w", 1)
            sys.argv = ["main.py", *arguments]
            self._provide("taken", control=self._control.fileno(), kept=self._kept)
            for path, source in sorted(self._files.items()):
                if path != "main.py":
                    module = self._provide(path.removesuffix(".py"))
                    exec(compile(source, path, "exec"), module.__dict__)
            exec(compile(self._files["main.py"], "main.py", "exec"), {"__name__": "__main__"})
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            os.write(1, traceback.format_exc().encode())
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)

    def _provide(self, name: str, **values: object) -> types.ModuleType:
        module = sys.modules[name] = types.ModuleType(name)
        module.__dict__.update(values)
        return module

    def _relay(self) -> None:
        data = os.read(self._output, PIECE_BYTES)
        if data:
            self._send(frames.encode(frames.STDOUT, data))
            return
        self._poll.unregister(self._output)
        _, status = os.waitpid(self._program, 0)
        exited = os.WIFEXITED(status)
        facts = {
            "exit_code": os.WEXITSTATUS(status) if exited else None,
            "signal": None if exited else os.WTERMSIG(status),
        }
        self._send(frames.encode_control(frames.EXIT, facts))

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._link, data) :]


if __name__ == "__main__":
    live()
