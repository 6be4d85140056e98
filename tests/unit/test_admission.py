"""Admission: the bounds hold, turns are fair, and nobody has all the room there is to wait in."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from owners import ANOTHER, ME, YOU
from vibecell.engine import admission as admission_module
from vibecell.engine.admission import TOLD_AT_ONCE, Admission, Ticket
from vibecell.model.caller import Account, Owner
from vibecell.model.errors import QueueFull


class Told:
    def __init__(self) -> None:
        self.positions: list[int] = []
        self.waits_ms: list[int | None] = []

    def __call__(self, position: int, wait_ms: int | None) -> None:
        self.positions.append(position)
        self.waits_ms.append(wait_ms)


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission_module, "time", clock)
    monkeypatch.setattr(admission_module, "PROCESSORS", 1)
    return clock


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def user(key: str, name: str) -> Account:
    return Account(Owner(key, name))


def test_one_s_own_come_in_their_order_and_never_more_than_allowed() -> None:
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

        tickets = [admission.admit(ME, Told()) for _ in range(20)]
        await asyncio.gather(*(one(n, t) for n, t in enumerate(tickets)))
        assert order == list(range(20))
        assert most <= 2
        assert (admission.running, admission.waiting) == (0, 0)

    run(scenario)


def test_whoever_comes_while_one_floods_is_next() -> None:
    async def scenario() -> None:
        admission = Admission(1, 200)
        flood = [admission.admit(ME, Told()) for _ in range(200)]
        single = admission.admit(YOU, Told())
        assert not single.granted
        flood[0].release(1.0)
        assert single.granted

    run(scenario)


def test_a_key_s_users_have_turns_alike(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(1, 200)
        ann = [admission.admit(user("shop", "ann"), Told()) for _ in range(50)]
        bob = [admission.admit(user("shop", "bob"), Told()) for _ in range(50)]
        for _ in range(40):
            clock.now_s += 0.01
            next(t for t in (*ann, *bob) if t.granted and t.held_s and not t._released).release(5.0)
        done = [sum(ticket._released for ticket in tickets) for tickets in (ann, bob)]
        assert abs(done[0] - done[1]) <= 1

    run(scenario)


@pytest.mark.parametrize("cpu_time_ms", [100.0, 2000.0])
def test_a_key_of_twice_the_weight_has_twice_the_time(clock: Clock, cpu_time_ms: float) -> None:
    async def scenario() -> None:
        admission = Admission(1, 300)
        heavy = replace(YOU, weight=2.0)
        tickets = [(who, admission.admit(who, Told())) for _ in range(150) for who in (ME, heavy)]
        done = {ME: 0, heavy: 0}
        for _ in range(90):
            who, ticket = next(x for x in tickets if x[1].granted)
            tickets.remove((who, ticket))
            clock.now_s += 1.0
            ticket.release(cpu_time_ms)
            done[who] += 1
        assert abs(done[heavy] - 60) <= 2

    run(scenario)


def test_who_sleeps_in_his_place_pays_for_it(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(1, 300)
        tickets = [(who, admission.admit(who, Told())) for _ in range(150) for who in (ME, YOU)]
        done = {ME: 0, YOU: 0}
        while min(len([t for w, t in tickets if w is who]) for who in (ME, YOU)) > 20:
            who, ticket = next(x for x in tickets if x[1].granted)
            tickets.remove((who, ticket))
            clock.now_s += 9.0 if who is ME else 1.0
            ticket.release(0.0 if who is ME else 1000.0)
            done[who] += 1
        assert done[YOU] >= 8 * done[ME]

    run(scenario)


def test_what_nobody_measured_is_charged_as_held(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(4, 300)  # a place is worth a quarter of a processor
        ended = []
        admission._queue.end = lambda _, cost: ended.append(cost)  # type: ignore[method-assign]
        tickets = [admission.admit(ME, Told()) for _ in range(3)]
        clock.now_s += 8.0
        for ticket, cpu_time_ms in zip(tickets, (None, 500.0, 6000.0), strict=True):
            ticket.release(cpu_time_ms)
        assert ended == [8.0, 2.0, 6.0]

    run(scenario)


def test_priority_orders_one_s_own_alone() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100)
        running = admission.admit(ME, Told())
        late, urgent = admission.admit(ME, Told(), -1), admission.admit(ME, Told(), 10)
        other = admission.admit(YOU, Told(), -10)
        running.release(1.0)
        for ticket in (other, urgent, late):
            assert ticket.granted
            ticket.release(1.0)

    run(scenario)


def test_a_full_queue_refuses_at_once_with_a_hint() -> None:
    async def scenario() -> None:
        admission = Admission(1, 1)
        first = admission.admit(ME, Told())
        admission.admit(ME, Told())
        with pytest.raises(QueueFull) as caught:
            admission.admit(ME, Told())
        assert caught.value.retry_after_s >= 1
        first.release()
        admission.admit(ME, Told())

    run(scenario)


def test_no_queue_at_all() -> None:
    async def scenario() -> None:
        admission = Admission(1, 0)
        ticket = admission.admit(ME, Told())
        with pytest.raises(QueueFull):
            admission.admit(ME, Told())
        ticket.release()
        assert admission.admit(ME, Told()).granted

    run(scenario)


def fill(admission: Admission, account: Account) -> int:
    """Come until there is no room any more."""
    count = 0
    while True:
        try:
            admission.admit(account, Told())
        except QueueFull:
            return count
        count += 1


def test_the_whole_queue_is_never_one_s_own() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100)
        assert fill(admission, user("shop", "ann")) == 101  # one of them runs
        # other users of that key, and then other keys, find room: and each leaves some
        assert fill(admission, user("shop", "bob")) >= 15
        assert admission.waiting <= 125
        for number in range(20):
            admission.admit(user(f"key{number}", "carl"), Told())
        with pytest.raises(QueueFull, match="of this key") as refused:
            admission.admit(user("shop", "dora"), Told())
        # which is told to a user: nothing of how much the others do
        assert not any(character.isdigit() for character in str(refused.value))

    run(scenario)


def test_a_key_of_a_thousand_users_is_one_key() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100)
        refused = 0
        for number in range(1000):
            try:
                admission.admit(user("crowd", f"user{number}"), Told())
            except QueueFull:
                refused += 1
        assert refused == 1000 - 126
        assert fill(admission, ANOTHER) >= 20

    run(scenario)


def test_whoever_is_refused_is_told_whose_room_is_full() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100)
        fill(admission, user("shop", "ann"))
        with pytest.raises(QueueFull, match="100 executions of this user wait"):
            admission.admit(user("shop", "ann"), Told())
        for number in range(100):
            fill(admission, user(f"key{number}", "carl"))
        with pytest.raises(QueueFull, match="every place is taken"):
            admission.admit(user("late", ""), Told())

    run(scenario)


def test_positions_are_told_and_fall() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10)
        tolds = [Told() for _ in range(4)]
        tickets = [admission.admit(ME, told) for told in tolds]
        await asyncio.sleep(0.15)
        assert [t.positions for t in tolds] == [[], [0], [1], [2]]
        tickets[0].release()
        assert tickets[1].granted
        await asyncio.sleep(0.15)
        assert [t.positions for t in tolds] == [[], [0], [1, 0], [2, 1]]

    run(scenario)


def test_a_burst_is_told_once(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(1, 1000)
        tolds = [Told() for _ in range(500)]
        tickets = [admission.admit(ME, told) for told in tolds]
        for ticket in tickets[:200]:
            ticket.release()
        assert sum(len(told.positions) for told in tolds) <= 201  # who was next, each time

    run(scenario)


def test_a_long_queue_is_told_in_slices_between_which_others_have_the_loop() -> None:
    async def scenario() -> None:
        admission, many = Admission(1, 10_000), 3 * TOLD_AT_ONCE + 7
        tolds: list[Told] = []
        tickets = []
        for number in range(many + 1):
            tolds.append(Told())
            tickets.append(admission.admit(user(f"key {number}", ""), tolds[-1]))

        def told_in_all() -> int:
            return sum(bool(told.positions) for told in tolds)

        last = told_in_all()
        left: set[int] = set()
        until = asyncio.get_running_loop().time() + 30
        while told_in_all() < many - len(left) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0)
            assert told_in_all() - last <= TOLD_AT_ONCE
            if last == 1 < told_in_all():  # the first slice: who is in the third leaves
                left = {2 * TOLD_AT_ONCE + 5}
                tickets[2 * TOLD_AT_ONCE + 5].release()
            last = told_in_all()
        assert not any(tolds[number].positions for number in left)
        assert told_in_all() == many - len(left)

    run(scenario)


def test_one_who_cannot_be_told_once_does_not_end_the_telling() -> None:
    class Failing(Told):
        failed = 0

        def __call__(self, position: int, wait_ms: int | None) -> None:
            if not self.failed:
                self.failed += 1
                raise RuntimeError("he cannot be told now")

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        admission, failing, last = Admission(1, 10_000), Failing(), Told()
        first = admission.admit(user("key", ""), Told())
        for number in range(TOLD_AT_ONCE + 50):
            admission.admit(user(f"key {number}", ""), Told())
        admission.admit(user("failing", ""), failing)
        admission.admit(user("last", ""), last)
        until = loop.time() + 30
        while not failing.failed and loop.time() < until:
            await asyncio.sleep(0.01)
        assert failing.failed
        first.release()  # everybody comes one place nearer
        while not last.positions and loop.time() < until:
            await asyncio.sleep(0.01)
        assert last.positions

    run(scenario)


def test_a_newcomer_s_position_is_that_of_his_turn() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100)
        for _ in range(50):
            admission.admit(ME, Told())
        told = Told()
        admission.admit(YOU, told)
        await asyncio.sleep(0.15)
        assert told.positions == [0]

    run(scenario)


def test_the_wait_is_told_once_it_can_be_measured(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(2, 10)
        running = [admission.admit(ME, Told()) for _ in range(2)]
        tolds = [Told() for _ in range(4)]
        waiting = [admission.admit(ME, told) for told in tolds]
        assert tolds[0].waits_ms == [None]
        clock.now_s += 3.0
        running[0].release()
        assert waiting[0].granted
        await asyncio.sleep(0.15)
        assert [told.waits_ms for told in tolds[1:]] == [[1500], [3000], [4500]]

    run(scenario)


def test_the_hint_grows_with_the_queue_and_the_time_that_places_are_held(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(2, 10)
        for _ in range(3):
            admission.admit(ME, Told())
        assert admission.retry_after_s() == 1
        clock.now_s += 5.0  # nobody has given one back; the oldest has had his for so long
        assert admission.retry_after_s() == 5
        next(iter(admission._granted.values())).release()
        assert admission.retry_after_s() == 3
        for _ in range(3):
            admission.admit(ME, Told())
        assert admission.retry_after_s() == 10

    run(scenario)


def test_leaving_the_queue_moves_the_others_up() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10)
        tolds = [Told() for _ in range(3)]
        tickets = [admission.admit(ME, told) for told in tolds]
        await asyncio.sleep(0.15)
        waiting = asyncio.ensure_future(tickets[1].wait())
        await asyncio.sleep(0)
        waiting.cancel()
        tickets[1].release()
        tickets[1].release()
        assert tolds[2].positions == [1, 0]
        assert (admission.running, admission.waiting) == (1, 1)
        tickets[0].release()
        await asyncio.wait_for(tickets[2].wait(), 1)

    run(scenario)


def test_who_waits_for_input_gives_his_place_to_another_and_has_one_again_at_once() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10, max_parked=1)
        first, second, third = (admission.admit(ME, Told()) for _ in range(3))
        first.park()
        assert (admission.running, admission.parked, second.granted) == (1, 1, True)
        first.resume()
        first.resume()
        assert (admission.running, admission.parked, third.granted) == (2, 0, False)
        second.release()
        assert third.granted and admission.running == 2
        first.release()
        third.release()
        assert (admission.running, admission.parked, admission.waiting) == (0, 0, 0)

    run(scenario)


def test_what_is_parked_can_end_and_gives_back_what_it_has() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10, max_parked=2)
        parked, running = admission.admit(ME, Told()), admission.admit(ME, Told())
        parked.park()
        parked.park()
        assert (admission.running, admission.parked) == (1, 1)
        parked.release()
        parked.resume()
        assert (admission.running, admission.parked) == (1, 0)
        waiting = admission.admit(ME, Told())
        waiting.park()  # it has no place to give back
        assert admission.parked == 0 and not waiting.granted
        running.release()
        assert waiting.granted

    run(scenario)


def test_the_parked_are_bounded_and_never_all_one_s_own() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100, max_parked=20)
        ann = [admission.admit(user("shop", "ann"), Told()) for _ in range(40)]
        for ticket in ann:
            ticket.park()
        assert admission.parked == 12
        held = next(ticket for ticket in ann if ticket.granted and not ticket.parked)
        assert admission.running == 1
        other = admission.admit(YOU, Told())
        held.release(1.0)
        while not other.granted:
            next(ticket for ticket in ann if ticket.granted and not ticket.parked).release(1.0)
        other.park()
        assert admission.parked == 13

    run(scenario)


def test_whoever_has_all_its_prompts_go_on_at_once_keeps_no_newcomer_from_a_place() -> None:
    async def scenario() -> None:
        admission = Admission(1, 100, max_parked=20)
        mine = [admission.admit(ME, Told()) for _ in range(30)]
        for ticket in mine:
            ticket.park()
        began = [ticket for ticket in mine if ticket.granted]
        for ticket in began:
            ticket.resume()
        assert (admission.running, admission.parked) == (len(began), 0) and len(began) > 10
        newcomer = admission.admit(YOU, Told())
        next(ticket for ticket in began if not ticket.is_beside).release()
        assert newcomer.granted
        # and what goes on has no further rooms: as many run as before, however they pause
        for ticket in began:
            ticket.park()
            ticket.resume()
        newcomer.release()
        assert sum(ticket.granted for ticket in mine) == len(began) + 1

    run(scenario)


def test_who_goes_on_where_a_place_is_free_has_that_and_leaves_room_beside() -> None:
    async def scenario() -> None:
        admission = Admission(1, 10, max_parked=1)
        first = admission.admit(ME, Told())
        first.park()
        first.resume()
        assert not admission.admit(ME, Told()).granted
        first.park()
        assert (admission.running, admission.parked) == (1, 1)

    run(scenario)


def test_time_without_a_place_is_not_paid_for(clock: Clock) -> None:
    async def scenario() -> None:
        admission = Admission(1, 10, max_parked=1)
        ticket = admission.admit(ME, Told())
        clock.now_s += 2.0
        ticket.park()
        clock.now_s += 50.0
        assert ticket.held_s == 2.0
        ticket.resume()
        clock.now_s += 1.0
        assert ticket.held_s == 3.0

    run(scenario)
