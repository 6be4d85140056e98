"""What is run under load: programs whose output is computed of a number, and known.

Owns the mix of languages, lengths and verdicts, and the judgement of an answer; refuses to
know how an answer came. A number is given to one run alone: no answer can be another's.
"""

from collections.abc import Callable
from dataclasses import dataclass

Body = dict[str, object]
_MIB = 1024 * 1024
_LINES = 2000
_ROOM_BYTES = 1000
_SUM_TO = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said of a run, through whatever door.

    Attributes:
        error: what the program wrote to stderr, and what the platform said of it.
    """

    id: str
    verdict: str
    output: str
    error: str
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a program.

    Attributes:
        output: its stdout, whole.
        exit_code: ``None`` is not looked at.
        error: is in what it says to stderr.
        page: is in the page that it is; empty: it is none.
    """

    output: str
    verdict: str = "accepted"
    exit_code: int | None = None
    error: str = ""
    page: str = ""

    def difference(self, answer: Answer, interrupted: bool = False) -> str | None:
        """How an answer differs; ``None``: it does not.

        Args:
            interrupted: a client asked to stop it, which may have come too late.
        """
        if interrupted and answer.verdict == "cancelled":
            if self.output.startswith(answer.output):
                return None
            return f"{answer.output[-80:]!r} is no beginning of the output"
        if answer.verdict != self.verdict:
            return f"the verdict is {answer.verdict}, not {self.verdict}"
        if answer.output != self.output:
            return f"the output is {answer.output[:80]!r}, not {self.output[:80]!r}"
        if self.exit_code is not None and answer.exit_code != self.exit_code:
            return f"the exit code is {answer.exit_code}, not {self.exit_code}"
        if self.error not in answer.error:
            return f"{self.error!r} is not in {answer.error[-80:]!r}"
        return None


@dataclass(frozen=True, slots=True)
class Program:
    """One kind of program.

    Attributes:
        weight: how often it comes, against the others.
        of: the request, and what must come of it, for one number.
        short: whether it is done at once; how long it takes to answer such ones is measured.
    """

    name: str
    weight: int
    of: Callable[[int], tuple[Body, Expected]]
    short: bool = True

    @property
    def language(self) -> str:
        """What it is written in."""
        return str(self.of(0)[0]["language"])


def _run(
    code: str, expected: Expected, language: str = "python", **more: object
) -> tuple[Body, Expected]:
    return {"code": code, "language": language, **more}, expected


def hello(n: int) -> tuple[Body, Expected]:
    """The smallest program there is."""
    return _run(f"print({n} * {n} + 1)", Expected(f"{n * n + 1}\n", exit_code=0))


def busy(n: int) -> tuple[Body, Expected]:
    """Some tens of milliseconds of a processor, always the same."""
    total = _SUM_TO * (_SUM_TO - 1) // 2 + n
    return _run(f"print(sum(range({_SUM_TO})) + {n})", Expected(f"{total}\n", exit_code=0))


def sleeper(n: int) -> tuple[Body, Expected]:
    """Holds its place and does nothing."""
    return _run(f"import time\ntime.sleep(0.5)\nprint({n} + 1)", Expected(f"{n + 1}\n"))


def _slow_speaker(n: int) -> tuple[Body, Expected]:
    code = f"import time\nfor i in range(5):\n    print({n} + i, flush=True)\n    time.sleep(0.03)"
    return _run(code, Expected("".join(f"{n + i}\n" for i in range(5))))


def _page(n: int) -> tuple[Body, Expected]:
    code = f"<!doctype html><title>{n}</title><p>{n * 3}</p>"
    return _run(code, Expected("", page=f"<p>{n * 3}</p>"), "html")


def _files(n: int) -> tuple[Body, Expected]:
    files = [
        {"path": "main.py", "content": "import part\nprint(part.number * 5)"},
        {"path": "part.py", "content": f"number = {n}"},
    ]
    return {"language": "python", "files": files}, Expected(f"{n * 5}\n")


def _numpy(n: int) -> tuple[Body, Expected]:
    code = f"import numpy\nprint(int(numpy.arange(5).sum()) + {n})"
    return _run(code, Expected(f"{n + 10}\n"))


