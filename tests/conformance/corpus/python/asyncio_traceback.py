import asyncio


async def inner():
    await asyncio.sleep(0)
    raise LookupError("in a coroutine")


async def main():
    await inner()


asyncio.run(main())
