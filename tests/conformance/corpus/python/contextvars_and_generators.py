import asyncio
import contextvars

name = contextvars.ContextVar("name", default="nobody")
print(len(contextvars.copy_context()))


async def task(value):
    name.set(value)
    await asyncio.sleep(0)
    return name.get()


async def main():
    print(await asyncio.gather(task("a"), task("b")), name.get())


asyncio.run(main())
print(contextvars.copy_context().run(lambda: (name.set("inside"), name.get())[1]), name.get())
