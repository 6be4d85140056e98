"""Ids, owners and keys on the engine link: bounded, and an id is a word."""

import msgspec
import pytest

from owners import ME
from vibecell.model.errors import InvalidRequest
from vibecell.wire.link import InspectCall, decode_call


def inspect(**said: object) -> object:
    return decode_call(msgspec.msgpack.encode({"call": "inspect", "owner": ME.owner, **said}))


def test_an_id_is_a_word() -> None:
    assert inspect(id="aZ09_-") == InspectCall("aZ09_-", ME.owner)


@pytest.mark.parametrize(
    "wrong", ["", "a" * 129, "../../etc", "a/b", "a b", "a\nb", "a\0", "ä", "a.b", 7, None]
)
def test_what_is_no_word_is_no_id(wrong: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        inspect(id=wrong)
    assert [problem.path for problem in caught.value.problems] == ["id"]


NO_OWNERS: list[object] = [
    "me",
    7,
    {},
    {"key": ""},
    {"key": "k" * 65},
    {"key": "a b"},
    {"key": "k", "user": ""},
    {"key": "k", "user": "u" * 129},
    {"key": "k", "user": "a\nb"},
    {"key": "k", "user": 7},
]


@pytest.mark.parametrize("wrong", NO_OWNERS)
def test_owners_are_bounded(wrong: object) -> None:
    with pytest.raises(InvalidRequest):
        inspect(id="a", owner=wrong)
