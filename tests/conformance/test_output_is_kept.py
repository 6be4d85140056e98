"""What a program has printed before its end is kept, whatever ends it, and seen while it runs.

Each end is tried with text that has no newline, on both streams, in an interpreter that was
started ahead, in a new one, and in one that a program starts itself.
"""

import asyncio
import re
from collections.abc import Iterator

import pytest

from conformance.cells import REAL_KINDS, Cells, Gathered, Run, docker_host_for, python, until
from vibecell.model.execution import SourceFile
from vibecell.model.limits import MIB, Limits
from vibecell.sandbox.backend import Exit, ProcessSpec

LIMITS = Limits(wall_time_ms=20_000, cpu_time_ms=20_000, memory_bytes=256 * MIB)
SHORT = Limits(wall_time_ms=1_000, cpu_time_ms=20_000)

ENDS = {
    "killed": "import os; os.kill(os.getpid(), 9)",
    "crashed": "import ctypes; ctypes.string_at(0)",
    "aborted": "import os; os.abort()",
    "left at once": "import os; os._exit(3)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "out of memory": "x = [bytearray(b'x' * (1 << 20)) for _ in range(2000)]",
    "replaced": "import os; os.execvp('true', ['true'])",
    "output replaced": "import io; sys.stdout = sys.stderr = io.StringIO(); print('captured')",
    "output gone": "sys.stdout = sys.stderr = None; A = type('A', (), {'__del__': id}); a = A()",
    "time is up": "import time; time.sleep(60)",
    "time is up in a loop of C": "sum(range(10**12))",
}
PRINTED = """import sys
print("one", end="")
print("", "two", end="\\t")
sys.stdout.write("three")
sys.stdout.buffer.write(b"\\xff four")
sys.stderr.write("five")
sys.stderr.buffer.write(b"\\xff six")
"""
STDOUT, STDERR = b"one two\tthree\xff four", b"five\xff six"

CHILDREN = {
    "subprocess": "import subprocess; subprocess.run([sys.executable, 'child.py'])",
    "shell": "import os; os.system('python3 child.py')",
    "isolated": "import subprocess; subprocess.run([sys.executable, '-I', 'child.py'])",
    "fork": "import multiprocessing, child; start(multiprocessing.get_context('fork'))",
    "spawn": "import multiprocessing, child; start(multiprocessing.get_context('spawn'))",
    "forkserver": "import multiprocessing, child; start(multiprocessing.get_context('forkserver'))",
    "thread": "import threading, child; threading.Thread(target=child.work).start()",
}
PARENT = """import sys
def start(context):
    process = context.Process(target=child.work)
    process.start()
    process.join()
if __name__ == "__main__":
    """
CHILD = """import time
def work():
    print("from a child", end=" ")
    time.sleep(60)
if __name__ == "__main__":
    work()
"""


@pytest.fixture(scope="module", params=REAL_KINDS)
def cells(request: pytest.FixtureRequest) -> Iterator[Cells]:
    kind = str(request.param)
    bounds = (4, 12) if kind.endswith("fresh") else (4, 4)
    with Cells(kind, ("python-light", "node"), bounds, docker_host_for(kind, request)) as cells:
        yield cells


def run_all(cells: Cells, specs: list[ProcessSpec]) -> list[Run]:
    async def all_of_them() -> list[Run]:
        return await asyncio.gather(*map(cells.run, specs))

    return cells.do(all_of_them())


def new_interpreter(source: str, **changes: object) -> ProcessSpec:
    return python(
        "",
        mode="exec",
        argv=("python3", "app.py"),
        entrypoint="app.py",
        files=(SourceFile("app.py", source.encode()),),
        **changes,
    )


@pytest.mark.parametrize("end", ENDS)
def test_what_was_printed_before_a_programs_end_is_kept(cells: Cells, end: str) -> None:
    limits = SHORT if end.startswith("time") else LIMITS
    source = PRINTED + ENDS[end]
    warm, cold = run_all(
        cells, [python(source, limits=limits), new_interpreter(source, limits=limits)]
    )
    for run in (warm, cold):
        assert (run.stdout, run.stderr[: len(STDERR)]) == (STDOUT, STDERR)
    assert warm.observable[:2] == cold.observable[:2]


