"""Other ways to run somebody's program, each behind the same HTTP service.

Bubblewrap and nsjail make a sandbox for each program; ``docker run`` makes a
container, of Vibecell's runtime image where this host can have an engine of
its own, else of an image and by an engine that are there; a Jupyter kernel keeps
one interpreter, with no wall and with whatever the program before has left in
it. What a host does not have is named, with the reason.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

from bench.case import Bench, Case, NotHad
from bench.cases.hello import ASK
from bench.containers import containers
from bench.contender import IMAGE_VARIABLE, Contender
from bench.reference import reference
from bench.rounds import take_turns
from bench.rows import Row
from bench.statistics import ratios
from bench.vibecell_service import running

PEERS = {
    "bubblewrap": "bubblewrap and python, by subprocess",
    "jupyter": "Jupyter kernel (state, no isolation)",
    "docker": "docker run --rm",
    "nsjail": "nsjail and python, by subprocess",
}
TITLE = "Python hello, 1 client, p50, by other ways"


def measure(bench: Bench) -> Iterable[Row]:
    """All that this host has take turns with the reference and Vibecell."""
    with ExitStack() as stack:
        theirs = stack.enter_context(reference(bench))
        contenders: list[Contender] = [theirs, stack.enter_context(running(bench))]
        for way, name in PEERS.items():
            try:
                contenders.append(_peer(bench, stack, way, name))
            except NotHad as lacking:
                yield Row(f"Python hello, 1 client, p50: {name}", why=f"not had: {lacking}")
        found = take_turns(bench, contenders, [ASK], clients=1)
    base = found[theirs.name]
    for number, contender in enumerate(contenders[1:]):
        series = found[contender.name]
        ratio = ratios([r.p50_ms for r in series.rounds], [r.p50_ms for r in base.rounds])
        yield Row(
            f"Python hello, 1 client, p50: {contender.name}",
            measured=series.p50_ms.text("ms"),
            reference=base.p50_ms.text("ms"),
            ratio=ratio.text("×", 2),
            series=(series,) if number else (series, base),
        )


def _peer(bench: Bench, stack: ExitStack, way: str, name: str) -> Contender:
    """A peer, running until the stack is closed; raises ``NotHad``."""
    if way != "docker":
        return stack.enter_context(reference(bench, way, name))
    try:
        engine = stack.enter_context(containers(bench))
    except NotHad as lacking:
        bench.say(f"no engine of our own ({lacking}); is there another?")
        return stack.enter_context(reference(bench, way, name))
    environment = {"DOCKER_HOST": engine.host, IMAGE_VARIABLE: engine.image}
    peer = stack.enter_context(reference(bench, way, name, environment))
    return replace(peer, helpers=(engine.account,))


CASE = Case("peers", 110, TITLE, measure)
