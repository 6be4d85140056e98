"""The ruleset follows the ABI and hands out nothing that it does not handle."""

import json
from collections.abc import Mapping

import pytest

from vibecell.sandbox.mechanisms import landlock

ALL_ABIS = range(1, landlock.HIGHEST_KNOWN_ABI + 2)


def rights_at(spec: Mapping[str, object], path: str) -> int:
    rules = spec["rules"]
    assert isinstance(rules, list)
    access: int = dict(rules)[path]
    return access


@pytest.mark.parametrize("abi", ALL_ABIS)
def test_rules_stay_within_what_is_handled(abi: int) -> None:
    spec = landlock.ruleset(abi)
    handled = spec["handled_fs"]
    assert isinstance(handled, int) and isinstance(spec["rules"], list)
    assert all(access & ~handled == 0 and access for _, access in spec["rules"])
    assert json.loads(json.dumps(spec))["abi"] <= landlock.HIGHEST_KNOWN_ABI


@pytest.mark.parametrize(
    ("abi", "last_bit", "size", "scoped", "flags"),
    [
        (1, 12, 8, 0, 0),
        (2, 13, 8, 0, 0),
        (3, 14, 8, 0, 0),
        (4, 14, 16, 0, 0),
        (5, 15, 16, 0, 0),
        (6, 15, 24, 3, 0),
        (7, 15, 24, 3, 5),
    ],
)
def test_each_abi(abi: int, last_bit: int, size: int, scoped: int, flags: int) -> None:
    spec = landlock.ruleset(abi)
    assert spec["handled_fs"] == (1 << (last_bit + 1)) - 1
    assert spec["attribute_bytes"] == size
    assert spec["scoped"] == scoped
    assert spec["restrict_flags"] == flags


def test_root_is_read_only_and_devices_are_not_made() -> None:
    spec = landlock.ruleset(7)
    changing = landlock.WRITE_FILE | landlock.MAKE_REG | landlock.REMOVE_FILE
    assert rights_at(spec, "/") & changing == 0
    for path in ("/workspace", "/tmp", "/dev/shm"):
        assert rights_at(spec, path) & changing == changing
        assert rights_at(spec, path) & (landlock.MAKE_CHAR | landlock.MAKE_BLOCK) == 0


LOOK = landlock.EXECUTE | landlock.READ_FILE | landlock.READ_DIR


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", LOOK),
        ("/dev", LOOK | landlock.WRITE_FILE | landlock.IOCTL_DEV),  # its devices are written to
        ("/run/display", landlock.WRITE_FILE),  # what is shown is the engine's to read
    ],
)
def test_where_nothing_is_to_be_made_nothing_can_be_changed(path: str, most: int) -> None:
    for abi in ALL_ABIS:
        assert rights_at(landlock.ruleset(abi), path) & ~most == 0


def test_only_what_is_a_cells_own_is_its_to_change() -> None:
    rules = landlock.ruleset(7)["rules"]
    assert isinstance(rules, list)
    assert {path for path, rights in rules if rights & landlock.MAKE_REG} == {
        "/workspace",
        "/tmp",
        "/dev/shm",
    }


def test_no_network_right_is_handled_so_that_loopback_works() -> None:
    assert all("net" not in key for key in landlock.ruleset(7))


def test_no_ruleset_without_landlock() -> None:
    with pytest.raises(ValueError, match="no Landlock"):
        landlock.ruleset(0)
