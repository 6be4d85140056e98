import asyncio


async def tick(name, delay, times):
    for i in range(times):
        await asyncio.sleep(delay)
        print(name, i)
    return name


async def main():
    async with asyncio.TaskGroup() as group:
        a = group.create_task(tick("a", 0.05, 2))
        b = group.create_task(tick("b", 0.12, 1))
    print(a.result(), b.result())
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(1)
    except TimeoutError:
        print("timeout")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(5))
            group.create_task(fail())
    except* ValueError as errors:
        print("group", errors.exceptions)


async def fail():
    raise ValueError("one task")


asyncio.run(main())
