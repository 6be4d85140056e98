import asyncio


async def tick(name, delay, mine, others):
    for i in range(2):
        await mine.wait()
        mine.clear()
        await asyncio.sleep(delay)
        print(name, i)
        others.set()
    return name


async def main():
    # They take turns: which of two timers is due first is the machine's to say, not the program's.
    turn_of_a, turn_of_b = asyncio.Event(), asyncio.Event()
    turn_of_a.set()
    async with asyncio.TaskGroup() as group:
        a = group.create_task(tick("a", 0.02, turn_of_a, turn_of_b))
        b = group.create_task(tick("b", 0.01, turn_of_b, turn_of_a))
    print(a.result(), b.result())
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(60)
    except TimeoutError:
        print("timeout")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(fail())
    except* ValueError as errors:
        print("group", errors.exceptions)


async def fail():
    raise ValueError("one task")


asyncio.run(main())
