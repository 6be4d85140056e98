import asyncio
import sys


async def main():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; print(sys.stdin.read().upper()); sys.exit(4)",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"text")
    print(out, process.returncode, flush=True)
    shell = await asyncio.create_subprocess_shell("echo shell; exit 2")
    print(await shell.wait())


asyncio.run(main())
