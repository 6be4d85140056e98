"""What every backend keeps: one suite, over all of them.

The programs are in the part of Python that the fake backend reads too
(``sandbox/fake/scripted_program.py``), wherever a behaviour means something for it;
what only a kernel can show runs on real backends alone. To add a backend, add
its name to ``KINDS``.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.cells import (
    KINDS,
    QUICK_LIMITS,
    REAL_KINDS,
    Cells,
    Gathered,
    all_mounts,
    container_mounts,
    containers_of,
    docker_host_for,
    empty_cgroups,
    gather,
    python,
    until,
)
from host import host_mounts
from vibecell.model.errors import SandboxFailure
from vibecell.model.execution import MAX_FILES, MAX_PATH_FOLDERS, SourceFile
from vibecell.model.limits import Limits
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import Cell, Collection, Exit, Process

MIB = 1024 * 1024
PROBED = {
    "fake": ("fake", "shared"),
    "bubblewrap-shared": ("bubblewrap", "shared"),
    "bubblewrap-fresh": ("bubblewrap", "fresh"),
    "docker-shared": ("docker", "shared"),
    "docker-fresh": ("docker", "fresh"),
}


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[str, Cells]]:
    """Every backend that was asked for, opened once."""
    found: dict[str, Cells] = {}
    with contextlib.ExitStack() as stack:
        yield found
        for cells in found.values():
            stack.push(cells)


@pytest.fixture
def cells(request: pytest.FixtureRequest, opened: dict[str, Cells]) -> Cells:
    kind = str(request.param)
    if kind not in opened:
        host = docker_host_for(kind, request)
        opened[kind] = Cells(kind, ("python-light", "shell"), docker_host=host).__enter__()
    return opened[kind]


every_backend = pytest.mark.parametrize("cells", KINDS, indirect=True)
real_backends = pytest.mark.parametrize("cells", REAL_KINDS, indirect=True)


def shows(cells: Cells, *sizes: int) -> str:
    """A program that displays something of each of these sizes, in bytes."""
    if cells.kind not in REAL_KINDS:
        return "".join(f"display({size})\n" for size in sizes)
    return (
        "import struct\n"
        f"for size in {sizes}:\n"
        "    with open('/run/display', 'wb') as fifo:\n"
        "        fifo.write(struct.pack('!I', size) + b'x' * size)\n"
    )


def limited(**values: int) -> Limits:
    """The tests' usual limits with some of them changed."""
    return replace(QUICK_LIMITS, **values)


@every_backend
class TestLifecycle:
    def test_output_then_one_exit(self, cells: Cells) -> None:
        run = cells.run_python("print('hello', 6 * 7)")
        assert (run.stdout, run.stderr) == (b"hello 42\n", b"")
        assert (run.exit.exit_code, run.exit.signal, run.exit.stopped_by) == (0, None, None)
        assert run.exit.output_bytes == 9
        assert 0 < run.exit.wall_time_ms < 5_000
        assert not run.exit.truncated

    def test_exit_code(self, cells: Cells) -> None:
        run = cells.run_python("print('out')\nexit(3)")
        assert (run.exit.exit_code, run.stdout) == (3, b"out\n")

    def test_a_program_that_is_wrong_fails_by_itself(self, cells: Cells) -> None:
        run = cells.run_python("print(")
        assert run.exit.exit_code == 1
        assert b"SyntaxError" in run.stderr

    def test_destroy_twice_and_start_after(self, cells: Cells) -> None:
        async def work() -> None:
            cell = await cells.backend.acquire(cells.profile())
            await cell.destroy()
            await cell.destroy()
            with pytest.raises(SandboxFailure):
                await cell.start(python("print(1)"))
            with pytest.raises(SandboxFailure):
                await cell.collect(1, 1)

        cells.do(work())

    def test_destroy_while_running(self, cells: Cells) -> None:
        async def work() -> float:
            async with cells.cell() as cell:
                process = await cell.start(python("print('on')\nwhile True: pass"))
                await until(process, b"on", Gathered())
                began = time.monotonic()
                await cell.destroy()
            return time.monotonic() - began

        assert cells.do(work()) < 10

    def test_many_at_once(self, cells: Cells) -> None:
        async def work() -> list[bytes]:
            specs = [python(f"print({n} * 10)") for n in range(8)]
            return [run.stdout for run in await asyncio.gather(*map(cells.run, specs))]

        assert cells.do(work()) == [b"%d\n" % (n * 10) for n in range(8)]

    def test_probe_says_what_is_enforced(self, cells: Cells) -> None:
        capabilities = cells.do(cells.backend.probe())
        assert (capabilities.backend, capabilities.wall) == PROBED[cells.kind]
        assert capabilities.layers
        assert not capabilities.missing


