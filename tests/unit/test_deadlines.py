"""Work in a thread, whoever waits for it."""

import asyncio
import threading

import pytest

from vibecell.sandbox.mechanisms.deadlines import in_thread


def test_what_it_returns_and_raises_is_told() -> None:
    assert asyncio.run(in_thread(int, "7")) == 7
    with pytest.raises(ValueError, match="seven"):
        asyncio.run(in_thread(int, "seven"))


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancel_is_heeded_when_it_is_done_however_often_it_is_given(fails: bool) -> None:
    begun, let_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        let_end.wait(10)
        ended.set()
        if fails:
            raise OSError("nobody is told")

    async def whole() -> None:
        task = asyncio.create_task(in_thread(work))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.005)
            assert not task.done()
        let_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(whole())
