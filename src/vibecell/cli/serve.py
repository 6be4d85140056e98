"""``vibecell serve``: the whole service, started and stopped as one.

Owns the order of a start: port, keys, image, engine, gateway, courier, then one report of
what protects the host and where to go. Refuses to serve before all of it works.
"""

import contextlib
import http.client
import logging
import os
import socket
import time
from dataclasses import replace

from vibecell.cli import children
from vibecell.cli.complaints import STDERR, STDOUT, hold_standard_streams, say
from vibecell.cli.composition.audits import engine_audit
from vibecell.cli.composition.deployment import deploy
from vibecell.cli.composition.executors import executor, is_ready
from vibecell.cli.composition.ledgers import ledger_store
from vibecell.cli.gateway_user import has_stored_keys
from vibecell.cli.listening import listen, metrics_listener
from vibecell.cli.log_lines import Lines, LogLines, log_to
from vibecell.cli.report import layer_lines
from vibecell.cli.service_manager import ServiceManager
from vibecell.cli.supervisor import GaveUp, StartFailed, Stopped, Supervisor
from vibecell.config import LogFormat, Settings, require_closed_door
from vibecell.engine.bookkeeping import require_usable
from vibecell.engine.daemon import require_free
from vibecell.executor import Executor
from vibecell.model.errors import PlatformError, VibecellError
from vibecell.model.log_event import LogEvent
from vibecell.sharing.audit_trail import require_writable
from vibecell.wire.unix_sockets import private_listener

START_DEADLINE_S = 60.0
SERVING = "serving"
_LOG = logging.getLogger(__name__)
_PROCESS = "supervisor"


class ReadyLine(LogEvent, tag="ready", frozen=True, kw_only=True):
    """The service is ready; on standard output, where everything else is on standard error.

    Attributes:
        url: where to go.
        took_ms: since it was started.
        backend: what protects the host; …
        layers: … and by which means, as `vibecell doctor` tells them.
        message: the same for people.
    """

    url: str
    took_ms: int
    backend: str
    layers: tuple[str, ...]
    message: str


def serve(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; return the exit status.

    Raises:
        PlatformError: the port cannot be had, keys not be read, the ledger of usage or an audit
            that is required not be used, or the image not be built.
        ConfigError: others could reach it, and there is no key.
    """
    began_s = time.monotonic()
    status = 0
    hold_standard_streams()
    manager = ServiceManager.of(os.environ)
    settings = replace(settings, log_format=settings.log_format or _fitting())
    log_to(_PROCESS, settings.log_format or "json", settings.log_level)
    supervisor = Supervisor(lambda text: _LOG.error("%s", text))
    with supervisor.signals(), contextlib.ExitStack() as ending:
        listener = ending.enter_context(_listen(settings))
        settings = replace(settings, port=listener.getsockname()[1])
        require_closed_door(settings, has_stored_keys(settings) or bool(settings.api_keys))
        metrics = ending.enter_context(metrics_listener(settings))
        _make_run_dir(settings)
        require_free(settings.run_dir)
        require_usable(ledger_store(settings))
        if settings.audit_required:
            require_writable(engine_audit(settings))
        try:
            with supervisor.interruptible():  # an image may be built first
                deployment = deploy(settings)
            ending.callback(deployment.release)
            ending.callback(settings.courier_socket.unlink, missing_ok=True)
            ending.callback(supervisor.stop)
            ending.callback(listener.close)  # first: who comes during the stop is refused
            ending.callback(manager.tell_stopping)
            _start(supervisor, settings, listener, metrics, began_s)
            manager.tell_ready(SERVING)
            with manager.told(lambda: _look(settings)):
                supervisor.run()
        except StartFailed as error:
            _LOG.critical("not serving: %s", error)
            status = children.EXIT_FAILED
        except GaveUp as error:
            _LOG.critical("serving no more: %s", error)
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
        # it stays where it is while couriers die and come
        asked = private_listener(settings.courier_socket, settings.gateway_uid, "courier")
        supervisor.add(children.courier(settings, asked))
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


def _look(settings: Settings) -> str | None:
    """What a service manager is shown, where engine and gateway answer."""
    try:
        health = executor(settings).health()
    except VibecellError:
        return None
    if not _gateway_answers(settings):
        return None
    return SERVING if health.ready else "not ready"


def _report(settings: Settings, client: Executor, took_s: float) -> None:
    capabilities = client.health().capabilities
    layers = tuple(layer_lines(capabilities.layers))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    message = f"Vibecell is ready after {took_s:.1f} s: {url}"
    if settings.log_format == "text":
        protection = f"What protects this host (backend {capabilities.backend}):"
        say("\n".join((protection, *(f"  {line}" for line in layers), message)), STDOUT)
        return
    told = ReadyLine(
        url=url,
        took_ms=round(took_s * 1000),
        backend=capabilities.backend,
        layers=layers,
        message=message,
    )
    record = logging.makeLogRecord({"levelno": logging.INFO, "levelname": "INFO", "event": told})
    LogLines(_PROCESS, "json", Lines(STDOUT)).emit(record)


def _fitting() -> LogFormat:
    """The form of lines for whoever reads them."""
    return "text" if os.isatty(STDERR) else "json"
