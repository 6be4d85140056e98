"""The attacks and the contract again, on an engine that an ordinary user has started.

He has one uid for all cells: namespaces alone keep them apart. Without cgroups their use is
sampled; or else some were delegated to him.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from security.ordinary_user import CHECKOUT, OrdinaryUser, ordinary_user
from vibecell.config import Settings

DEADLINE_S = 600
ATTACKS = Path(__file__).with_name("test_attacks.py")
LIMITS = CHECKOUT / "tests" / "integration" / "test_limits.py"
KEYS = CHECKOUT / "tests" / "integration" / "test_keys_served.py"
CONFORMANCE = CHECKOUT / "tests" / "conformance" / "test_backend.py"


@pytest.fixture(scope="module")
def user(settings: Settings, prepared: object) -> Iterator[OrdinaryUser]:
    with ordinary_user(settings.state_dir) as somebody:
        yield somebody


@pytest.fixture(scope="module")
def user_with_cgroups(settings: Settings, prepared: object) -> Iterator[OrdinaryUser]:
    with ordinary_user(settings.state_dir, delegated=True) as somebody:
        yield somebody


@pytest.mark.timeout(DEADLINE_S)
@pytest.mark.parametrize("wall", ["shared", "fresh"])
def test_attacks_are_contained(user: OrdinaryUser, wall: str) -> None:
    _passed(user, str(ATTACKS), "-k", f"bubblewrap-{wall}")


@pytest.mark.timeout(DEADLINE_S)
def test_cells_keep_the_contract(user: OrdinaryUser) -> None:
    _passed(user, str(CONFORMANCE), "-k", "bubblewrap")


@pytest.mark.timeout(DEADLINE_S)
def test_limits_are_kept_by_sampling(user: OrdinaryUser) -> None:
    _passed(user, str(LIMITS), "-k", "sampling")


@pytest.mark.timeout(DEADLINE_S)
def test_keys_are_that_users_own(user: OrdinaryUser) -> None:
    _passed(user, str(KEYS), "-k", "gateways_user_has or every_change or (refusal and not own_it)")


@pytest.mark.timeout(DEADLINE_S)
@pytest.mark.parametrize("wall", ["shared", "fresh"])
def test_attacks_are_contained_in_delegated_cgroups(
    user_with_cgroups: OrdinaryUser, wall: str
) -> None:
    _passed(user_with_cgroups, str(ATTACKS), "-k", f"bubblewrap-{wall}")


@pytest.mark.timeout(DEADLINE_S)
def test_limits_are_kept_by_delegated_cgroups(user_with_cgroups: OrdinaryUser) -> None:
    _passed(user_with_cgroups, str(LIMITS), "-k", "cgroup")


def _passed(user: OrdinaryUser, *arguments: str) -> None:
    done = user.run_tests(DEADLINE_S - 100, *arguments)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
