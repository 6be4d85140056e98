"""The attacks and the contract again, on an engine that an ordinary user has started.

He has one uid for all cells and no cgroup: namespaces alone keep cells apart, and
their use is sampled.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from security.ordinary_user import CHECKOUT, OrdinaryUser, ordinary_user
from vibecell.config import Settings

DEADLINE_S = 600
ATTACKS = Path(__file__).with_name("test_attacks.py")
CONFORMANCE = CHECKOUT / "tests" / "conformance" / "test_backend.py"


@pytest.fixture(scope="module")
def user(settings: Settings, prepared: object) -> Iterator[OrdinaryUser]:
    with ordinary_user(settings.state_dir) as somebody:
        yield somebody


@pytest.mark.timeout(DEADLINE_S)
@pytest.mark.parametrize("wall", ["shared", "fresh"])
def test_attacks_are_contained(user: OrdinaryUser, wall: str) -> None:
    _passed(user, str(ATTACKS), "-k", f"bubblewrap-{wall}")


@pytest.mark.timeout(DEADLINE_S)
def test_cells_keep_the_contract(user: OrdinaryUser) -> None:
    _passed(user, str(CONFORMANCE), "-k", "bubblewrap")


def _passed(user: OrdinaryUser, *arguments: str) -> None:
    done = user.run_tests(DEADLINE_S - 100, *arguments)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