@every_backend
class TestStreams:
    def test_stdin_is_fed_and_ends(self, cells: Cells) -> None:
        run = cells.run_python("print(input())\nprint(input())", stdin=b"one\ntwo\n")
        assert run.stdout == b"one\ntwo\n"

    def test_stdin_while_running(self, cells: Cells) -> None:
        async def work() -> bytes:
            async with cells.cell() as cell:
                spec = python("print('ready')\nprint(input())", interactive=True)
                process = await cell.start(spec)
                seen = Gathered()
                await until(process, b"ready", seen)
                await process.write_stdin(b"typed\n")
                await process.end_stdin()
                seen = await gather(process, seen)
                await process.write_stdin(b"after the end")
                await process.end_stdin()
                await process.send_signal(signal.SIGINT)
                await process.resize(10, 10)
                assert seen.exits[0].exit_code == 0
                return bytes(seen.stdout)

        assert b"typed" in cells.do(work())

    def test_input_stays_open_without_a_terminal(self, cells: Cells) -> None:
        """Nothing is echoed, and a line is as long as it is."""

        async def work() -> Gathered:
            async with cells.cell() as cell:
                source = "print('ready')\nprint(input())\nprint(input())\nprint(input())"
                process = await cell.start(python(source, interactive="pipe"))
                seen = Gathered()
                await until(process, b"ready", seen)
                await process.write_stdin(b"short\n")
                await until(process, b"short\n", seen)
                await process.write_stdin(b"n" * 100_000 + b"\nin mid-line")
                await process.resize(10, 10)
                await process.end_stdin()
                return await gather(process, seen)

        seen = cells.do(work())
        assert seen.stdout == b"ready\nshort\n" + b"n" * 100_000 + b"\nin mid-line\n"
        assert seen.stderr == b""
        assert seen.exits[0].exit_code == 0

    def test_output_arrives_as_it_is_printed(self, cells: Cells) -> None:
        async def work() -> float:
            async with cells.cell() as cell:
                process = await cell.start(python("print('early')\nimport time\ntime.sleep(1.5)"))
                seen = Gathered()
                await until(process, b"early", seen)
                began = time.monotonic()
                await gather(process, seen)
                return time.monotonic() - began

        assert cells.do(work()) > 0.2, "it came with the end of the program"

    def test_a_slow_reader_holds_up_nobody(self, cells: Cells) -> None:
        async def work() -> None:
            async with cells.cell() as slow, cells.cell() as other:
                await slow.start(python("while True: pass", limits=limited(wall_time_ms=1_000)))
                seen = await gather(await other.start(python("print('meanwhile')")))
                assert seen.stdout == b"meanwhile\n"

        cells.do(work())


@every_backend
class TestControls:
    def test_kill_is_a_cancel(self, cells: Cells) -> None:
        async def work() -> Exit:
            async with cells.cell() as cell:
                process = await cell.start(python("print('on')\nwhile True: pass"))
                seen = Gathered()
                await until(process, b"on", seen)
                process.kill()
                process.kill()
                return (await gather(process, seen)).exits[0]

        exit_ = cells.do(work())
        assert (exit_.stopped_by, exit_.exit_code) == ("cancel", None)

    def test_signal(self, cells: Cells) -> None:
        async def work() -> Exit:
            async with cells.cell() as cell:
                process = await cell.start(python("print('on')\nwhile True: pass"))
                seen = Gathered()
                await until(process, b"on", seen)
                await process.send_signal(signal.SIGTERM)
                return (await gather(process, seen)).exits[0]

        exit_ = cells.do(work())
        assert (exit_.signal, exit_.stopped_by) == (signal.SIGTERM, None)


NOT_READ = b"not read\n" * 500_000
ON_PIPES_OR_A_TERMINAL = pytest.mark.parametrize("interactive", [False, True])


