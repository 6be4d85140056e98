"""Programs hear signals whatever the service was told to ignore, or was started with blocked.

As nohup(1), a shell's ``&`` and supervisors do; all of it is inherited. Source: signal(7)
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.cells import Cells, python
from vibecell.model.execution import SourceFile
from vibecell.sandbox.backend import ProcessSpec

IGNORED = frozenset({
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTSTP, signal.SIGTTOU,
})  # fmt: skip
BLOCKED = IGNORED | {signal.SIGTERM, signal.SIGALRM, signal.SIGCONT}
# Source: CPython, _PySignal_Init(); Node.js, src/node.cc, PlatformInit()
INTERPRETERS_OWN = {signal.SIGPIPE, signal.SIGXFSZ}


@contextmanager
def badly_started() -> Iterator[None]:
    """With signals ignored and blocked for what is started meanwhile."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def cells() -> Iterator[Cells]:
    """A backend that was started so; the zygote's part is the same in all of them."""
    with badly_started(), Cells("bubblewrap-shared", ("python-light", "shell", "node")) as cells:
        yield cells


def numbers(mask: bytes) -> set[int]:
    """Source: proc_pid_status(5), SigIgn and SigBlk."""
    return {n + 1 for n in range(64) if int(mask, 16) >> n & 1}


STATUS = (
    "lines = dict(line.split(':\\t') for line in open('/proc/self/status'))\n"
    "print(lines['SigBlk'].strip(), lines['SigIgn'].strip(), flush=True)\n"
)


def test_python_in_place(cells: Cells) -> None:
    source = STATUS + (
        "import os, signal\n"
        "try: os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
    )
    run = cells.run_python(source)
    blocked, ignored, *said = run.stdout.split()
    assert (numbers(blocked), numbers(ignored)) == (set(), INTERPRETERS_OWN)
    assert said == [b"interrupted"]
    assert run.exit.signal == signal.SIGHUP


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_executed(cells: Cells, terminal: bool) -> None:
    argv = ("grep", "Sig[BI]", "/proc/self/status")
    spec = python("", mode="exec", interactive=terminal, argv=argv)
    run = cells.do(cells.run(spec, "shell"))
    assert [numbers(word) for word in run.stdout.split()[1::2]] == [set(), set()]


def test_a_shell_and_its_children(cells: Cells) -> None:
    status = "grep Sig[BI] /proc/self/status"
    script = f"{status}; trap 'echo heard' QUIT; kill -QUIT $$; kill -HUP $$"
    spec = python("", mode="exec", argv=("bash", "-c", script))
    run = cells.do(cells.run(spec, "shell"))
    *words, heard = run.stdout.split()
    assert [numbers(word) for word in words[1::2]] == [set(), set()]
    assert (heard, run.exit.signal) == (b"heard", signal.SIGHUP)


def test_node(cells: Cells) -> None:
    source = (
        "const status = require('fs').readFileSync('/proc/self/status', 'latin1');\n"
        "const value = (name) => status.split(name + ':\\t')[1].slice(0, 16);\n"
        "console.log(value('SigBlk'), value('SigIgn'));\n"
    )
    files = (SourceFile("main.js", source.encode()),)
    run = cells.do(cells.run(ProcessSpec("in_place", "main.js", (), files), "node"))
    assert [numbers(word) for word in run.stdout.split()] == [set(), INTERPRETERS_OWN]
