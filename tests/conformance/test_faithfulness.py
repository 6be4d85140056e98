"""A program run in place cannot be told from one run by the plain interpreter.

Every program of the corpus runs twice in cells of the same profile: once as
a request for it is planned, nearly always in place, once by executing the plain
interpreter. Exit code, signal, stdout and stderr must be equal byte for byte;
nothing is normalised.

What differs by design is left out of the corpus: process ids are not the same,
``/proc/self/environ`` shows the block the process began with, and the rest that
docs/reference/warm-interpreters.md lists.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import REAL_KINDS, Cells, Run, docker_host_for
from conformance.programs import Program, load
from vibecell.engine.plan import make_plan
from vibecell.model.execution import ExecutionRequest
from vibecell.model.language import Offer
from vibecell.model.limits import Limits
from vibecell.sandbox.backend import ProcessSpec

LIMITS = Limits(wall_time_ms=30_000, cpu_time_ms=30_000)
PYTHON = load("python", "main.py")
NODE = load("node", "main.js")
PROFILES = {"": "python-light", "data": "python-data"}


@pytest.fixture(scope="module", params=REAL_KINDS)
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    kind = str(request.param)
    profiles = ("python-light", "python-data", "node")
    # one whose wall is made for it alone takes a while: made while others run
    bounds = (2, 12) if kind.endswith("fresh") else (2, 2)
    with Cells(kind, profiles, bounds, docker_host_for(kind, request)) as cells:
        yield cells


def _pair(cells: Cells, program: Program, language: str, profile: str, *plain: str) -> list[Run]:
    """The plain run and the other, at once: in two cells, and nothing of one is in the other."""

    async def both() -> list[Run]:
        specs = [_spec(cells, program, language, *plain), _spec(cells, program, language)]
        return await asyncio.gather(*(cells.run(spec, profile) for spec in specs))

    return cells.do(both())


def _spec(cells: Cells, program: Program, language: str, *plain: str) -> ProcessSpec:
    request = ExecutionRequest(
        language, program.files, args=program.args, stdin=program.stdin, env=program.env,
        limits=LIMITS,
    )  # fmt: skip
    (stage,) = make_plan(request, Offer(tuple(cells.languages.values()))).stages
    return replace(stage.spec, mode="exec", argv=(*plain, *program.args)) if plain else stage.spec


@pytest.mark.parametrize("program", PYTHON, ids=[p.name for p in PYTHON])
def test_python_in_place_is_the_plain_interpreter(cells: Cells, program: Program) -> None:
    profile = PROFILES[program.profile]
    plain, in_place = _pair(cells, program, "python", profile, "python3", "main.py")
    assert in_place.observable == plain.observable
    assert plain.exit.stopped_by is None


@pytest.mark.parametrize("program", NODE, ids=[p.name for p in NODE])
def test_node_warm_is_the_plain_interpreter(cells: Cells, program: Program) -> None:
    plain, warm = _pair(cells, program, "javascript", "node", "node", "main.js")
    assert warm.observable == plain.observable
    assert plain.exit.stopped_by is None


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(PYTHON) >= 70
    assert len(NODE) >= 25