@every_backend
class TestControlsBesideInput:
    """Input that a program has not read holds up nothing but input."""

    async def _with_unread_input(
        self, cell: Cell, source: str, interactive: bool, seen: Gathered
    ) -> tuple[Process, "asyncio.Task[None]"]:
        """A program that runs and reads nothing, and who writes to it without end."""
        spec = python(f"print('on')\n{source}", stdin=NOT_READ, interactive=interactive)
        process = await cell.start(spec)
        await until(process, b"on", seen)
        writing = asyncio.create_task(process.write_stdin(NOT_READ))
        await asyncio.sleep(0.3)  # so that it stands wherever it can stand
        assert not writing.done()
        return process, writing

    @ON_PIPES_OR_A_TERMINAL
    def test_a_signal_arrives(self, cells: Cells, interactive: bool) -> None:
        async def work() -> Exit:
            async with cells.cell() as cell, asyncio.timeout(30):
                seen = Gathered()
                source = "while True: pass"
                process, writing = await self._with_unread_input(cell, source, interactive, seen)
                await process.send_signal(signal.SIGTERM)
                seen = await gather(process, seen)
                await writing
                return seen.exits[0]

        exit_ = cells.do(work())
        assert (exit_.signal, exit_.stopped_by) == (signal.SIGTERM, None)

    @ON_PIPES_OR_A_TERMINAL
    def test_a_kill_arrives(self, cells: Cells, interactive: bool) -> None:
        async def work() -> Exit:
            async with cells.cell() as cell, asyncio.timeout(30):
                seen = Gathered()
                source = "while True: pass"
                process, writing = await self._with_unread_input(cell, source, interactive, seen)
                process.kill()
                seen = await gather(process, seen)
                await writing
                return seen.exits[0]

        assert cells.do(work()).stopped_by == "cancel"

    def test_a_size_arrives(self, cells: Cells) -> None:
        real = (
            "import os, signal, time\n"
            "say = lambda *_: os.write(1, b'resized %dx%d' % tuple(os.get_terminal_size()))\n"
            "signal.signal(signal.SIGWINCH, say)\n"
            "print('heard')\n"
            "while True: time.sleep(0.05)\n"
        )
        source = real if cells.kind in REAL_KINDS else "print('heard')\nwhile True: pass"

        async def work() -> None:
            async with cells.cell() as cell, asyncio.timeout(30):
                seen = Gathered()
                process, writing = await self._with_unread_input(cell, source, True, seen)
                await until(process, b"heard", seen)
                await process.resize(50, 20)
                await until(process, b"resized 50x20", seen)
                process.kill()
                await gather(process, seen)
                await writing

        cells.do(work())

    def test_input_arrives_whole_before_its_end(self, cells: Cells) -> None:
        real = "import shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 5000)"
        source = real if cells.kind in REAL_KINDS else "echo()"
        sent = b"".join(b"%07d\n" % number for number in range(300_000))
        run = cells.run_python(source, stdin=sent, limits=limited(output_bytes=4 * MIB))
        assert run.stdout == sent
        assert run.exit.exit_code == 0


@every_backend
class TestLimits:
    def test_wall_time(self, cells: Cells) -> None:
        run = cells.run_python(
            "print('kept')\nimport time\ntime.sleep(60)", limits=limited(wall_time_ms=1_500)
        )
        assert (run.exit.stopped_by, run.exit.exit_code) == ("wall_time", None)
        assert run.stdout == b"kept\n"
        # far from sixty seconds, and room for a machine that has more to do
        assert 1_500 <= run.exit.wall_time_ms <= 1_500 + 5_000

    def test_output(self, cells: Cells) -> None:
        source = "while True: print('x' * 999)" if cells.kind in REAL_KINDS else "flood(3000000)"
        run = cells.run_python(source, limits=limited(output_bytes=100_000))
        assert (run.exit.stopped_by, run.exit.truncated) == ("output", True)
        assert len(run.stdout) == 100_000

    def test_output_on_both_streams_has_one_limit(self, cells: Cells) -> None:
        real = "import os\nwhile True: os.write(1, b'o' * 999), os.write(2, b'e' * 999)"
        fake = f"write('{'o' * 60_000}')\nerror('{'e' * 60_000}')"
        source = real if cells.kind in REAL_KINDS else fake
        run = cells.run_python(source, limits=limited(output_bytes=100_000))
        assert (run.exit.stopped_by, run.exit.truncated) == ("output", True)
        assert run.stdout and run.stderr
        assert len(run.stdout) + len(run.stderr) == 100_000

    @pytest.mark.parametrize("size_bytes", [0, 30_000, bounds.MAX_DISPLAY_BYTES + 1])
    def test_a_flood_of_displays_ends_at_the_limit_on_output(
        self, cells: Cells, size_bytes: int
    ) -> None:
        run = cells.run_python(
            shows(cells, *[size_bytes] * 1100), limits=limited(cpu_time_ms=9_000)
        )
        assert (run.exit.stopped_by, run.exit.truncated) == ("output", True)
        assert run.exit.output_bytes > QUICK_LIMITS.output_bytes
        assert run.displays_left_out > 0
        cost_bytes = size_bytes + bounds.DISPLAY_COST_BYTES
        assert len(run.displays) == QUICK_LIMITS.output_bytes // cost_bytes

    def test_output_and_displays_have_one_limit(self, cells: Cells) -> None:
        source = shows(cells, 60_000) + f"print('{'x' * 50_000}')"
        run = cells.run_python(source, limits=limited(output_bytes=100_000))
        assert (run.exit.stopped_by, run.exit.truncated) == ("output", True)

    def test_a_display_after_one_that_is_too_large_arrives(self, cells: Cells) -> None:
        sizes = (10, bounds.MAX_DISPLAY_BYTES + 1, 20, bounds.MAX_DISPLAY_BYTES, 2 * MIB * 3, 0, 30)
        run = cells.run_python(shows(cells, *sizes), limits=limited(output_bytes=32 * MIB))
        assert (run.exit.exit_code, run.exit.truncated) == (0, False)
        assert [len(each) for each in run.displays] == [10, 20, bounds.MAX_DISPLAY_BYTES, 0, 30]
        assert run.displays_left_out == 2
        assert run.exit.output_bytes == sum(sizes) + len(sizes) * bounds.DISPLAY_COST_BYTES

    def test_output_exactly_at_the_limit(self, cells: Cells) -> None:
        run = cells.run_python(f"print('{'x' * 99}')", limits=limited(output_bytes=100))
        assert (run.exit.stopped_by, run.exit.truncated) == (None, False)
        assert len(run.stdout) == 100


