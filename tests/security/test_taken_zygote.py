"""What a zygote that was taken over can do to others: the outer wall by itself.

The inner wall is what every other attack meets first. Here it has fallen: programs of
``zygote_attacks/`` run as the zygote (``taken_zygote.py``), with all that it holds, and try
for what is the host's, the engine's, or behind another wall. Whatever they could do must
be among what a zygote needs, and hurt nobody but the cells of its own wall.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.cells import QUICK_LIMITS, docker_host_for, python
from vibecell.model.execution import SourceFile
from vibecell.sandbox.backend import ProcessSpec

from .others import Others, others_of
from .taken_cells import TakenCells

HERE = Path(__file__).parent
KINDS = ("docker-fresh", "docker-shared", "bubblewrap-shared")
ATTACKS = sorted((HERE / "zygote_attacks").glob("*.py"))
HELPERS = tuple(SourceFile(n, (HERE / n).read_bytes()) for n in ("attack.py", "reach.py"))
LIMITS = replace(QUICK_LIMITS, wall_time_ms=30_000, output_bytes=16 << 20)


@pytest.fixture(scope="module", params=KINDS)
def cells(request: pytest.FixtureRequest) -> Iterator[TakenCells]:
    kind = str(request.param)
    with TakenCells(kind, docker_host=docker_host_for(kind, request)) as cells:
        yield cells


@pytest.fixture(scope="module")
def others(cells: TakenCells) -> Iterator[Others]:
    with others_of(cells) as others:
        yield others


def attack_spec(source: bytes, others: Others) -> ProcessSpec:
    """An attack as the program of a cell whose zygote was taken over."""
    told = json.dumps(others.names)
    return python(
        source, argv=(told,), limits=LIMITS, files=(SourceFile("main.py", source), *HELPERS)
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=[a.name for a in ATTACKS])
def test_it_reaches_nothing_of_others(cells: TakenCells, others: Others, attack: Path) -> None:
    run = cells.do(cells.run(attack_spec(attack.read_bytes(), others), "taken"))
    told = run.stdout.decode("utf-8", "replace")
    print(told)
    assert "ESCAPED" not in told, told[-4000:]
    assert "CONTAINED" in told, (run.exit, told[-4000:])
    others.require_unharmed()
    assert cells.run_python("print('hello', 6 * 7)").stdout == b"hello 42\n"


def test_every_attack_says_what_should_stop_it() -> None:
    assert len(ATTACKS) >= 12
    for attack in ATTACKS:
        assert "Expected containment:" in attack.read_text(), attack.name
