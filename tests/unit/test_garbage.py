"""What both daemons do every few seconds, so that memory comes back."""

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from vibecell.config import garbage


class _Thing:
    """Part of a circle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def settled() -> Iterator[None]:
    thresholds = gc.get_threshold()
    garbage.settle_garbage()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("settled")
def test_a_circle_is_found_though_it_outlived_every_collection_before() -> None:
    thing = _Thing()
    is_there = weakref.ref(thing)
    for generation in (0, 1, 2):
        gc.collect(generation)
    del thing
    gc.collect(1)  # all that a busy daemon's counts would have brought about
    assert is_there() is not None
    garbage.give_back()
    assert is_there() is None


@pytest.mark.parametrize(("took_s", "wait_s"), [(0.001, 5.0), (0.05, 5.0), (0.2, 20.0)])
def test_it_takes_no_more_than_a_hundredth_of_the_time(
    monkeypatch: pytest.MonkeyPatch, took_s: float, wait_s: float
) -> None:
    moments = iter([0.0, took_s])
    # not the clock of all: other threads of this process look at it
    monkeypatch.setattr(garbage, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    assert garbage.give_back() == pytest.approx(wait_s)