@real_backends
class TestEnforcement:
    def test_cpu_time(self, cells: Cells) -> None:
        run = cells.run_python("while True: pass", limits=limited(cpu_time_ms=700))
        assert run.exit.stopped_by == "cpu_time"
        assert run.exit.cpu_time_ms is not None
        assert 700 <= run.exit.cpu_time_ms <= 700 * 2  # test_processor_time.py is strict

    def test_work_that_a_program_makes_for_its_cell_is_its_own(self, cells: Cells) -> None:
        """Many displays cost who writes them little, and who reads them more: it pays for both."""
        source = (
            "import time\n"
            "with open('/run/display', 'wb') as fifo: fifo.write(bytes(4) * 60_000)\n"
            "time.sleep(0.5)\n"
            "print(time.process_time() * 1000)\n"
        )
        run = cells.run_python(source, limits=limited(output_bytes=64 * MIB))
        assert len(run.displays) == 60_000
        assert run.exit.cpu_time_ms is not None
        assert run.exit.cpu_time_ms > float(run.stdout) + 10

    def test_memory(self, cells: Cells) -> None:
        run = cells.run_python(
            "print('kept', flush=True)\nx = [bytearray(b'x' * (8 << 20)) for _ in range(64)]",
            limits=limited(memory_bytes=96 * MIB),
        )
        assert run.stdout == b"kept\n"
        assert run.exit.memory_limit_hit or b"MemoryError" in run.stderr
        assert run.exit.exit_code != 0

    def test_processes(self, cells: Cells) -> None:
        run = cells.run_python(
            "import os, time\nfor _ in range(99):\n    if os.fork() == 0:\n        time.sleep(9)\n",
            limits=limited(processes=16),
        )
        assert run.exit.process_limit_hit
        assert b"Error" in run.stderr

    def test_open_files(self, cells: Cells) -> None:
        run = cells.run_python(
            "import os\nn = 0\ntry:\n    while True: os.open('/dev/null', 0); n += 1\n"
            "except OSError as e: print(n, e.errno)",
            limits=limited(open_files=32),
        )
        count, number = run.stdout.split()
        assert 20 <= int(count) <= 32
        assert int(number) == 24

    @pytest.mark.parametrize("folder", ["/workspace", "/tmp"])
    def test_workspace(self, cells: Cells, folder: str) -> None:
        run = cells.run_python(
            f"f = open('{folder}/f', 'wb')\nfor _ in range(64): f.write(b'x' * (1 << 20))",
            limits=limited(workspace_bytes=4 * MIB),
        )
        assert run.exit.workspace_limit_hit
        assert b"No space left" in run.stderr or b"too large" in run.stderr

    def test_usage_is_measured(self, cells: Cells) -> None:
        run = cells.run_python("x = bytearray(b'x' * (40 << 20))\nsum(range(3_000_000))")
        assert run.exit.cpu_time_ms is None or run.exit.cpu_time_ms > 10
        assert run.exit.memory_bytes is None or run.exit.memory_bytes > 30 * MIB

    def test_a_reader_that_stops_reading_does_not_stop_the_clock(self, cells: Cells) -> None:
        async def work() -> Exit:
            async with cells.cell() as cell:
                spec = python("while True: print('x' * 99)", limits=limited(wall_time_ms=800))
                process = await cell.start(spec)
                await asyncio.sleep(1.5)
                return (await gather(process)).exits[0]

        assert cells.do(work()).stopped_by in ("wall_time", "output")


