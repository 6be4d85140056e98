"""``vibecell run``: a program in a cell, as if it ran here.

Owns the way between this terminal and one execution; refuses to interpret
output. Through the running engine where there is one, else through an engine
of its own that lives as long as the program.

Exit status: the program's own; 128+n after signal n; 124 at a time limit, 137
at the memory limit, 130 when cancelled, 125 at any other limit or failure of the
platform.
"""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vibecell.cli import children
from vibecell.cli.complaints import complain
from vibecell.cli.composition.executors import executor, is_ready
from vibecell.cli.shown_files import ShownFiles
from vibecell.cli.supervisor import StartFailed, Stopped, Supervisor
from vibecell.cli.terminal import raw_terminal, terminal_size
from vibecell.config import Settings
from vibecell.executor import Conversation, Executor
from vibecell.languages.catalogue import choose, describe
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import Conflict, EngineUnavailable, MalformedRequest, PlatformError
from vibecell.model.events import (
    Cancel,
    Display,
    EndOfInput,
    Finished,
    Resize,
    Signal,
    Stdin,
    Stream,
)
from vibecell.model.execution import ExecutionRequest, Result, SourceFile
from vibecell.model.verdicts import Verdict

ACCOUNT = Account(Owner("command-line"))
MAX_STDIN_BYTES = 4 * 1024 * 1024
_STATUS = {
    Verdict.TIME_LIMIT_EXCEEDED: 124,
    Verdict.MEMORY_LIMIT_EXCEEDED: 137,
    Verdict.CANCELLED: 130,
}
_OTHER_STATUS = 125
_START_DEADLINE_S = 60.0
_SECOND_INTERRUPT_S = 2.0
_CTRL_C = b"\x03"


def run(
    settings: Settings,
    file: str,
    language: str | None,
    args: tuple[str, ...],
    displays: Path | None = None,
) -> int:
    """Run one program; return the exit status to leave with.

    Args:
        settings: of the engine, where none is running.
        file: its source.
        language: its name; ``None`` leaves it to the file's.
        args: of the program.
        displays: where to write what it displays.

    Raises:
        VibecellError: it cannot be run.
    """
    shown = ShownFiles(displays)
    source = _read_source(file)
    chosen = choose(describe(), language, file).language
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    columns, rows = terminal_size()
    request = ExecutionRequest(
        language=chosen.name,
        files=(SourceFile(chosen.entrypoint, source),),
        args=args,
        stdin=b"" if interactive or file == "-" else _read_stdin(),
        limits=settings.limits,
        interactive=interactive,
        columns=columns,
        rows=rows,
    )
    with _engine(settings) as client, client.submit_and_follow(request, ACCOUNT) as conversation:
        result = _converse(conversation, interactive, shown)
    for line in shown.report():
        print(f"vibecell: {line}", file=sys.stderr)
    if result.message:
        print(f"vibecell: {result.message}", file=sys.stderr)
    return exit_status(result)


def exit_status(result: Result) -> int:
    """The status a result is left with."""
    if result.verdict not in (Verdict.ACCEPTED, Verdict.RUNTIME_ERROR):
        return _STATUS.get(result.verdict, _OTHER_STATUS)
    outcome = result.last_outcome
    if outcome is None:
        return 0
    if outcome.signal is not None:
        return 128 + signal.Signals[outcome.signal]
    return outcome.exit_code or 0


def _read_source(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise MalformedRequest(f"{file}: {error.strerror}") from error


def _read_stdin() -> bytes:
    """All of standard input: without a terminal a program gets it at once."""
    if sys.stdin.isatty():
        return b""
    data = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1)
    if len(data) > MAX_STDIN_BYTES:
        raise MalformedRequest(f"standard input is larger than {MAX_STDIN_BYTES} bytes")
    return data


@contextlib.contextmanager
def _engine(settings: Settings) -> Iterator[Executor]:
    client = executor(settings)
    if is_ready(client):
        yield client
        return
    with tempfile.TemporaryDirectory(prefix="vibecell-") as run_dir:
        # one program needs one warm cell, and is nobody's whose use is counted
        private = replace(
            settings, run_dir=Path(run_dir), pool_min_idle=1, pool_max_idle=1,
            keep_usage=False, audit="off", audit_required=False,
        )  # fmt: skip
        supervisor = Supervisor(complain)
        supervisor.add(children.engine(private))
        client = executor(private)
        try:
            supervisor.wait_until(lambda: is_ready(client), _START_DEADLINE_S)
            yield client
        except (StartFailed, Stopped) as error:
            raise PlatformError("start a private engine", str(error)) from error
        finally:
            supervisor.stop()


def _converse(conversation: Conversation, interactive: bool, shown: ShownFiles) -> Result:
    """Show the program's output as it comes, until its end."""
    if interactive:
        with raw_terminal(), _resizes(conversation):
            threading.Thread(target=_type, args=(conversation,), daemon=True).start()
            return _show(conversation, shown, b"\r\n")
    with _interrupts(conversation):
        return _show(conversation, shown, b"\n")


def _show(conversation: Conversation, shown: ShownFiles, line_end: bytes) -> Result:
    for numbered in conversation.events():
        match numbered.event:
            case Stream(name=name, data=data):
                stream = sys.stdout if name == "stdout" else sys.stderr
                stream.buffer.write(data)
                stream.buffer.flush()
            case Display(data=data):
                text = shown.take(data)
                if text is not None:
                    sys.stdout.buffer.write(f"{text}\n".encode().replace(b"\n", line_end))
                    sys.stdout.buffer.flush()
            case Finished(result=result):
                return result
            case _:
                pass
    raise PlatformError("follow the program", "its events ended without a result")


def _type(conversation: Conversation) -> None:
    """Pass on what is typed; two quick Ctrl+C also cancel."""
    last_interrupt_s = 0.0
    while data := os.read(sys.stdin.fileno(), 4096):
        conversation.send(Stdin(data))
        if _CTRL_C in data:
            now_s = time.monotonic()
            if now_s - last_interrupt_s < _SECOND_INTERRUPT_S:
                _control(conversation, Cancel())
            last_interrupt_s = now_s
    conversation.send(EndOfInput())


def _control(conversation: Conversation, control: Resize | Signal | Cancel) -> None:
    """Send what goes beside the input; an interrupt that no program can get ends the run."""
    try:
        conversation.send(control)
    except Conflict:
        if isinstance(control, Signal):
            _control(conversation, Cancel())
    except EngineUnavailable:
        pass  # its end is the run's, which the reader of its events tells


@contextlib.contextmanager
def _resizes(conversation: Conversation) -> Iterator[None]:
    def resize(_number: int, _frame: object) -> None:
        columns, rows = terminal_size()
        # not from the handler: the sender's lock may be held beneath it
        threading.Thread(target=_control, args=(conversation, Resize(columns, rows))).start()

    previous = signal.signal(signal.SIGWINCH, resize)
    resize(signal.SIGWINCH, None)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, previous)


@contextlib.contextmanager
def _interrupts(conversation: Conversation) -> Iterator[None]:
    """Ctrl+C is the program's; a second one ends it."""
    count = 0

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal count
        count += 1
        control = Signal("SIGINT") if count == 1 else Cancel()
        threading.Thread(target=_control, args=(conversation, control)).start()

    def terminate(_number: int, _frame: object) -> None:
        threading.Thread(target=_control, args=(conversation, Cancel())).start()

    handlers = {
        signal.SIGINT: interrupt,
        signal.SIGTERM: terminate,
        signal.SIGHUP: terminate,
    }
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