def _many_lines(n: int) -> tuple[Body, Expected]:
    code = f"for i in range({_LINES}):\n    print({n} + i)"
    return _run(code, Expected("".join(f"{n + i}\n" for i in range(_LINES))))


def _exception(n: int) -> tuple[Body, Expected]:
    expected = Expected(f"{n * 7}\n", "runtime_error", 1, f"ValueError: {n + 2}")
    return _run(f"print({n} * 7)\nraise ValueError({n} + 2)", expected)


def _exit_status(n: int) -> tuple[Body, Expected]:
    code = f"import sys\nprint({n} + 4)\nsys.exit({n} % 100 + 1)"
    return _run(code, Expected(f"{n + 4}\n", "runtime_error", n % 100 + 1))


def _does_not_parse(n: int) -> tuple[Body, Expected]:
    return _run(f"print({n}", Expected("", "runtime_error", 1, "SyntaxError"))


def _wall_time(n: int) -> tuple[Body, Expected]:
    code = f"import time\nprint({n} + 5, flush=True)\ntime.sleep(60)"
    expected = Expected(f"{n + 5}\n", "time_limit_exceeded")
    return _run(code, expected, limits={"wall_time_ms": 300})


def _processor_time(n: int) -> tuple[Body, Expected]:
    code = f"print({n} + 6, flush=True)\nwhile True: pass"
    expected = Expected(f"{n + 6}\n", "time_limit_exceeded")
    return _run(code, expected, limits={"cpu_time_ms": 100})


def _memory(n: int) -> tuple[Body, Expected]:
    code = f"print({n} + 7, flush=True)\nx = b'x' * {256 * _MIB}\nprint(len(x))"
    expected = Expected(f"{n + 7}\n", "memory_limit_exceeded")
    return _run(code, expected, limits={"memory_bytes": 48 * _MIB})


def _too_much_output(n: int) -> tuple[Body, Expected]:
    code = f"while True: print({n} + 8)"
    whole = f"{n + 8}\n" * _ROOM_BYTES
    expected = Expected(whole[:_ROOM_BYTES], "output_limit_exceeded")
    return _run(code, expected, limits={"output_bytes": _ROOM_BYTES})


def _wrong_answer(n: int) -> tuple[Body, Expected]:
    expected = Expected(f"{n + 9}\n", "wrong_answer")
    return _run(f"print({n} + 9)", expected, expected_output="another\n")


PROGRAMS = (
    Program("hello", 24, hello),
    Program(
        "standard input",
        8,
        lambda n: _run("print(int(input()) * 3)", Expected(f"{n * 3}\n"), stdin=f"{n}\n"),
    ),
    Program("files", 3, _files),
    Program("numpy", 2, _numpy),
    Program("many lines", 2, _many_lines),
    Program("busy", 2, busy, short=False),
    Program("sleeper", 1, sleeper, short=False),
    Program("slow speaker", 2, _slow_speaker, short=False),
    Program("exception", 5, _exception),
    Program("exit status", 2, _exit_status),
    Program("does not parse", 2, _does_not_parse),
    Program("wall time", 1, _wall_time, short=False),
    Program("processor time", 1, _processor_time, short=False),
    Program("memory", 1, _memory, short=False),
    Program("too much output", 1, _too_much_output),
    Program("wrong answer", 1, _wrong_answer),
    Program("page", 3, _page),
    Program(
        "javascript",
        4,
        lambda n: _run(f"console.log({n} * 2)", Expected(f"{n * 2}\n"), "javascript"),
    ),
    Program(
        "javascript exception",
        1,
        lambda n: _run(
            f"throw new Error('of ' + ({n} + 1))",
            Expected("", "runtime_error", 1, f"Error: of {n + 1}"),
            "javascript",
        ),
    ),
    Program(
        "bash", 3, lambda n: _run(f"echo $(({n} * 4))", Expected(f"{n * 4}\n", exit_code=0), "bash")
    ),
    Program(
        "bash status",
        2,
        lambda n: _run(
            f"echo $(({n} + 3)); exit 7", Expected(f"{n + 3}\n", "runtime_error", 7), "bash"
        ),
    ),
)