@real_backends
class TestTerminal:
    def test_it_is_a_terminal(self, cells: Cells) -> None:
        source = (
            "import os, sys\nprint([os.isatty(n) for n in range(3)], os.get_terminal_size())\n"
            "print('on stderr', file=sys.stderr)"
        )
        run = cells.run_python(source, interactive=True, columns=111, rows=33)
        assert b"[True, True, True]" in run.stdout
        assert b"columns=111, lines=33" in run.stdout
        assert b"on stderr" in run.stdout
        assert run.stderr == b""

    def test_resize_and_interrupt(self, cells: Cells) -> None:
        source = (
            "import os, signal, time\n"
            "say = lambda *_: os.write(1, str(os.get_terminal_size()).encode())\n"
            "signal.signal(signal.SIGWINCH, say)\n"
            "try:\n"
            "    print('ready', flush=True)\n"
            "    while True: time.sleep(0.05)\n"
            "except KeyboardInterrupt: print('interrupted')\n"
        )

        async def work() -> Gathered:
            async with cells.cell() as cell:
                process = await cell.start(python(source, interactive=True))
                seen = Gathered()
                await until(process, b"ready", seen)
                await process.resize(50, 20)
                await until(process, b"columns=50, lines=20", seen)
                await process.write_stdin(b"\x03")
                return await gather(process, seen)

        seen = cells.do(work())
        assert b"interrupted" in seen.stdout
        assert seen.exits[0].exit_code == 0

    def test_end_of_input(self, cells: Cells) -> None:
        async def work() -> Gathered:
            async with cells.cell() as cell:
                spec = python("print(repr(input()))\ninput()", interactive=True)
                process = await cell.start(spec)
                await process.write_stdin("zwölf\n".encode())
                await process.end_stdin()
                return await gather(process)

        seen = cells.do(work())
        assert "'zwölf'".encode() in seen.stdout
        assert b"EOFError" in seen.stdout

    def test_none_where_input_is_a_pipe(self, cells: Cells) -> None:
        source = (
            "import os, sys\nprint([os.isatty(n) for n in range(3)], os.environ.get('TERM'))\n"
            "print('apart', file=sys.stderr)\nprint(repr(sys.stdin.read()))"
        )

        async def work() -> Gathered:
            async with cells.cell() as cell:
                process = await cell.start(python(source, interactive="pipe"))
                await process.write_stdin(b"\x03\x04 as they are")
                await process.end_stdin()
                return await gather(process)

        seen = cells.do(work())
        assert seen.stdout == b"[False, False, False] None\n'\\x03\\x04 as they are'\n"
        assert seen.stderr == b"apart\n"

    def test_end_of_input_in_mid_line_and_for_later_readers(self, cells: Cells) -> None:
        source = (
            "import subprocess, sys\n"
            "read = sys.stdin.read()\n"
            "print('\\nall:', repr(read), flush=True)\n"
            "print('again:', repr(sys.stdin.read()), flush=True)\n"
            "subprocess.run('cat; wc -c; read x; echo $?', shell=True)\n"
            "try: input()\n"
            "except EOFError: print('nothing to ask')\n"
        )

        async def work() -> Gathered:
            async with cells.cell() as cell:
                process = await cell.start(python(source, interactive=True))
                await process.write_stdin("line\nno newlinö".encode())
                await process.end_stdin()
                return await gather(process)

        said = cells.do(work()).stdout.decode().splitlines()
        assert said[-5:] == [
            "all: 'line\\nno newlinö'", "again: ''", "0", "1", "nothing to ask"
        ]  # fmt: skip

    def test_it_edits_lines_by_character_and_takes_long_ones(self, cells: Cells) -> None:
        source = "print(ascii(input())); print(len(input()))"

        async def work() -> Gathered:
            async with cells.cell() as cell:
                process = await cell.start(python(source, interactive=True))
                await process.write_stdin("cafée\x7f\x7f\x7f漢\x7f\n".encode())
                await process.write_stdin(b"n" * 10_000 + b"\n")
                return await gather(process)

        said = cells.do(work()).stdout
        assert b"'ca'" in said  # its line end comes after what is echoed meanwhile
        assert said.splitlines()[-1] == b"10000"


