"""``vibecell serve``: the whole service, started and stopped as one.

Owns the order of a start: port, keys, image, engine, gateway, courier, then one report of
what protects the host and where to go. Refuses to serve before all of it works.
"""

import contextlib
import http.client
import socket
import time
from dataclasses import replace

from vibecell.cli import children
from vibecell.cli.complaints import STDOUT, complain, hold_standard_streams, say
from vibecell.cli.composition.deployment import deploy
from vibecell.cli.composition.executors import executor, is_ready
from vibecell.cli.composition.ledgers import ledger_store
from vibecell.cli.gateway_user import has_stored_keys
from vibecell.cli.listening import courier_listener, listen, metrics_listener
from vibecell.cli.report import layer_lines
from vibecell.cli.supervisor import GaveUp, StartFailed, Stopped, Supervisor
from vibecell.config import Settings, require_closed_door
from vibecell.engine.bookkeeping import require_usable
from vibecell.engine.daemon import require_free
from vibecell.executor import Executor
from vibecell.model.errors import PlatformError

START_DEADLINE_S = 60.0


def serve(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; return the exit status.

    Raises:
        PlatformError: the port cannot be had, keys not be read, the ledger of usage not be
            used, or the image not be built.
        ConfigError: others could reach it, and there is no key.
    """
    began_s = time.monotonic()
    status = 0
    hold_standard_streams()
    supervisor = Supervisor(complain)
    with supervisor.signals(), contextlib.ExitStack() as ending:
        listener = ending.enter_context(_listen(settings))
        settings = replace(settings, port=listener.getsockname()[1])
        require_closed_door(settings, has_stored_keys(settings) or bool(settings.api_keys))
        metrics = ending.enter_context(metrics_listener(settings))
        _make_run_dir(settings)
        require_free(settings.run_dir)
        require_usable(ledger_store(settings))
        try:
            with supervisor.interruptible():  # an image may be built first
                deployment = deploy(settings)
            ending.callback(deployment.release)
            ending.callback(settings.courier_socket.unlink, missing_ok=True)
            ending.callback(supervisor.stop)
            ending.callback(listener.close)  # first: who comes during the stop is refused
            _start(supervisor, settings, listener, metrics, began_s)
            supervisor.run()
        except StartFailed as error:
            complain(f"not serving: {error}")
            status = children.EXIT_FAILED
        except GaveUp as error:
            complain(f"serving no more: {error}")
            status = children.EXIT_FAILED
        except Stopped:
            pass  # during the start: a stop like another
    return children.EXIT_FAILED if supervisor.has_killed else status


def _start(
    supervisor: Supervisor,
    settings: Settings,
    listener: socket.socket,
    metrics: socket.socket | None,
    began_s: float,
) -> None:
    supervisor.add(children.engine(settings))
    supervisor.add(children.gateway(settings, listener, metrics))
    if settings.identity_providers:
        supervisor.add(children.courier(settings, courier_listener(settings)))
    client = executor(settings)
    with supervisor.interruptible():
        supervisor.wait_until(lambda: is_ready(client), START_DEADLINE_S)
        supervisor.wait_until(lambda: _gateway_answers(settings), START_DEADLINE_S)
        _report(settings, client, time.monotonic() - began_s)


def _make_run_dir(settings: Settings) -> None:
    """Every child needs it: the engine writes there, the others pass through."""
    try:
        if not settings.run_dir.exists():
            settings.run_dir.mkdir(parents=True)
            settings.run_dir.chmod(0o711)  # whatever the umask
    except OSError as error:
        raise PlatformError("make the run directory", str(error)) from error


def _listen(settings: Settings) -> socket.socket:
    """Take the port, before anything else: it is the likeliest thing to fail."""
    return listen(settings.host, settings.port, "; choose another port with --port")


def _gateway_answers(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=2.0)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _report(settings: Settings, client: Executor, took_s: float) -> None:
    capabilities = client.health().capabilities
    lines = [f"What protects this host (backend {capabilities.backend}):"]
    lines += [f"  {line}" for line in layer_lines(capabilities.layers)]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    lines.append(f"Vibecell is ready after {took_s:.1f} s: http://{host}:{settings.port}")
    say("\n".join(lines), STDOUT)
