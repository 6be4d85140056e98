"""Starting the load generator, and what it found.

Owns requests in their Python form and the process of the generator; refuses
answers that are wrong: a contender that errs has no numbers.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.case import BenchFailed
from bench.generator import TOKEN

__all__ = ["TOKEN", "Ask", "Findings", "drive", "hello"]

_PROGRAM = Path(__file__).with_name("generator.py")
REQUEST_DEADLINE_S = 90.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request, and what must come back.

    Attributes:
        body: of ``POST path``; ``TOKEN`` in it is the number of the request.
        expect: fields of the answer: a value, or ``{"contains": text}``.
        weight: how often it comes, against the others.
    """

    name: str
    body: Mapping[str, object]
    expect: Mapping[str, object]
    weight: int = 1
    path: str = "/execute"


@dataclass(frozen=True, slots=True)
class Findings:
    """What the generator measured; every answer was right unless ``error_count`` says how many.

    Attributes:
        latencies_ms: of right answers, by the name of the request.
        errors: the first few wrong answers, quoted.
    """

    seconds: float
    client_cpu_s: float
    latencies_ms: Mapping[str, Sequence[float]]
    error_count: int = 0
    errors: Sequence[Mapping[str, object]] = field(default_factory=tuple)

    @property
    def all_latencies_ms(self) -> tuple[float, ...]:
        """Of every right answer."""
        return tuple(ms for some in self.latencies_ms.values() for ms in some)


def hello(code: str, language: str = "python") -> Ask:
    """A program that prints ``hello`` and its token, to every contender alike."""
    return Ask(
        language,
        {"code": code, "language": language},
        {"success": True, "output": f"hello {TOKEN}\n", "error": ""},
    )


def drive(
    address: tuple[str, int],
    asks: Sequence[Ask],
    *,
    clients: int,
    requests: int,
    owners: Sequence[Mapping[str, str]] = (),
    errors_allowed: bool = False,
) -> Findings:
    """Send ``requests`` over ``clients`` connections, check each answer.

    Args:
        owners: header fields of each; the connections are theirs in turns.
        errors_allowed: wrong answers are counted, and no failure.

    Raises:
        BenchFailed: an answer was wrong, late or missing; quotes the first.
    """
    spec = {
        "host": address[0],
        "port": address[1],
        "clients": min(clients, requests),
        "requests": requests,
        "deadline_s": REQUEST_DEADLINE_S,
        "owners": [dict(fields) for fields in owners] or [{}],
        "asks": [
            {"name": a.name, "path": a.path, "body": a.body, "expect": a.expect, "weight": a.weight}
            for a in asks
        ],
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_PROGRAM)],
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailed(f"the load generator failed: {done.stderr.strip()[-600:]}")
    found = json.loads(done.stdout)
    if found["error_count"] and not errors_allowed:
        raise BenchFailed(f"{found['error_count']} wrong answers, the first: {found['errors'][0]}")
    return Findings(
        found["seconds"],
        found["cpu_s"],
        found["latencies_ms"],
        found["error_count"],
        found["errors"],
    )