@real_backends
class TestSurroundings:
    """What a program finds where it starts, as on a machine of one's own."""

    def test_names_of_hosts_services_and_protocols(self, cells: Cells) -> None:
        source = (
            "import socket as s\n"
            "print(s.gethostname(), s.gethostbyname(s.gethostname()), s.getfqdn())\n"
            "kinds = s.AF_INET, s.AF_INET6\n"
            "found = [s.getaddrinfo('localhost', 80, kind)[0][4][0] for kind in kinds]\n"
            "print(*found, s.gethostbyname('localhost'))\n"
            "print(s.gethostbyaddr('127.0.0.1')[0], s.gethostbyaddr('::1')[0])\n"
            "print(s.getservbyname('http'), s.getservbyname('ntp', 'udp'), s.getservbyport(22))\n"
            "print(*map(s.getprotobyname, ('tcp', 'UDP', 'ipv6-icmp')))\n"
            "with s.create_server((s.gethostname(), 0)) as server:\n"
            "    with s.create_connection(server.getsockname()): print('met')\n"
            "print(open('/etc/hostname').read(), end='')\n"
        )
        run = cells.run_python(source)
        assert run.stderr == b""
        assert run.stdout.decode().splitlines() == [
            "sandbox 127.0.1.1 sandbox",
            "127.0.0.1 ::1 127.0.0.1",
            "localhost localhost",
            "80 123 ssh",
            "6 17 58",
            "met",
            "sandbox",
        ]

    def test_terminals_of_its_own(self, cells: Cells) -> None:
        """As ``pty``, script(1), expect and job control want them."""
        source = (
            "import os, pty, subprocess, sys, termios, tty\n"
            "pid, fd = pty.fork()\n"
            "if pid == 0: os.execlp('bash', 'bash', '-ic', 'tty; stty size; echo $-')\n"
            "said = b''\n"
            "while True:\n"
            "    try: said += os.read(fd, 1000)\n"
            "    except OSError: break\n"
            "print(os.waitpid(pid, 0)[1], said, flush=True)\n"
            "r, w = os.pipe(); os.dup2(r, 0)  # or what it types would be our input\n"
            "print(pty.spawn(['bash', '-c', 'test -t 0 && test -t 1 && echo both']), flush=True)\n"
            "master, slave = os.openpty()\n"
            "print(os.ttyname(slave), os.stat(slave).st_uid == os.getuid(), flush=True)\n"
            "tty.setraw(slave); os.write(master, b'k'); print(os.read(slave, 9))\n"
            "print(os.getsid(0) == os.getpgid(0) == os.getpid())\n"
            "child = subprocess.run([sys.executable, '-c', 'import os; print(os.setsid() or "
            "os.getsid(0) == os.getpid())'], capture_output=True, start_new_session=False)\n"
            "print(child.stdout)\n"
        )
        run = cells.run_python(source)
        assert run.stderr == b""
        status, *lines = run.stdout.decode().replace("\r", "").splitlines()
        assert status.startswith("0 b'/dev/pts/0\\r\\n0 0\\r\\n"), status
        assert "i" in status.split("\\r\\n")[2]
        assert lines == [
            "both", "0", "/dev/pts/1 True", "b'k'", "True", repr(b"True\n")
        ]  # fmt: skip

    def test_job_control(self, cells: Cells) -> None:
        script = (
            "set -m\nsleep 50 & echo $(jobs -r | wc -l) running\n"
            'kill -STOP %1; until [ "$(jobs -s)" ]; do sleep 0.02; done; echo stopped\n'
            "test $(cut -d' ' -f5 /proc/$!/stat) = $! && echo own group\n"
            "kill -CONT %1; kill %1; wait %1; echo status $?\n"
        )
        for terminal in (False, True):
            spec = python("", mode="exec", argv=("bash", "-c", script), interactive=terminal)
            run = cells.do(cells.run(spec, "shell"))
            said = run.stdout.decode().splitlines()
            assert {"1 running", "stopped", "own group", "status 143"} <= {*said}, run


@every_backend
class TestFiles:
    def test_left_files_are_collected(self, cells: Cells) -> None:
        real = "open('out.txt', 'w').write('left')"
        run = cells.run_python(real if cells.kind in REAL_KINDS else "leave('out.txt', 'left')")
        assert [(f.path, f.content) for f in run.files] == [("out.txt", b"left")]

    def test_nothing_left(self, cells: Cells) -> None:
        assert cells.run_python("print(1)").files == ()

    @pytest.mark.parametrize(
        ("max_files", "max_bytes", "kept"),
        [(64, 1_000, 5), (2, 1_000, 2), (64, 40, 4), (0, 1_000, 0)],
        ids=["all fit", "too many", "one is too large", "none is wanted"],
    )
    def test_what_was_left_out_is_counted(
        self, cells: Cells, max_files: int, max_bytes: int, kept: int
    ) -> None:
        left = {f"{n}.txt": "x" * (50 if n == 2 else 10) for n in range(5)}
        real = "".join(f"open({path!r}, 'w').write({text!r})\n" for path, text in left.items())
        fake = "".join(f"leave({path!r}, {text!r})\n" for path, text in left.items())

        async def work() -> Collection:
            async with cells.cell() as cell:
                source = real if cells.kind in REAL_KINDS else fake
                await gather(await cell.start(python(source)))
                return await cell.collect(max_files, max_bytes)

        found = cells.do(work())
        assert len(found.files) == kept
        assert found.left_out == len(left) - kept
        assert all(left[f.path] == f.content.decode() for f in found.files)

    def test_what_was_left_out_is_named_with_its_reason(self, cells: Cells) -> None:
        deep = "/".join(["d" * 200] * 8) + "/x"
        left = {"a.txt": 10, "b\n.txt": 50, "ü.txt": 35, "z.txt": 1, deep: 1}
        real = "import os\n" + "".join(
            f"os.makedirs(os.path.dirname({path!r}) or '.', exist_ok=True)\n"
            f"open({path!r}, 'w').write('x' * {size})\n"
            for path, size in left.items()
        )
        fake = "".join(f"leave({path!r}, {'x' * size!r})\n" for path, size in left.items())

        async def work() -> Collection:
            async with cells.cell() as cell:
                source = real if cells.kind in REAL_KINDS else fake
                await gather(await cell.start(python(source)))
                return await cell.collect(64, 40)

        found = cells.do(work())
        assert {file.path for file in found.files} == {"a.txt", "z.txt"}
        assert {(x.path, x.size_bytes, x.reason) for x in found.omitted} >= {
            ("b\n.txt", 50, "too_large"),
            ("ü.txt", 35, "no_room"),
        }
        (last,) = (x for x in found.omitted if x.path.startswith("d"))
        assert last.reason == "unnameable"
        assert found.left_out == len(found.omitted) == 3

    def test_so_many_are_named_and_all_are_counted(self, cells: Cells) -> None:
        real = "for n in range(90): open(f'{n}.txt', 'w').close()"
        fake = "".join(f"leave('{n}.txt', '')\n" for n in range(90))

        async def work() -> Collection:
            async with cells.cell() as cell:
                source = real if cells.kind in REAL_KINDS else fake
                await gather(await cell.start(python(source)))
                return await cell.collect(10, 100)

        found = cells.do(work())
        assert (len(found.files), found.left_out) == (10, 80)
        assert [x.reason for x in found.omitted] == ["too_many"] * bounds.MAX_OMITTED_NAMED


