"""Uids are given to one holder at a time, lowest first, and never twice."""

from itertools import pairwise
from pathlib import Path

import pytest

from vibecell.sandbox.mechanisms.idmap import BLOCK_SIZE, MAX_BLOCKS, UidRange, write_id_maps

BASE = 1_900_000_000


def test_lowest_free_uid_first_and_never_the_walls_own() -> None:
    block = UidRange(BASE).take_block()
    assert [block.take() for _ in range(3)] == [1, 2, 3]
    block.give_back(2)
    assert block.take() == 2
    assert block.take() == 4


def test_a_uid_not_given_back_never_returns() -> None:
    block = UidRange(BASE).take_block()
    quarantined = block.take()
    others = [block.take() for _ in range(BLOCK_SIZE - 2)]
    assert quarantined not in others
    with pytest.raises(OSError, match="no uid"):
        block.take()


def test_a_uid_is_not_given_back_twice() -> None:
    block = UidRange(BASE).take_block()
    uid = block.take()
    block.give_back(uid)
    with pytest.raises(KeyError):
        block.give_back(uid)


def test_blocks_do_not_overlap() -> None:
    uids = UidRange(BASE)
    blocks = [uids.take_block() for _ in range(MAX_BLOCKS)]
    firsts = sorted(block.first for block in blocks)
    assert firsts[0] == BASE
    assert all(b - a >= BLOCK_SIZE for a, b in pairwise(firsts))
    with pytest.raises(OSError, match="no block"):
        uids.take_block()


def test_giving_a_block_back_twice_frees_nobody_elses() -> None:
    uids = UidRange(BASE)
    old = uids.take_block()
    uids.give_back_block(old)
    new = uids.take_block()
    uids.give_back_block(old)
    assert uids.take_block().first != new.first


def test_a_block_is_free_again_when_its_last_uid_is() -> None:
    uids = UidRange(BASE)
    block = uids.take_block()
    cell, quarantined = block.take(), block.take()
    uids.give_back_block(block)
    assert uids.take_block().first != block.first
    block.give_back(cell)
    assert uids.take_block().first != block.first, "one uid may be in use yet"
    block.give_back(quarantined)
    assert uids.take_block().first == block.first
    uids.give_back_block(block)
    assert uids.take_block().first != block.first, "it was given back once"


@pytest.mark.parametrize("base", [0, 1000, 65535, 2**32 - 1])
def test_ids_of_the_system_are_refused(base: int) -> None:
    with pytest.raises(ValueError, match="no room"):
        UidRange(base)


def test_maps_are_written_whole(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    block = UidRange(BASE).take_block()
    write_id_maps(42, block, proc=tmp_path)
    for name in ("uid_map", "gid_map"):
        assert (tmp_path / "42" / name).read_text() == f"0 {BASE} {BLOCK_SIZE}"
