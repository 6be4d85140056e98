"""The engine as a process: its socket, its start and its end.

Owns the Unix socket and who may connect to it; refuses peers of other users,
and to start where a required layer of protection is missing. The socket
appears, under its name, when the engine is ready, and not before.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

from vibecell.config import Settings
from vibecell.config.garbage import give_back, settle_garbage
from vibecell.engine.auditing import Auditing
from vibecell.engine.bookkeeping import Bookkeeping
from vibecell.engine.call_handler import CallHandler
from vibecell.engine.execution_log import ExecutionLog
from vibecell.engine.executions import Executions
from vibecell.engine.link_streams import leave, start_listening
from vibecell.model.capabilities import Capabilities
from vibecell.model.errors import PlatformError
from vibecell.model.language import Offer
from vibecell.model.stopping import BACKEND_STOP_S, EXECUTIONS_STOP_S, LINKS_STOP_S
from vibecell.sandbox.backend import Backend
from vibecell.sharing.audit_trail import AuditTrail
from vibecell.sharing.ledger import LedgerStore
from vibecell.sharing.memory_ledger import MemoryLedger
from vibecell.wire.unix_sockets import peer, private_listener

MAX_CONNECTIONS = 4096
# What a gateway lets one owner hold open, and as many that it has just left.
FOLLOWERS_PER_PLACE = 2
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


async def run_engine(
    settings: Settings,
    backend: Backend,
    offer: Offer,
    stop: asyncio.Event | None = None,
    give_up: Callable[[], None] = lambda: None,
    store: LedgerStore | None = None,
    trail: AuditTrail | None = None,
    restarts: int = 0,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then finish all and clean up.

    Args:
        settings: as loaded.
        backend: not yet open; is closed at the end.
        offer: what can be run, where the backend has the profiles of it.
        stop: ends the engine when set, for a caller in the same process.
        give_up: ends the process, called where the backend does not close in its time. A
            thread that waits for a Docker engine or a disk that is frozen ends with nothing less.
        store: where what was used is kept, not yet open; ``None``: nowhere.
        trail: of what was executed, not yet open; ``None``: nothing is audited.
        restarts: how often an engine was started again before, by who starts this one.

    Raises:
        SandboxFailure: a required layer is missing; names all of them.
        StoreUnavailable: the store cannot be read and written, or an audit that has to be.
        PlatformError: the socket cannot be made, or another engine has it.
    """
    stop = stop or asyncio.Event()
    books = Bookkeeping(store or MemoryLedger())
    auditing = None if trail is None else Auditing(trail)
    with _only_engine(settings.run_dir), _stopped_by_signals(stop):
        try:
            await books.open()
            if auditing is not None:
                await auditing.open()
            capabilities = await _unless(stop, _opened(backend))
            if capabilities is None:
                return
            settle_garbage()
            executions = Executions(
                settings, backend, offer, books, (ExecutionLog(),), auditing=auditing
            )
            most = FOLLOWERS_PER_PLACE * settings.gateway.concurrent
            handler = CallHandler(executions, offer, capabilities, most, restarts)
            async with _listening(settings, handler):
                works = (executions.sweep_for_ever(), _give_back_for_ever())
                tending = [asyncio.create_task(work) for work in works]
                await stop.wait()
                for task in tending:
                    task.cancel()
                await executions.stop()
        finally:
            if not await _closes(backend, books, auditing):
                give_up()


async def _opened(backend: Backend) -> Capabilities:
    await backend.open()
    return await backend.probe()


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """What work comes to; nothing where it was cancelled, because we are to stop before."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        return doing.result()
    doing.cancel()
    await asyncio.wait((doing,), timeout=EXECUTIONS_STOP_S)  # there are none that could need it
    return None


async def _closes(backend: Backend, books: Bookkeeping, auditing: Auditing | None) -> bool:
    """Whether what was used and run is written, and all given back of the host, in time."""
    closing = {"books": asyncio.create_task(books.close())}
    if auditing is not None:
        closing["audit"] = asyncio.create_task(auditing.close())
    try:
        async with asyncio.timeout(BACKEND_STOP_S):
            await backend.close()
            for task in closing.values():
                await task
    except TimeoutError:
        late = " and ".join([name for name, task in closing.items() if not task.done()]) or "walls"
        _LOG.error("the %s did not end in time; what is left ends with the engine", late)
        return False
    return True


async def _give_back_for_ever() -> None:
    while True:
        await asyncio.sleep(give_back())


def require_free(run_dir: Path) -> None:
    """Make sure that no engine runs in this directory.

    Raises:
        PlatformError: one does, or the directory cannot be used.
    """
    with _only_engine(run_dir):
        pass


@contextlib.contextmanager
def _only_engine(run_dir: Path) -> Iterator[None]:
    """Hold the run directory's lock, so that no other engine takes our socket."""
    try:
        if not run_dir.exists():
            run_dir.mkdir(parents=True)
            # as root: the gateway's user passes through it, to a socket of its own
            run_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        lock = os.open(run_dir / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PlatformError("make the run directory", str(error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise PlatformError("take the run directory", "another engine runs there") from error
    finally:
        os.close(lock)


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # only the main thread may handle signals; elsewhere the caller has ``stop``
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _listening(settings: Settings, handler: CallHandler) -> AsyncIterator[None]:
    allowed = {0, os.geteuid()}
    if os.geteuid() == 0:
        allowed.add(settings.gateway_uid)
    busy: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            if (
                len(busy) <= MAX_CONNECTIONS
                and peer(writer.get_extra_info("socket")).uid in allowed
            ):
                await handler.serve(reader, writer)
        except ConnectionError:
            _LOG.debug("a client left in the middle")
        except asyncio.CancelledError:  # the engine stops, and has waited long enough
            writer.transport.abort()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await leave(reader, writer)
            busy.discard(task)

    path = settings.engine_socket
    listener = private_listener(path, settings.gateway_uid, "engine")
    listener.setblocking(False)
    server = await start_listening(talk, listener)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        handler.hang_up()
        # Everything is finished by now: what is left to send fits a moment.
        if busy:
            await asyncio.wait(busy, timeout=LINKS_STOP_S)
        for task in tuple(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