@real_backends
class TestFilesOfAKernel:
    def test_given_files_and_changed_ones(self, cells: Cells) -> None:
        source = (
            "import os\nprint(open('in/same.txt').read())\n"
            "open('in/changed.txt', 'a').write(' more')\nos.makedirs('a/b')\n"
            "open('a/b/new.bin', 'wb').write(bytes(range(256)))\n"
        )
        given = (
            SourceFile("main.py", source.encode()),
            SourceFile("in/same.txt", b"same"),
            SourceFile("in/changed.txt", b"some"),
        )
        run = cells.run_python(source, files=given)
        assert run.stderr == b""
        assert {f.path: f.content for f in run.files} == {
            "in/changed.txt": b"some more",
            "a/b/new.bin": bytes(range(256)),
        }

    def test_a_change_that_size_and_times_do_not_tell_is_seen(self, cells: Cells) -> None:
        source = (
            "import os\n"
            "for name, text in (('changed.txt', 'two'), ('same.txt', 'one')):\n"
            "    then = os.stat(name)\n"
            "    with open(name, 'r+') as file: file.write(text)\n"
            "    os.utime(name, ns=(then.st_atime_ns, then.st_mtime_ns))\n"
            "os.rename('large.bin', 'moved.bin')\n"
            "with open('large.bin', 'wb') as file: file.write(b'y' * 200_000)\n"
        )
        large = b"x" * 200_000
        given = (
            SourceFile("main.py", source.encode()),
            SourceFile("changed.txt", b"one"),
            SourceFile("same.txt", b"one"),
            SourceFile("large.bin", large),
        )
        run = cells.run_python(source, files=given)
        assert run.stderr == b""
        assert {f.path: f.content for f in run.files} == {
            "changed.txt": b"two",
            "moved.bin": large,
            "large.bin": b"y" * 200_000,
        }

    def test_whatever_a_file_system_takes_for_a_name(self, cells: Cells) -> None:
        names = (
            "Übersicht – März 2024.csv", "图.csv", "👩\u200d💻.txt", ".env", "...", "-rf", "a\\b",
            "line\nend", "\x1b[2J", "%2e%2e", "x" * 255, "@scope/pkg/.hidden/index.js",
        )  # fmt: skip
        source = (
            "import os\n"
            f"for name in {names!r}:\n"
            "    text = open(name).read()\n"
            "    open(os.path.join(os.path.dirname(name), 'new ' + text), 'w').write(text)\n"
            "    open(name, 'a').write('!')\n"
        )
        given = (
            SourceFile("main.py", source.encode()),
            *(SourceFile(name, b"%d" % n) for n, name in enumerate(names)),
        )
        run = cells.run_python(source, files=given)
        assert run.stderr == b""
        assert run.omitted == ()
        again = (given[0], *(SourceFile(f.path, f.content) for f in run.files))
        left = {f.path: f.content for f in run.files}
        assert left == {name: b"%d!" % n for n, name in enumerate(names)} | {
            f"{'@scope/pkg/.hidden/' if n == 11 else ''}new {n}": b"%d" % n for n in range(12)
        }
        assert cells.run_python("", files=again).stderr == b""

    def test_what_cannot_be_brought_is_named(self, cells: Cells) -> None:
        source = (
            "import os, socket\n"
            "def leave(name):\n"
            "    with open(name, 'w') as file: file.write('12345')\n"
            "for name in ('one', 'shut', b'\\xe9.txt', 'fine'): leave(name)\n"
            "os.link('one', 'two')\n"
            "os.chmod('shut', 0)\n"
            "os.symlink('fine', 'link')\n"
            "os.mkfifo('pipe')\n"
            "socket.socket(socket.AF_UNIX).bind('socket')\n"
            "os.makedirs('/'.join('d' * 18))\n"
            "os.makedirs(b'\\xff/below')\n"
            "os.mkdir('closed', 0)\n"
            "os.makedirs('.cache/x'); leave('.cache/x/y')\n"
            "os.mkdir('__pycache__'); leave('__pycache__/y')\n"
        )
        run = cells.run_python(source)
        assert run.stderr == b""
        assert [f.path for f in run.files] == ["fine"]
        assert {(x.path, x.size_bytes, x.reason) for x in run.omitted} == {
            ("one", 5, "hard_link"),
            ("two", 5, "hard_link"),
            ("shut", 5, "unreadable"),
            ("closed", None, "unreadable"),
            (r"\udce9.txt", 5, "unnameable"),
            (r"\udcff", None, "unnameable"),
            ("link", None, "not_regular"),
            ("pipe", None, "not_regular"),
            ("socket", None, "not_regular"),
            ("/".join("d" * 17), None, "too_deep"),
        }
        assert run.left_out == len(run.omitted)

    def test_a_folder_of_very_many_names(self, cells: Cells) -> None:
        source = (
            "import os\nos.mkdir('many')\nopen('first', 'w').close()\n"
            "for n in range(5100): os.symlink('x', f'many/{n}')\n"
        )
        run = cells.run_python(source, limits=limited(workspace_bytes=128 * MIB))
        assert [f.path for f in run.files] == ["first"]
        assert run.left_out > 4_900
        assert len(run.omitted) == bounds.MAX_OMITTED_NAMED

    @pytest.mark.parametrize("workspace_bytes", [1, 3 * MIB])
    def test_as_many_files_as_a_request_may_have(self, cells: Cells, workspace_bytes: int) -> None:
        """However small their workspace: what has no bytes takes no page."""
        source = b"import os\nprint(sum(len(names) for _, _, names in os.walk('.')))\n"
        content = b"x" if workspace_bytes > MIB else b""
        given = [SourceFile("main.py", source)] + [
            SourceFile(f"{n}/" + "d/" * (MAX_PATH_FOLDERS - 1) + "f", content)
            for n in range(MAX_FILES - 1)
        ]
        run = cells.run_python(
            source, files=tuple(given), limits=limited(workspace_bytes=workspace_bytes)
        )
        assert run.stdout == b"256\n"

    def test_a_large_file_is_given_whole(self, cells: Cells) -> None:
        source = b"import os\nprint(os.path.getsize('data.bin'))"
        given = (SourceFile("main.py", source), SourceFile("data.bin", b"\xff\x00" * MIB))
        assert cells.run_python(source, files=given).stdout == b"2097152\n"

    def test_bounds_of_collection(self, cells: Cells) -> None:
        async def work() -> tuple[int, int]:
            async with cells.cell() as cell:
                source = "for n in range(20): open(f'{n}.txt', 'w').write('x' * 1000)"
                await gather(await cell.start(python(source)))
                files = (await cell.collect(8, 5_000)).files
                return len(files), sum(len(f.content) for f in files)

        count, size = cells.do(work())
        assert 0 < count <= 8
        assert size <= 5_000

    def test_two_stages_in_one_cell(self, cells: Cells) -> None:
        async def work() -> bytes:
            async with cells.cell("shell") as cell:
                shell = python(b"", files=(), mode="exec")
                first = replace(shell, argv=("sh", "-c", "echo built > built.txt"))
                await gather(await cell.start(first))
                second = replace(shell, argv=("cat", "built.txt"))
                return bytes((await gather(await cell.start(second))).stdout)

        assert cells.do(work()) == b"built\n"

    def test_a_program_that_is_not_there(self, cells: Cells) -> None:
        spec = python(b"", mode="exec", argv=("no-such-program",))
        run = cells.do(cells.run(spec, "shell"))
        assert run.exit.exit_code == 127


