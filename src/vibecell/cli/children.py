"""The processes of the service, seen from both sides.

Owns how a child is started, what it is told and how it gives up what it does
not need. Settings travel through a pipe, so that keys appear in no
environment and on no command line; nobody but the gateway is told keys or secrets.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Literal

from vibecell.cli.log_lines import log_to
from vibecell.cli.privileges import CODE, become, die_with_parent
from vibecell.cli.supervisor import LONG_PAUSES_S, Child
from vibecell.config import Settings, pack, unpack
from vibecell.model.errors import PlatformError, VibecellError
from vibecell.model.stopping import COURIER_KILL_S, ENGINE_KILL_S, GATEWAY_KILL_S

Role = Literal["engine", "gateway", "courier"]
EXIT_FAILED = 1
_LOG = logging.getLogger(__name__)
_MAX_SETTINGS_BYTES = 60_000  # fits a pipe, so that writing never waits


def engine(settings: Settings) -> Child:
    """The engine's process, to be kept alive."""
    spawn = _counting(lambda restarts: start("engine", settings, restarts=restarts))
    return Child("engine", spawn, ENGINE_KILL_S)


def gateway(
    settings: Settings, listener: socket.socket, metrics: socket.socket | None = None
) -> Child:
    """The gateway's process, to be kept alive on sockets that are bound and listening.

    Args:
        metrics: for metrics alone; ``None``: there is none.
    """
    spawn = _counting(
        lambda restarts: start("gateway", settings, listener, restarts=restarts, metrics=metrics)
    )
    return Child("gateway", spawn, GATEWAY_KILL_S)


def courier(settings: Settings, listener: socket.socket) -> Child:
    """A courier's process, to be kept alive on a socket that is bound and listening."""
    spawn = partial(start, "courier", settings, listener)
    # keys, and tokens of the service's own, need none
    return Child("courier", spawn, COURIER_KILL_S, LONG_PAUSES_S, is_needed=False)


def _counting(
    spawn: Callable[[int], subprocess.Popen[bytes]],
) -> Callable[[], subprocess.Popen[bytes]]:
    """A spawn that is told how often it has succeeded before."""
    numbers = count()
    waiting = [next(numbers)]

    def spawned() -> subprocess.Popen[bytes]:
        process = spawn(waiting[0])
        waiting[0] = next(numbers)  # one that could not be started was no start
        return process

    return spawned


def start(
    role: Role,
    settings: Settings,
    listener: socket.socket | None = None,
    restarts: int = 0,
    metrics: socket.socket | None = None,
) -> subprocess.Popen[bytes]:
    """Start one child.

    Args:
        listener: for all but the engine: bound and listening.
        restarts: how often such a child was started before; it tells that on.
        metrics: for the gateway: a further one, for metrics alone.

    Raises:
        PlatformError: it cannot be started.
    """
    told = settings
    if role != "gateway":
        told = replace(
            settings, api_keys=(), server_secrets=(), server_secret_file=None, host="127.0.0.1"
        )
    data = pack(told)
    if len(data) > _MAX_SETTINGS_BYTES:
        raise PlatformError("start a child process", "the settings are too long")
    command = [sys.executable, "-P", "-m", "vibecell.cli.main", "internal", role]
    command += ["--parent", str(os.getpid()), "--restarts", str(restarts)]
    passed = []
    if listener is not None:
        passed.append(listener.fileno())
        command += ["--listener-fd", str(listener.fileno())]
    if metrics is not None:
        passed.append(metrics.fileno())
        command += ["--metrics-fd", str(metrics.fileno())]
    try:
        with _pipe_holding(data) as reading:
            return subprocess.Popen(
                [*command, "--settings-fd", str(reading)],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[reading, *passed],
                start_new_session=True,  # a terminal's Ctrl+C is the supervisor's alone
            )
    except (OSError, MemoryError) as error:
        raise PlatformError("start a child process", str(error) or "no memory") from error


@contextlib.contextmanager
def _pipe_holding(data: bytes) -> Iterator[int]:
    """The end to read of a pipe from which all of ``data`` can be read, and then its end.

    Raises:
        OSError: there is none to be had, or it is too small: the kernel makes smaller ones
            for a user who has many. Source: pipe(7), pipe-user-pages-soft
    """
    reading, writing = os.pipe()
    try:
        try:
            os.set_blocking(writing, False)  # nobody reads yet: to wait for room would be for ever
            if os.write(writing, data) < len(data):
                raise OSError(errno.ENOBUFS, "the pipe for the settings is too small")
        finally:
            os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _environment() -> dict[str, str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "PATH": os.environ.get("PATH", path),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(CODE),
        "HOME": os.environ.get("HOME", "/"),
    }


def live(
    role: Role,
    parent: int,
    settings_fd: int,
    listener_fd: int | None,
    metrics_fd: int | None = None,
    restarts: int = 0,
) -> int:
    """Be a child, until told to stop; return the exit status."""
    die_with_parent()
    if os.getppid() != parent:
        return EXIT_FAILED  # the supervisor died before we asked to die with it
    with os.fdopen(settings_fd, "rb") as pipe:
        settings = unpack(pipe.read(), Settings)
    log_to(role, settings.log_format or "json", settings.log_level)
    try:
        if role == "engine":
            _engine(settings, restarts)
            return 0
        if listener_fd is None:
            raise PlatformError(f"start the {role}", "no listener was passed")
        listener = socket.socket(fileno=listener_fd)
        if role == "gateway":
            metrics = None if metrics_fd is None else socket.socket(fileno=metrics_fd)
            _gateway(settings, listener, metrics, restarts)
        else:
            _courier(settings, listener)
    except VibecellError as error:
        _LOG.critical("%s", error)
        return EXIT_FAILED
    return 0


def _engine(settings: Settings, restarts: int) -> None:
    from vibecell.cli.composition.audits import engine_audit, trail_to
    from vibecell.cli.composition.deployment import deploy
    from vibecell.cli.composition.ledgers import ledger_store
    from vibecell.engine.daemon import run_engine

    deployment = deploy(settings)
    backend, offer = deployment.backend(), deployment.offer
    store, give_up = ledger_store(settings), lambda: os._exit(EXIT_FAILED)
    trail = trail_to(engine_audit(settings), settings)
    asyncio.run(
        run_engine(
            settings, backend, offer, give_up=give_up, store=store, trail=trail, restarts=restarts
        )
    )


def _gateway(
    settings: Settings, listener: socket.socket, metrics: socket.socket | None, restarts: int
) -> None:
    from vibecell.cli.composition.audits import gateway_audit, trail_to
    from vibecell.cli.composition.executors import executor
    from vibecell.cli.gateway_user import become_gateway
    from vibecell.gateway.daemon import run_gateway

    keys = become_gateway(settings, settings.run_dir)
    die_with_parent()  # changing user has cleared it
    trail = trail_to(gateway_audit(settings), settings)
    if trail is not None and settings.audit_required:
        trail.open()
    run_gateway(
        settings,
        listener,
        executor(settings),
        keys=keys.source(),
        trail=trail,
        metrics_socket=metrics,
        restarts=restarts,
    )


def _courier(settings: Settings, listener: socket.socket) -> None:
    try:
        from vibecell.couriers.daemon import run_courier
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed; pip install 'vibecell[identity]'"
        raise PlatformError("start the courier", missing) from error
    allowed = {0, os.geteuid()}
    if os.geteuid() == 0:
        allowed.add(settings.gateway_uid)
    become(settings.courier_uid)
    die_with_parent()  # changing user has cleared it
    run_courier(settings, listener, frozenset(allowed))
