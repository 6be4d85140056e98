"""A slice ends by time as it ends by bytes: much work may come of few of them."""

from collections.abc import Iterator

import pytest

from vibecell.gateway.http import turns
from vibecell.gateway.http.turns import SLICE_BYTES, SLICE_S, UNKNOWN_FRACTION, Share

LITTLE_S = SLICE_S / 10


class _Waiter:
    waited = 0

    def get(self) -> None:
        type(self).waited += 1

    def switch(self, value: object) -> None: ...


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Iterator[Share]:
    monkeypatch.setattr(turns, "Waiter", _Waiter)
    monkeypatch.setattr(_Waiter, "waited", 0)
    made = Share()
    yield made
    made._timer.stop()


def steps_until_it_waits(share: Share, spent_s: float, size_bytes: int, known: bool) -> int:
    for step in range(1, 1000):
        share.spend(share.loop.iteration, spent_s, size_bytes, known)
        if _Waiter.waited:
            return step
    raise AssertionError("it never waits")


def test_work_without_bytes_has_an_end(share: Share) -> None:
    assert 10 <= steps_until_it_waits(share, LITTLE_S, 0, known=True) <= 11


def test_a_stranger_has_a_smaller_one(share: Share) -> None:
    steps = steps_until_it_waits(share, LITTLE_S, 0, known=False)
    assert 10 * UNKNOWN_FRACTION <= steps <= 10 * UNKNOWN_FRACTION + 1


def test_bytes_without_work_have_an_end(share: Share) -> None:
    assert steps_until_it_waits(share, 0.0, SLICE_BYTES // 8, known=True) == 8
