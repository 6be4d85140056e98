"""Who waits for a result alone is woken by the end, and by nothing before it."""

import asyncio

from vibecell.engine.event_log import EventLog
from vibecell.model.events import Finished, Stream
from vibecell.model.execution import Result
from vibecell.model.verdicts import Verdict

from .link_messages import events

END = Finished(Result("x", Verdict.ACCEPTED))
ENOUGH_S = 20.0


def test_all_who_wait_are_told_of_the_end_once_it_is_there() -> None:
    async def scenario() -> None:
        log = EventLog()
        waiting = [asyncio.create_task(log.last_message()) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
            log.append(Stream("run", "stdout", b"not yet"))
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        log.append(END)
        async with asyncio.timeout(ENOUGH_S):
            for message in await asyncio.gather(*waiting):
                assert [each.event for each in events(message)] == [END]
            assert await log.last_message() == waiting[0].result()

    asyncio.run(scenario())


def test_one_who_gives_up_keeps_nobody_else_waiting() -> None:
    async def scenario() -> None:
        log = EventLog()
        waiting = [asyncio.create_task(log.last_message()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        log.append(END)
        async with asyncio.timeout(ENOUGH_S):
            assert await waiting[1]

    asyncio.run(scenario())
