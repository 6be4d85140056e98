"""The warm interpreter that cells are forked from.

Owns the preloaded modules and the fork; refuses everything else: it reads no
output, no source and no file of a user. It is single-threaded, holds one
descriptor (its control socket) and runs inside the outer wall as that wall's
pid 1, so its end is the end of every cell forked from it.

Control messages are datagrams of JSON on a SOCK_SEQPACKET socket: first one
``setup`` from the engine, answered with ``ready`` or ``failure``; then ``fork``
messages carrying descriptors: the cell's socket, then one ``cgroup.procs`` of
each hierarchy. A fork is answered by the new agent on the cell's socket. What
``nesting.py`` says comes before the set-up, where the outer wall needs it.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

import agent
import confine
import ending
import forking
import frames
import kernel
import memory_files
import messages
import nesting
import recording
import renewal
import runner
import shelf
from inner_wall import InnerWall

CONTROL_FD_VARIABLE = "VIBECELL_CONTROL_FD"
CONTROL_SOCKET_VARIABLE = "VIBECELL_CONTROL_SOCKET"
MAX_FDS = 16
# past the C library, which hides two from everybody; source: sigaction(2)
_SIGNALS_OF_THE_C_LIBRARY = (32, 33)
_DEFAULT_ACTION, _SIGNAL_SET_BYTES = bytes(32), 8
OURS = (
    *("zygote", "agent", "runner", "streams", "workspace", "watch", "mounts", "messages"),
    *("frames", "confine", "kernel", "inner_wall", "forking", "ending", "rehearsal", "nesting"),
    *("displays", "recording", "renewal", "shelf", "sitecustomize", "memory_files"),
    *("pseudo_terminal", "vibecell_streams"),
)


def live(notes: recording.Recording) -> Mapping[str, Any]:
    """Serve forks until the control socket closes; return only in a program.

    Args:
        notes: of what is loaded, and of what any interpreter has before its program.

    Returns:
        The modules that were loaded ahead, by name.

    Returning means: this process is a runner, confined, and its start message
    has been applied. Every other process of this family leaves by
    ``os._exit``.
    """
    default_signals()
    control = _open_control()
    confine.set_dumpable(False)
    ending.prepare()
    message = control.recv(frames.MAX_CONTROL_BYTES)
    if not message:
        os._exit(0)
    try:
        setup = messages.Setup.from_message(json.loads(message))
        memory_files.lead_to_limit()
        os.environ.update(setup.env)  # libraries read it when they are loaded
        if not setup.warm_argv:
            os.environ.update(setup.warm_env)
        for module in setup.modules:
            importlib.import_module(module)
        if len(sys._current_frames()) > 1:
            raise RuntimeError("a module of the profile started a thread: no fork would have it")
        unborn = agent.Agent(setup, InnerWall(setup))
        own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        # the kernel reaps, see wait(2): a handler misses who ends just before we wait again
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        _hide(notes, setup)
        gc.collect()
        gc.freeze()
        forking.madvise_collapse_heap()
    except Exception as error:
        control.send(json.dumps({"failure": "warm up", "detail": repr(error)[:500]}).encode())
        os._exit(1)
    try:
        control.send(b'{"ready":true}')
    except BrokenPipeError:
        os._exit(0)  # the engine has gone, or changed its mind
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(control, frames.MAX_CONTROL_BYTES, MAX_FDS)
        except ConnectionError:
            message = b""
        if not message:
            os._exit(0)
        request = messages.ForkRequest.from_message(frames.decode_control(message))
        if _fork(unborn, request, fds, control, own_pid_namespace):
            return setup.loaded


def default_signals() -> None:
    """Undo what was ignored or blocked where the service, or a container's daemon, was started.

    nohup(1) ignores SIGHUP, a shell SIGINT and SIGQUIT of what it runs behind ``&``, and a
    supervisor may block any: all of it is inherited, by forks and by what is executed. What
    any interpreter ignores by itself is as it should be. glibc shows nobody the two it keeps
    for its threads, and leaves them ignored in what posix_spawn(3) starts, as make(1) does.

    Source: signal(7), execve(2), nptl(7); glibc, sysdeps/unix/sysv/linux/spawni.c; CPython,
    Modules/signalmodule.c, signal_install_handlers()
    """
    for number in signal.valid_signals() - runner.RESTORED_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            handler = signal.default_int_handler if is_interrupt else signal.SIG_DFL
            signal.signal(number, handler)
    for hidden in _SIGNALS_OF_THE_C_LIBRARY:
        step = f"rt_sigaction({hidden})"
        kernel.call_now(step, "rt_sigaction", hidden, _DEFAULT_ACTION, 0, _SIGNAL_SET_BYTES)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _open_control() -> socket.socket:
    """Our end of the control socket, behind an outer wall that is whole."""
    path = os.environ.get(CONTROL_SOCKET_VARIABLE)
    if path is not None:
        control = nesting.connect(path)
    else:
        control = socket.socket(fileno=int(os.environ[CONTROL_FD_VARIABLE]))
        control.set_inheritable(False)
    # bubblewrap leaves the descriptors it was given open: one is a host directory
    confine.close_range(3, control.fileno() - 1)
    confine.close_range(control.fileno() + 1, 0xFFFFFFFF)
    if nesting.is_asked_for(control):
        _finish_outer_wall(control, path is not None)
    return control


def _finish_outer_wall(control: socket.socket, is_container: bool) -> None:
    try:
        nesting.finish_outer_wall(control, is_container)
    except Exception as error:
        report = {"failure": "finish the outer wall", "detail": _said(error)}
        control.send(json.dumps(report).encode())
        os._exit(1)


def _said(error: Exception) -> str:
    step = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"{step}{error}"[:500]


def _fork(
    unborn: agent.Agent,
    request: messages.ForkRequest,
    fds: list[int],
    control: socket.socket,
    own_pid_namespace: int,
) -> bool:
    """Fork one agent into a new pid namespace; true only in a program.

    The kernel allows one ``unshare(CLONE_NEWPID)`` per process unless
    ``setns`` to the own namespace comes between.

    Source: pid_namespaces(7), "Adoption of orphaned children"; kernel/pid_namespace.c
    """
    confine.setns(own_pid_namespace, confine.CLONE_NEWPID)
    confine.unshare(confine.CLONE_NEWPID)
    if forking.fork_bare() != 0:
        for fd in fds:
            os.close(fd)
        return False
    os.close(control.detach())
    os.close(own_pid_namespace)
    return unborn.live(request, fds)


def _hide(notes: recording.Recording, setup: messages.Setup) -> None:
    """Take from the interpreter what no other has that has just started."""
    directory = os.path.dirname(__file__)
    sys.path[:] = [p for p in sys.path if p != directory]
    sys.path_importer_cache.pop(directory, None)
    notes.end()
    warm = shelf.Shelf(notes, OURS)
    warm.put_away(renewal.renewals(warm.loaded), setup.modules)
    setup.loaded.update(warm.loaded)
    ending.note_modules(warm.loaded)
    os.environ.clear()
    os.environ.update(setup.env)


def vanish(loaded: Mapping[str, Any]) -> None:
    """Leave the program an interpreter like any that has just started.

    Args:
        loaded: what ``live`` returned.
    """
    gc.freeze()  # what made the cell is not the program's, nor for its collector to find
    _renew_main()
    ending.note_start()
    if (threading := loaded.get("threading")) is not None:
        threading.main_thread()._set_native_id()


def _renew_main() -> None:
    """Replace ``__main__`` by one that the garbage collector sees.

    The one from before the fork is frozen with everything else, and at
    shutdown whatever the program leaves in it would never be finalised.
    """
    frozen = sys.modules["__main__"]
    fresh = type(frozen)("__main__")
    vars(fresh).update(vars(frozen), __annotations__={})
    sys.modules["__main__"] = fresh
