"""``make flame``: what each kind of process is busy with, under load, as pictures.

Owns the service, the load and the order of recordings; refuses to record two
processes at once, because a recorder stops what it looks at. Pictures and their
folded stacks go to ``bench/results/``.
"""

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import processes
from bench.case import Bench, BenchFailed, NotHad, open_bench
from bench.drive import TOKEN, drive, hello
from bench.flame_record import Stacks, native_stacks, python_stacks
from bench.flame_svg import svg
from bench.vibecell_service import VibecellContender, running
from vibecell.config import load
from vibecell.model.errors import VibecellError

RESULTS = Path(__file__).with_name("results")
_WALL = "bwrap"
_REQUESTS_AT_ONCE = 100
_ASK = hello(f'print("hello {TOKEN}")')


def main(arguments: Sequence[str] | None = None) -> int:
    """Record and draw; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        bench, image = open_bench(load(dict(os.environ)), True, _say)
    except VibecellError as error:
        _say(f"it cannot start: {error}")
        return 2
    try:
        with running(bench) as service, _under_load(service, options.clients):
            drawn = [
                _draw(name, title, record)
                for name, title, record in _recordings(bench, service, options.seconds)
            ]
    except BenchFailed as error:
        _say(str(error))
        return 2
    finally:
        image.release()
    return 0 if any(drawn) else 1


def _recordings(
    bench: Bench, service: VibecellContender, seconds: int
) -> Iterator[tuple[str, str, Callable[[], Stacks]]]:
    gateway, engine = service.part("gateway"), service.part("engine")
    bench.say(f"recording {seconds} s of each")
    yield "gateway", "gateway, Python", lambda: python_stacks(gateway, seconds)
    yield "engine", "engine, Python", lambda: python_stacks(engine, seconds)
    yield "engine-native", "engine, native", lambda: native_stacks([engine], seconds)
    yield (
        "cells",
        "zygotes, agents and programs, native; blue: kernel",
        # looked up when its turn comes: zygotes are replaced now and then
        lambda: native_stacks(_zygotes(processes.tree(service.account.root)), seconds),
    )


def _zygotes(among: Sequence[processes.Process]) -> list[int]:
    """Those that fork: what an outer wall started, and no agent below it."""
    walls = {process.pid for process in among if process.name == _WALL}
    return [process.pid for process in among if process.parent in walls and process.name != _WALL]


def _draw(name: str, title: str, record: Callable[[], Stacks]) -> bool:
    try:
        stacks = record()
    except NotHad as lacking:
        _say(f"{name}: not had: {lacking}")
        return False
    if not stacks:
        _say(f"{name}: no samples")
        return False
    RESULTS.mkdir(exist_ok=True)
    folded = "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items()))
    (RESULTS / f"flame-{name}.folded").write_text(folded)
    picture = RESULTS / f"flame-{name}.svg"
    picture.write_text(svg(f"Vibecell: {title}", stacks))
    _say(f"{picture} ({picture.stat().st_size // 1024} KiB)")
    return True


@contextlib.contextmanager
def _under_load(service: VibecellContender, clients: int) -> Iterator[None]:
    """Requests without an end, until the block does.

    Raises:
        BenchFailed: an answer was wrong.
    """
    over = threading.Event()
    failed: list[BenchFailed] = []

    def press() -> None:
        try:
            while not over.is_set():
                drive(service.address, [_ASK], clients=clients, requests=_REQUESTS_AT_ONCE)
        except BenchFailed as error:
            failed.append(error)

    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        yield
    finally:
        over.set()
        pressing.join()
    if failed:
        raise failed[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.flame", description="Flame graphs of the service.")
    parser.add_argument("--seconds", type=int, default=10, help="of each recording (default 10)")
    parser.add_argument("--clients", type=int, default=8, help="connections (default 8)")
    return parser


def _say(line: str) -> None:
    print(f"flame: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
