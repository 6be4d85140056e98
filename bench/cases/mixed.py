"""A hundred clients at once, many languages and verdicts: nothing fails, everything is right.

Its bound on time is the queue's own arithmetic. A hundred clients that each
ask again as soon as they are answered wait, on average, clients divided by
throughput (Little's law). The queue is first come, first served, so the slow
tail is that wait, some unevenness, and what the longest program takes by itself.
"""

from collections.abc import Iterable

from bench.case import Bench, Case, NotHad
from bench.drive import TOKEN, Ask, Findings, drive
from bench.rounds import by_request
from bench.rows import Goal, Row
from bench.statistics import percentile
from bench.vibecell_service import running

CLIENTS = 100
UNEVENNESS = 1.5
LONGEST_MS = 300
TITLE = "100 clients, mixed languages and verdicts"


def ask(name: str, weight: int, code: str, expect: dict[str, object], **more: object) -> Ask:
    """One kind of program; ``success`` follows from the verdict."""
    verdict = expect.setdefault("verdict", "accepted")
    wanted = {"success": verdict == "accepted", **expect}
    return Ask(name, {"code": code, "language": "python", **more}, wanted, weight)


ASKS = (
    ask("hello", 10, f"print('hello {TOKEN}')", {"output": f"hello {TOKEN}\n", "error": ""}),
    ask("standard input", 4, "print(input())", {"output": f"{TOKEN}\n"}, stdin=TOKEN),
    ask(
        "files",
        4,
        "import part\nopen('out.txt', 'w').write(part.text)\nprint(open('data.txt').read())",
        {
            "output": f"{TOKEN}\n",
            "files": [{"path": "out.txt", "content": f"made {TOKEN}"}],
        },
        files=[
            {"path": "part.py", "content": f"text = 'made {TOKEN}'"},
            {"path": "data.txt", "content": TOKEN},
        ],
    ),
    ask(
        "data",
        4,
        f"import numpy, pandas\nprint(pandas.Series(numpy.arange(5)).sum(), '{TOKEN}')",
        {"output": f"10 {TOKEN}\n"},
    ),
    ask(
        "exception",
        4,
        f"raise ValueError('{TOKEN}')",
        {
            "verdict": "runtime_error",
            "exit_code": 1,
            "error": {"contains": f"ValueError: {TOKEN}\n"},
        },
    ),
    ask(
        "exit status",
        2,
        f"import sys\nprint('{TOKEN}')\nsys.exit(3)",
        {"verdict": "runtime_error", "exit_code": 3, "output": f"{TOKEN}\n"},
    ),
    ask(
        "does not parse",
        2,
        f"print('{TOKEN}'",
        {"verdict": "runtime_error", "exit_code": 1, "error": {"contains": "SyntaxError"}},
    ),
    ask(
        "wall time",
        2,
        f"import time\nprint('{TOKEN}', flush=True)\ntime.sleep(60)",
        {"verdict": "time_limit_exceeded", "output": f"{TOKEN}\n"},
        limits={"wall_time_ms": LONGEST_MS},
    ),
    ask(
        "processor time",
        1,
        f"print('{TOKEN}', flush=True)\nwhile True: pass",
        {"verdict": "time_limit_exceeded", "output": f"{TOKEN}\n"},
        limits={"cpu_time_ms": 100},
    ),
    ask(
        "too much output",
        2,
        f"print('{TOKEN}' * 1000)",
        {"verdict": "output_limit_exceeded", "truncated": True, "output": {"contains": TOKEN}},
        limits={"output_bytes": 1000},
    ),
    ask(
        "wrong answer",
        2,
        f"print('{TOKEN}')",
        {"verdict": "wrong_answer", "output": f"{TOKEN}\n"},
        expected_output="another\n",
    ),
    ask(
        "javascript",
        5,
        f"console.log('hello {TOKEN}')",
        {"output": f"hello {TOKEN}\n"},
        language="javascript",
    ),
    ask(
        "javascript exception",
        2,
        f"throw new Error('{TOKEN}')",
        {"verdict": "runtime_error", "error": {"contains": f"Error: {TOKEN}"}},
        language="javascript",
    ),
    ask("bash", 4, f"echo hello {TOKEN}", {"output": f"hello {TOKEN}\n"}, language="bash"),
    ask(
        "bash status",
        2,
        f"echo {TOKEN}; exit 7",
        {"verdict": "runtime_error", "exit_code": 7, "output": f"{TOKEN}\n"},
        language="bash",
    ),
)


def measure(bench: Bench) -> Iterable[Row]:
    """One long run of Vibecell alone."""
    requests = 500 if bench.quick else 5000
    asks = [a for a in ASKS if a.body["language"] != "javascript" or _has_node(bench)]
    with running(bench) as service:
        drive(service.address, asks, clients=20, requests=100, errors_allowed=True)
        found = drive(
            service.address, asks, clients=CLIENTS, requests=requests, errors_allowed=True
        )
    yield _right_row(found, requests)
    if found.all_latencies_ms:
        yield _time_row(found)


def _has_node(bench: Bench) -> bool:
    try:
        bench.program("node")
    except NotHad:
        return False
    return True


def _right_row(found: Findings, requests: int) -> Row:
    wrong = found.error_count
    return Row(
        f"{TITLE}: {requests:,} executions, wrong or failed answers",
        measured=f"{wrong}",
        value=float(wrong),
        goal=Goal("most", 0, "of them"),
        why=f"the first: {found.errors[0]}" if found.errors else "",
        details={"errors": list(found.errors), "right": by_request(found.latencies_ms)},
    )


def _time_row(found: Findings) -> Row:
    latencies_ms = found.all_latencies_ms
    per_s = len(latencies_ms) / found.seconds
    mean_wait_ms = 1000 * CLIENTS / per_s
    bound_ms = UNEVENNESS * mean_wait_ms + LONGEST_MS
    p95_ms = percentile(latencies_ms, 0.95)
    return Row(
        f"{TITLE}: p95",
        measured=f"{p95_ms:,.0f} ms",
        value=p95_ms,
        goal=Goal("most", round(bound_ms), "ms"),
        why=f"{per_s:.1f}/s, so {CLIENTS} clients wait {mean_wait_ms:,.0f} ms on average; the "
        f"bound is {UNEVENNESS} times that and {LONGEST_MS} ms, the longest program's own time",
        details={
            "runs_per_s": per_s,
            "p50_ms": percentile(latencies_ms, 0.5),
            "p95_ms": p95_ms,
            "p99_ms": percentile(latencies_ms, 0.99),
            "load_generator_s": found.client_cpu_s,
            "seconds": found.seconds,
        },
    )


CASE = Case("mixed", 90, TITLE, measure)