def test_what_a_child_printed_before_the_time_limit_is_kept(cells: Cells) -> None:
    child = SourceFile("child.py", CHILD.encode())
    specs = [
        python(
            "",
            files=(SourceFile("main.py", (PARENT + start).encode()), child),
            limits=Limits(wall_time_ms=3_000),
        )
        for start in CHILDREN.values()
    ]
    for name, run in zip(CHILDREN, run_all(cells, specs), strict=True):
        assert (run.stdout, run.exit.stopped_by) == (b"from a child ", "wall_time"), name


@pytest.mark.parametrize("interactive", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("make", [python, new_interpreter], ids=["warm", "new"])
def test_text_without_a_newline_is_seen_while_the_program_runs(
    cells: Cells, make: object, interactive: bool
) -> None:
    source = "import time\nfor _ in range(3): print('.', end='')\ntime.sleep(60)"

    async def scenario() -> None:
        async with cells.cell() as cell:
            spec = make(source, interactive=interactive)  # type: ignore[operator]
            process = await cell.start(spec)
            await until(process, b"...", Gathered())
            process.kill()
            async for occurrence in process.read():
                if isinstance(occurrence, Exit):
                    assert occurrence.stopped_by == "cancel"

    cells.do(scenario())


TOGETHER = {
    "threads": """
import threading, time
def work(i):
    for k in range(5):
        print("worker", i, "step", k)
        time.sleep(0.01)
workers = [threading.Thread(target=work, args=(i,)) for i in range(5)]
""",
    "processes": """
import multiprocessing
def work(i):
    for k in range(5): print("worker", i, "step", k)
workers = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(5)]
""",
}


@pytest.mark.parametrize("kind", TOGETHER)
def test_lines_of_those_who_print_together_stay_whole(cells: Cells, kind: str) -> None:
    source = TOGETHER[kind] + "[w.start() for w in workers]\n[w.join() for w in workers]"
    for run in run_all(cells, [python(source), new_interpreter(source)] * 2):
        lines = run.stdout.decode().splitlines()
        assert len(lines) == 25
        assert all(re.fullmatch(r"worker \d step \d", line) for line in lines), run.stdout


def test_what_flushes_takes_few_of_the_processes_that_a_program_may_have(cells: Cells) -> None:
    """``os.fork`` in a loop, and a pool of as many as plain Python could have."""
    source = (
        "import os, multiprocessing\n"
        "for _ in range(40):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print(len(os.listdir('/proc/self/task')))\n"
        "with multiprocessing.get_context('fork').Pool(40) as pool:\n"
        "    print(sum(pool.map(abs, range(40))))\n"
    )
    (run,) = run_all(cells, [python(source, limits=Limits(processes=64, wall_time_ms=20_000))])
    assert (run.stdout, run.stderr) == (b"2\n780\n", b"")


JAVASCRIPT = """
console.log('y'.repeat(400000));
console.error('z'.repeat(400000));
"""
JAVASCRIPT_ENDS = (
    "process.exit(0)",
    "process.kill(process.pid, 9)",
    "process.abort()",
    "for (;;);",
)


def test_what_node_printed_before_its_end_is_whole(cells: Cells) -> None:
    async def all_of_them() -> list[Run]:
        specs = (
            python("", files=(SourceFile("main.js", (JAVASCRIPT + end).encode()),), limits=SHORT)
            for end in JAVASCRIPT_ENDS
        )
        return await asyncio.gather(*(cells.run(spec, "node") for spec in specs))

    for end, run in zip(JAVASCRIPT_ENDS, cells.do(all_of_them()), strict=True):
        assert run.stdout == b"y" * 400_000 + b"\n", end
        assert run.stderr[:400_001] == b"z" * 400_000 + b"\n", end


def test_an_interpreter_told_how_to_print_does_as_told(cells: Cells) -> None:
    source = "import sys; print(type(sys.stdout.buffer).__name__, sys.stdout.write_through)"
    plain, told = run_all(
        cells,
        [new_interpreter(source), new_interpreter(source, env={"PYTHONUNBUFFERED": "1"})],
    )
    assert plain.stdout == told.stdout == b"FileIO True\n"
    assert not plain.stderr and not told.stderr