@real_backends
class TestCleanup:
    def test_nothing_of_a_cell_is_left(self, cells: Cells) -> None:
        mounts = host_mounts()
        for _ in range(5):
            cells.run_python("import os\nfor _ in range(5):\n    if not os.fork(): os.setsid()\n")
        cells.wait_until(lambda: not empty_cgroups() and host_mounts() == mounts)
        assert not empty_cgroups()
        assert host_mounts() == mounts

    def test_a_cell_is_used_once(self, cells: Cells) -> None:
        source = (
            "import os, random\nprint(os.listdir('.'), os.listdir('/tmp'), hasattr(random, 'x'))\n"
            "random.x = 1\nopen('/tmp/x', 'w')\nopen('x', 'w')\n"
        )
        for _ in range(3):
            assert cells.run_python(source).stdout == b"['main.py'] [] False\n"


@pytest.mark.parametrize("kind", ["docker-shared", "docker-fresh"])
def test_no_container_is_left(kind: str, request: pytest.FixtureRequest) -> None:
    with Cells(kind, ("python-light",), docker_host=docker_host_for(kind, request)) as cells:
        assert cells.run_python("print(1)").stdout == b"1\n"
        cells.wait_until(lambda: bool(container_mounts(cells) & all_mounts()))
        mounts = container_mounts(cells)
        assert mounts & all_mounts(), "the test looks for what is not there"
        cells.do(cells.backend.close())
        assert containers_of(cells) == []
        assert not mounts & all_mounts()
