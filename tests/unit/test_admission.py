"""Admission: the bounds hold, the order is the order of coming."""

import asyncio

import pytest

from vibecell.engine.admission import Admission, Ticket
from vibecell.model.errors import QueueFull


class Told:
    def __init__(self) -> None:
        self.positions: list[int] = []

    def __call__(self, position: int) -> None:
        self.positions.append(position)


def test_first_come_first_served_and_never_more_than_allowed() -> None:
    async def scenario() -> None:
        admission = Admission(2, 100)
        order: list[int] = []
        most = 0

        async def one(number: int, ticket: Ticket) -> None:
            nonlocal most
            await ticket.wait()
            order.append(number)
            most = max(most, admission.running)
            await asyncio.sleep(0)
            ticket.release()

        tickets = [admission.admit(Told()) for _ in range(20)]
        await asyncio.gather(*(one(n, t) for n, t in enumerate(tickets)))
        assert order == list(range(20))
        assert most <= 2
        assert (admission.running, admission.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_full_queue_refuses_at_once_with_a_hint() -> None:
    async def scenario() -> None:
        admission = Admission(1, 1)
        first = admission.admit(Told())
        admission.admit(Told())
        with pytest.raises(QueueFull) as caught:
            admission.admit(Told())
        assert caught.value.retry_after_s >= 1
        first.release()
        admission.admit(Told())

    asyncio.run(scenario())


def test_no_queue_at_all() -> None:
    async def scenario() -> None:
        admission = Admission(1, 0)
        ticket = admission.admit(Told())
        with pytest.raises(QueueFull):
            admission.admit(Told())
        ticket.release()
        assert admission.admit(Told()).granted

    asyncio.run(scenario())


def test_positions_are_told_and_fall() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10)
        tolds = [Told() for _ in range(4)]
        tickets = [admission.admit(told) for told in tolds]
        assert [t.positions for t in tolds] == [[], [0], [1], [2]]
        await asyncio.sleep(0.11)
        tickets[0].release()
        assert tickets[1].granted
        assert [t.positions for t in tolds] == [[], [0], [1, 0], [2, 1]]

    asyncio.run(scenario())


def test_leaving_the_queue_moves_the_others_up() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10)
        tolds = [Told() for _ in range(3)]
        tickets = [admission.admit(told) for told in tolds]
        waiting = asyncio.ensure_future(tickets[1].wait())
        await asyncio.sleep(0)
        waiting.cancel()
        tickets[1].release()
        tickets[1].release()
        assert tolds[2].positions == [1, 0]
        assert (admission.running, admission.waiting) == (1, 1)
        tickets[0].release()
        await asyncio.wait_for(tickets[2].wait(), 1)

    asyncio.run(scenario())
